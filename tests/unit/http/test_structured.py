"""Structured Fields against the vectors of the working group (RFC 9651)."""

from __future__ import annotations

import base64
import json
import string
from pathlib import Path
from typing import Any

import pytest

from file_uploader.http import structured

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


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["name"])
def test_a_vector(vector: dict[str, Any]) -> None:
    if vector.get("must_fail"):
        parse = structured.item if vector["type"] == "item" else structured.dictionary
        assert parse(", ".join(vector["raw"])) is None
        return
    for bare, value in zip(*bare_items(vector), strict=True):
        if isinstance(value, bool):
            assert bare == ("?1" if value else "?0")
        elif isinstance(value, int):
            assert structured.as_integer(bare) == (value if value >= 0 else None)
        elif isinstance(value, dict) and value["__type"] == "binary":
            padded = bare[1:-1] + "=" * (-len(bare[1:-1]) % 4)
            assert base64.b64decode(padded) == base64.b32decode(value["value"])
        elif isinstance(value, dict) and value["__type"] == "token":
            assert bare == value["value"]


@pytest.mark.parametrize("character", CHARACTERS)
def test_every_character_where_one_may_be(character: str) -> None:
    first, later = f"{character}a=1", f"a{character}a=1"
    allowed = character in string.ascii_lowercase + "*"
    assert (structured.dictionary(first) is not None) == (allowed or character == " ")
    # A comma begins another member, and a semicolon a parameter.
    assert (structured.dictionary(later) is not None) == (character in KEY + ",;")
    in_string = " " <= character <= "~" and character not in '"\\'
    assert (structured.item(f'"a{character}b"') is not None) == in_string
    assert (structured.item(f'"\\{character}"') is not None) == (character in '"\\')
    assert (structured.item(f"a{character}b") is not None) == (character in TOKEN + ";")
    begins = character in string.ascii_letters + "*"
    assert (structured.item(f"{character}b!") is not None) == (begins or character == " ")
    in_base64 = character in string.ascii_letters + string.digits + "+/"
    assert (structured.item(f":aaa{character}:") is not None) == (in_base64 or character == "=")
    shown = " " <= character <= "~" and character not in '%"'
    assert (structured.item(f'%"a{character}b"') is not None) == shown


@pytest.mark.parametrize("first", ESCAPED)
def test_a_display_string_is_utf_8(first: str) -> None:
    for rest in ("", "%80", "%a0", "%bf", "%90%80", "%80%80", "%a0%80", "%90%80%80", "%8f%80%80"):
        for escaped in (first + rest, first + rest + "%80"):
            try:
                bytes.fromhex(escaped.replace("%", "")).decode()
            except UnicodeDecodeError:
                assert structured.item(f'%"{escaped}"') is None, escaped
            else:
                assert structured.item(f'%"{escaped}"') == f'%"{escaped}"'
    assert first.upper() == first or structured.item(f'%"{first.upper()}"') is None


@pytest.mark.parametrize("digits", range(1, 18))
def test_numbers_have_so_many_digits(digits: int) -> None:
    number = "1" * digits
    assert (structured.item(number) is not None) == (digits <= 15)
    assert (structured.item(f"-{number}") is not None) == (digits <= 15)
    assert (structured.item(f"@{number}") is not None) == (digits <= 15)
    for places in range(5):
        decimal = f"{number}.{'5' * places}"
        assert (structured.item(decimal) is not None) == (digits <= 12 and 1 <= places <= 3)
