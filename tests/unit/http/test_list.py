"""The list: what is in it, and in which form."""

from __future__ import annotations

import json
from urllib.parse import quote

import pytest

from tests.support.asgi import Client
from tests.support.double import StorageDouble
from tests.unit.http.conftest import container

NAMES = ["a", "a b", "a/1", "a/2/x", "b", "caf\u00e9", "\ufffd", "\U0001f600"]
JSON, LINES, TEXT = "application/json", "application/x-ndjson", "text/plain"


@pytest.fixture
def files(client: Client, double: StorageDouble) -> None:
    for name in reversed(NAMES):
        double.store(container(client), name, name.encode())


@pytest.mark.parametrize("page_size", [1, 3, 1000])
@pytest.mark.usefixtures("files")
async def test_names_in_utf8_order(client: Client, double: StorageDouble, page_size: int) -> None:
    double.page_size = page_size
    answer = await client("GET", "/api/files")
    assert (answer.status, answer.complete) == (200, True)
    assert answer.json == NAMES
    assert answer.body == json.dumps(NAMES, ensure_ascii=False, separators=(",", ":")).encode()
    assert sorted(answer.headers) == [
        ("cache-control", "private, no-store"),
        ("content-type", JSON),
        ("vary", "X-Auth-Token, Accept"),
        ("x-content-type-options", "nosniff"),
        ("x-request-id", "a-test"),
    ]


@pytest.mark.parametrize(
    ("accept", "body"), [(None, b"[]"), (JSON, b"[]"), (LINES, b""), (TEXT, b"")]
)
@pytest.mark.parametrize("query", ["", "?details=true", "?limit=5", "?prefix=x"])
async def test_an_unknown_client_has_none(
    client: Client, accept: str | None, body: bytes, query: str
) -> None:
    headers = [("Accept", accept)] if accept else []
    answer = await client("GET", f"/api/files{query}", headers)
    if (accept, query) == (TEXT, "?details=true"):
        assert answer.status == 406
        return
    assert (answer.status, answer.body, answer.complete) == (200, body, True)
    assert answer.get("link") is None


@pytest.mark.usefixtures("files")
async def test_json_lines(client: Client) -> None:
    answer = await client("GET", "/api/files", [("Accept", LINES)])
    assert answer["content-type"] == LINES
    assert answer.body.endswith(b"\n")
    assert [json.loads(line) for line in answer.body.splitlines()] == NAMES


@pytest.mark.usefixtures("files")
async def test_text(client: Client) -> None:
    answer = await client("GET", "/api/files", [("Accept", TEXT)])
    assert answer["content-type"] == "text/plain; charset=utf-8"
    assert answer.body == "".join(f"{name}\n" for name in NAMES).encode()


@pytest.mark.usefixtures("files")
@pytest.mark.parametrize("accept", [JSON, LINES])
async def test_details(client: Client, accept: str) -> None:
    answer = await client("GET", "/api/files?details=true&delimiter=/", [("Accept", accept)])
    found = answer.json if accept == JSON else [json.loads(x) for x in answer.body.splitlines()]
    head = await client("HEAD", "/api/files/b")
    assert found[3] == {
        "name": "b",
        "size": 1,
        "etag": head["etag"],
        "last_modified": "2024-02-29T12:30:18.250Z",
    }
    assert found[2] == {"prefix": "a/"}
    assert [entry.get("name") or entry["prefix"] for entry in found] == [
        name for name in NAMES if name != "a/2/x" for name in ["a/" if name == "a/1" else name]
    ]


ACCEPTED: dict[str, str | None] = {
    "": JSON,
    "*/*": JSON,
    "application/*": JSON,
    "text/*": TEXT,
    "text/html, */*;q=0.8": JSON,
    "application/json": JSON,
    "APPLICATION/JSON": JSON,
    "application/json; charset=utf-8": JSON,
    "application/x-ndjson": LINES,
    "text/plain, application/json": JSON,
    "text/plain, application/json;q=0.9": TEXT,
    "text/plain;q=0.5, application/x-ndjson;q=0.6, application/json;q=0.4": LINES,
    "application/json;q=0, */*": LINES,
    "application/*;q=0, */*": TEXT,
    "application/*;q=0.1, text/plain;q=0.2": TEXT,
    "*/*;q=0.1, application/json;q=0": LINES,
    " text/plain ; q=1.0 ": TEXT,
    ",, text/plain ,": TEXT,
    "text/html": None,
    "image/*": None,
    "*/*;q=0": None,
    "application/json;q=0": None,
    "text/plain;q=x": None,
    "json": None,
    "*": None,
    "application/xml, text/html": None,
}


@pytest.mark.usefixtures("files")
@pytest.mark.parametrize("accept", ACCEPTED)
async def test_negotiation(client: Client, accept: str) -> None:
    answer = await client("GET", "/api/files", [("Accept", accept)])
    wanted = ACCEPTED[accept]
    if wanted is None:
        assert (answer.status, answer.slug) == (406, "not-acceptable")
        assert answer["vary"] == "X-Auth-Token, Accept"
        for media_type in (JSON, LINES, TEXT):
            assert media_type in answer.json["detail"]
        return
    assert (answer.status, answer["content-type"].partition(";")[0]) == (200, wanted)


async def test_negotiation_over_several_lines(client: Client) -> None:
    headers = [("Accept", "text/html"), ("Accept", TEXT)]
    answer = await client("GET", "/api/files", headers)
    assert answer["content-type"].startswith(TEXT)


async def test_details_are_never_text(client: Client) -> None:
    answer = await client("GET", "/api/files?details=true", [("Accept", TEXT)])
    assert (answer.status, answer.slug) == (406, "not-acceptable")
    answer = await client("GET", "/api/files?details=true", [("Accept", f"{TEXT}, {LINES};q=0.1")])
    assert answer["content-type"] == LINES


BAD_QUERIES = [
    "limit=0",
    "limit=-1",
    "limit=+1",
    "limit=%2B1",
    "limit=1.0",
    "limit=1e3",
    "limit=",
    "limit",
    "limit=x",
    "limit=%C2%B2",
    "limit=%D9%A3",
    "limit=" + "9" * 19,
    "limit=" + "9" * 5000,
    "limit=1&limit=1",
    "details=yes",
    "details=1",
    "details=True",
    "details=",
    "details",
    "details=true&details=true",
    "prefix=%FF",
    "prefix=%",
    "prefix=%zz",
    "prefix=a&prefix=b",
    "marker=%C3",
    "delimiter=%2",
    "Prefix=a",
    "prefix%00=a",
    "x",
    "x=1",
    "=",
    "=x",
    "%FF=1",
    "prefix=a;limit=1&y=1",
    "list-type=2",
]


@pytest.mark.usefixtures("files")
@pytest.mark.parametrize("query", BAD_QUERIES, ids=lambda value: value[:30])
async def test_bad_parameters(client: Client, query: str) -> None:
    answer = await client("GET", f"/api/files?{query}")
    assert (answer.status, answer.slug) == (400, "invalid-parameter")
    assert len(answer.json["detail"]) < 200


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("prefix=a", ["a", "a b", "a/1", "a/2/x"]),
        ("prefix=a+b", ["a b"]),
        ("prefix=a%20b", ["a b"]),
        ("prefix=a/", ["a/1", "a/2/x"]),
        ("%70refix=a%2F", ["a/1", "a/2/x"]),
        ("prefix=A", []),
        ("prefix=caf%C3%A9", ["caf\u00e9"]),
        ("prefix=cafe%CC%81", []),
        ("prefix=..", []),
        ("prefix=/", []),
        ("prefix=%00", []),
        ("prefix=" + "x" * 2000, []),
        ("delimiter=/", ["a", "a b", "a/", "b", "caf\u00e9", "\ufffd", "\U0001f600"]),
        ("delimiter=/&prefix=a/", ["a/1", "a/2/"]),
        ("delimiter=%C3%A9&prefix=c", ["caf\u00e9"]),
        ("delimiter=f%C3%A9&prefix=c", ["caf\u00e9"]),
        ("delimiter=a", ["a", "b", "ca", "\ufffd", "\U0001f600"]),
        ("delimiter=", NAMES),
        ("marker=", NAMES),
        ("marker=a/1", ["a/2/x", "b", "caf\u00e9", "\ufffd", "\U0001f600"]),
        ("marker=a/&delimiter=/", ["b", "caf\u00e9", "\ufffd", "\U0001f600"]),
        ("marker=a/2/x&delimiter=/", ["b", "caf\u00e9", "\ufffd", "\U0001f600"]),
        ("marker=%F0%9F%98%80", []),
        ("marker=%F4%8F%BF%BF", []),
        ("marker=%EF%BF%BD", ["\U0001f600"]),
        ("details=false", NAMES),
        ("limit=2&marker=b", ["caf\u00e9", "\ufffd"]),
        ("limit=" + "9" * 18, NAMES),
        ("limit=0008", NAMES),
        ("&prefix=b&&", ["b"]),
        ("", NAMES),
    ],
    ids=lambda value: value[:30] if isinstance(value, str) else "",
)
@pytest.mark.usefixtures("files")
async def test_parameters(client: Client, query: str, found: list[str]) -> None:
    answer = await client("GET", f"/api/files?{query}")
    assert (answer.status, answer.json) == (200, found)


@pytest.mark.usefixtures("files")
async def test_head_counts(client: Client, double: StorageDouble) -> None:
    answer = await client("HEAD", "/api/files")
    assert (answer.status, answer.body) == (204, b"")
    assert answer["x-container-object-count"] == str(len(NAMES))
    assert answer["x-container-bytes-used"] == str(sum(len(name.encode()) for name in NAMES))
    assert answer["cache-control"] == "private, no-store"
    assert "X-Auth-Token" in answer["vary"]
    double.countable = False
    answer = await client("HEAD", "/api/files")
    assert answer.status == 204
    assert answer.get("x-container-object-count") is None
    assert answer.get("x-container-bytes-used") is None


async def test_head_of_an_unknown_client(client: Client) -> None:
    answer = await client("HEAD", "/api/files")
    assert (answer["x-container-object-count"], answer["x-container-bytes-used"]) == ("0", "0")


@pytest.mark.parametrize("query", ["prefix=a", "limit=1", "x"])
async def test_head_takes_no_parameters(client: Client, query: str) -> None:
    assert (await client("HEAD", f"/api/files?{query}")).status == 400


@pytest.mark.parametrize("name", ['"', "\\", "</script>", "\u2028", "\u0085", "\ufeff", "\ufffd"])
async def test_names_that_need_care_in_json(client: Client, name: str) -> None:
    await client("PUT", f"/api/files/{quote(name, safe='')}x", body=b"")
    assert (await client("GET", "/api/files")).json == [name + "x"]
