"""Structured Fields against the vectors of the working group (RFC 9651)."""

from __future__ import annotations

import base64
import json
import string
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from file_uploader.http.fields import structured

VECTORS = json.loads((Path(__file__).parent / "structured_fields.json").read_text())["vectors"]
KEY = string.ascii_lowercase + string.digits + "_-.*"
TOKEN = string.ascii_letters + string.digits + "!#$%&'*+-.^_`|~:/"
CHARACTERS = [chr(code) for code in range(256)]
ESCAPED = [f"%{code:02x}" for code in range(256)]


def bare_items(vector: dict[str, Any]) -> tuple[list[str], list[Any]]:
    """The bare items that are read from a vector, and their values as it has them."""
    raw = ", ".join(vector["raw"])
    if vector["type"] == "item":
        item = structured.item(raw)
        assert item is not None
        return [item], [vector["expected"][0]]
    members, expected = structured.dictionary(raw), dict(vector["expected"])
    assert members is not None
    assert sorted(members) == sorted(expected)
    return [members[key] for key in expected], [value[0] for value in expected.values()]


def test_every_vector() -> None:
    assert [vector["name"] for vector in VECTORS if not _is_read(vector)] == []


def _is_read(vector: dict[str, Any]) -> bool:
    if vector.get("must_fail"):
        parse = structured.item if vector["type"] == "item" else structured.dictionary
        return parse(", ".join(vector["raw"])) is None
    return all(_is_value(*each) for each in zip(*bare_items(vector), strict=True))


def _is_value(bare: str, value: Any) -> bool:
    if isinstance(value, bool):
        return bare == ("?1" if value else "?0")
    if isinstance(value, int):
        return structured.as_integer(bare) == (value if value >= 0 else None)
    if isinstance(value, dict) and value["__type"] == "binary":
        padded = bare[1:-1] + "=" * (-len(bare[1:-1]) % 4)
        return base64.b64decode(padded) == base64.b32decode(value["value"])
    if isinstance(value, dict) and value["__type"] == "token":
        return bare == str(value["value"])
    return True


def test_every_character_where_one_may_be() -> None:
    for character in CHARACTERS:
        one = f"with {character!r}"
        first, later = f"{character}a=1", f"a{character}a=1"
        allowed = character in string.ascii_lowercase + "*"
        assert (structured.dictionary(first) is not None) == (allowed or character == " "), one
        # A comma begins another member, and a semicolon a parameter.
        assert (structured.dictionary(later) is not None) == (character in KEY + ",;"), one
        in_string = " " <= character <= "~" and character not in '"\\'
        assert (structured.item(f'"a{character}b"') is not None) == in_string, one
        assert (structured.item(f'"\\{character}"') is not None) == (character in '"\\'), one
        assert (structured.item(f"a{character}b") is not None) == (character in TOKEN + ";"), one
        begins = character in string.ascii_letters + "*"
        assert (structured.item(f"{character}b!") is not None) == (begins or character == " "), one
        in_base64 = character in string.ascii_letters + string.digits + "+/="
        assert (structured.item(f":aaa{character}:") is not None) == (
            in_base64 or character == "="
        ), one
        shown = " " <= character <= "~" and character not in '%"'
        assert (structured.item(f'%"a{character}b"') is not None) == shown, one


def test_a_display_string_is_utf_8() -> None:
    ends = ("", "%80", "%a0", "%bf", "%90%80", "%80%80", "%a0%80", "%90%80%80", "%8f%80%80")
    for first, rest in product(ESCAPED, ends):
        for escaped in (first + rest, first + rest + "%80"):
            try:
                bytes.fromhex(escaped.replace("%", "")).decode()
            except UnicodeDecodeError:
                assert structured.item(f'%"{escaped}"') is None, escaped
            else:
                assert structured.item(f'%"{escaped}"') == f'%"{escaped}"'
    for each in ESCAPED:
        assert each.upper() == each or structured.item(f'%"{each.upper()}"') is None, each


@pytest.mark.parametrize("digits", range(1, 18))
def test_numbers_have_so_many_digits(digits: int) -> None:
    number = "1" * digits
    assert (structured.item(number) is not None) == (digits <= 15)
    assert (structured.item(f"-{number}") is not None) == (digits <= 15)
    assert (structured.item(f"@{number}") is not None) == (digits <= 15)
    for places in range(5):
        decimal = f"{number}.{'5' * places}"
        assert (structured.item(decimal) is not None) == (digits <= 12 and 1 <= places <= 3)
