"""Structured Fields: what counts as a value, and what is ignored (draft, 4.1)."""

from __future__ import annotations

import pytest
from starlette.datastructures import Headers

from file_uploader.http.fields import structured
from tests.support.asgi import Client
from tests.unit.http.resumable import FILE, append, begun, offset, stored

PARAMETERS = [
    ";a",
    "; a",
    ";a=1;b=2",
    ";a=-1.5",
    ';a="x \\"y\\" ; ?0"',
    ";*a.b-c_d=tok/en:*",
    ";a=:YWJj:",
    ";a=?0",
    ";a=@1659578233",
    ';a=%"f%c3%bc"',
]
NO_PARAMETERS = [
    ";",
    ";A=1",
    ";a=",
    ";a = 1",
    ";a=1,",
    " ;a",
    ";a=1.2345",
    ';a="\u00e9"',
    ';a="x',
    ';a=%"%C3"',
    ";a=()",
    ";\ta",
]


def headers(*values: str) -> Headers:
    return Headers(raw=[(b"x", value.encode("latin-1")) for value in values])


@pytest.mark.parametrize("parameters", ["", *PARAMETERS])
@pytest.mark.parametrize(("bare", "value"), [("?0", False), ("?1", True), (" ?1 ", True)])
def test_booleans(bare: str, value: bool, parameters: str) -> None:
    assert structured.boolean(headers(bare.rstrip() + parameters), "X") is value


@pytest.mark.parametrize("parameters", ["", *PARAMETERS])
@pytest.mark.parametrize(
    ("bare", "value"), [("0", 0), ("-0", 0), ("007", 7), (" 1 ", 1), ("9" * 15, 10**15 - 1)]
)
def test_integers(bare: str, value: int, parameters: str) -> None:
    assert structured.integer(headers(bare.rstrip() + parameters), "X") == value


@pytest.mark.parametrize(
    "value",
    ["", "1", "true", "?", "?2", "?11", "? 1", "?T", "(?1)", "?1,", "?1, ?1", '"?1"', "\t?1"]
    + [f"?1{parameters}" for parameters in NO_PARAMETERS],
)
def test_what_is_no_boolean_is_ignored(value: str) -> None:
    assert structured.boolean(headers(value), "X") is None


@pytest.mark.parametrize(
    "value",
    ["", "-1", "+1", "1.0", "1e3", "0x1", "1_0", "1 0", "?1", "(1)", "1, 1", '"1"', "9" * 16]
    + ["\u00b2", "\u0661".encode().decode("latin-1"), "@1"]
    + [f"1{parameters}" for parameters in NO_PARAMETERS],
)
def test_what_is_no_integer_from_0_is_ignored(value: str) -> None:
    assert structured.integer(headers(value), "X") is None


def test_a_field_in_two_lines_is_no_item() -> None:
    assert structured.integer(headers("1", "1"), "X") is None
    assert structured.boolean(headers("?1", "?1"), "X") is None
    assert structured.boolean(headers(), "X") is None


def test_no_value_takes_long_to_read() -> None:
    for value in ("?1" + ";a" * 50_000 + "!", "1" + ';a="' + "\\\\" * 50_000, "?1" + " " * 100_000):
        structured.boolean(headers(value), "X")
        structured.integer(headers(value), "X")


@pytest.mark.parametrize("value", ["", "1", "true", "?2", "?1, ?1", "?0;"])
async def test_4_1_2_another_upload_complete_is_as_none(client: Client, value: str) -> None:
    answer = await client("PUT", FILE, [("Upload-Complete", value)], b"whole")
    assert (answer.status, answer.get("upload-complete")) == (204, None)
    assert await stored(client) == b"whole"
    assert (await client("POST", FILE, [("Upload-Complete", value)], b"x")).status == 405
    uri = await begun(client, b"abc")
    fields = [pair for pair in append(3, complete=True) if pair[0] != "Upload-Complete"]
    answer = await client("PATCH", uri, [*fields, ("Upload-Complete", value)], b"def")
    assert (answer.status, answer.slug, answer.asked_first) == (400, "invalid-header", False)
    assert await offset(client, uri) == 3


@pytest.mark.parametrize("value", ["", "-3", "3.0", "?1", "3, 3", "03a"])
async def test_4_1_1_another_upload_offset_is_as_none(client: Client, value: str) -> None:
    uri = await begun(client, b"abc")
    fields = [pair for pair in append(3, complete=True) if pair[0] != "Upload-Offset"]
    answer = await client("PATCH", uri, [*fields, ("Upload-Offset", value)], b"def")
    assert (answer.status, answer.slug, answer.asked_first) == (400, "invalid-header", False)
    assert await offset(client, uri) == 3


@pytest.mark.parametrize("value", ["", "-3", "3.0", "?1", "2, 2", "abc"])
async def test_4_1_3_another_upload_length_is_as_none(client: Client, value: str) -> None:
    uri = await begun(client, b"abc", [("Upload-Length", value)])
    assert (await client("HEAD", uri)).get("upload-length") is None
    fields = [*append(3, complete=False), ("Upload-Length", value)]
    assert (await client("PATCH", uri, fields, b"def")).status == 204
    assert (await client("HEAD", uri)).get("upload-length") is None


async def test_parameters_of_the_fields_are_ignored(client: Client) -> None:
    answer = await client("PUT", FILE, [("Upload-Complete", "?0;x=1")], b"abc")
    assert answer.status == 201
    fields = [
        ("Upload-Complete", "?1; y"),
        ("Upload-Offset", "3;z=tok"),
        append(3, complete=True)[2],
    ]
    assert (await client("PATCH", answer["location"], fields, b"def")).status == 204
    assert await stored(client) == b"abcdef"
