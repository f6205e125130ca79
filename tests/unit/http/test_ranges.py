"""Range requests (RFC 9110, 14)."""

from __future__ import annotations

import pytest

from tests.support.asgi import Client
from tests.support.double import StorageDouble
from tests.unit.http.conftest import container

FILE = "/api/files/a"
DATA = b"0123456789"

SATISFIED = {
    "bytes=0-0": (0, 0),
    "bytes=0-9": (0, 9),
    "bytes=3-5": (3, 5),
    "bytes=9-9": (9, 9),
    "bytes=5-": (5, 9),
    "bytes=0-": (0, 9),
    "bytes=9-": (9, 9),
    "bytes=5-10": (5, 9),
    "bytes=5-99999999999999999999999999": (5, 9),
    "bytes=-1": (9, 9),
    "bytes=-10": (0, 9),
    "bytes=-11": (0, 9),
    "bytes=-99999999999999999999999999": (0, 9),
    "bytes=00-01": (0, 1),
    "Bytes=1-2": (1, 2),
    " bytes=1-2\t": (1, 2),
}
UNSATISFIABLE = [
    "bytes=10-",
    "bytes=10-10",
    "bytes=10-20",
    "bytes=99999999999999999999999999-",
    "bytes=-0",
    "bytes=-00",
]
IGNORED = [
    "",
    "bytes",
    "bytes=",
    "bytes=-",
    "bytes=1",
    "bytes=5-3",
    "bytes=a-b",
    "bytes=1-b",
    "bytes=--1",
    "bytes=1--2",
    "bytes=+1-2",
    "bytes=0x0-0x1",
    "bytes=1.0-2.0",
    "bytes=\u00b2-",
    "bytes:1-2",
    "bytes 1-2",
    "1-2",
    "items=0-1",
    "seconds=1-2",
    "bytes=0-0,2-2",
    "bytes=0-0, -1",
    "bytes=0-0,99-",
    "bytes=99-,100-",
    "bytes=0-" + "9" * 5000,
    "bytes=" + "0" * 5000 + "-",
    "none",
]


@pytest.fixture
async def file(client: Client) -> str:
    """A file of ten bytes; gives its ETag."""
    return (await client("PUT", FILE, body=DATA))["etag"]


@pytest.mark.usefixtures("file")
@pytest.mark.parametrize("value", SATISFIED)
async def test_satisfied(client: Client, value: str) -> None:
    first, last = SATISFIED[value]
    answer = await client("GET", FILE, [("Range", value)])
    assert (answer.status, answer.complete) == (206, True)
    assert answer.body == DATA[first : last + 1]
    assert answer["content-range"] == f"bytes {first}-{last}/10"
    assert answer["content-length"] == str(last - first + 1)


@pytest.mark.usefixtures("file")
@pytest.mark.parametrize("value", UNSATISFIABLE)
async def test_unsatisfiable(client: Client, value: str) -> None:
    answer = await client("GET", FILE, [("Range", value)])
    assert (answer.status, answer.slug) == (416, "range-not-satisfiable")
    assert answer["content-range"] == "bytes */10"
    assert answer["cache-control"] == "private, no-cache"


@pytest.mark.usefixtures("file")
@pytest.mark.parametrize("value", IGNORED, ids=lambda value: ascii(value)[:40])
async def test_ignored(client: Client, value: str) -> None:
    answer = await client("GET", FILE, [("Range", value)])
    assert (answer.status, answer.body) == (200, DATA)
    assert answer.get("content-range") is None
    assert answer["content-length"] == "10"


async def test_a_part_has_the_headers_of_the_whole(client: Client, file: str) -> None:
    whole = await client("GET", FILE)
    part = await client("GET", FILE, [("Range", "bytes=1-2")])
    assert part["etag"] == file
    changed = ("content-length", "content-range")
    assert [pair for pair in part.headers if pair[0] not in changed] == [
        pair for pair in whole.headers if pair[0] not in changed
    ]


@pytest.mark.usefixtures("file")
async def test_twice(client: Client) -> None:
    answer = await client("GET", FILE, [("Range", "bytes=0-1"), ("Range", "bytes=2-3")])
    assert (answer.status, answer.slug) == (400, "invalid-header")


@pytest.mark.usefixtures("file")
@pytest.mark.parametrize("value", [*SATISFIED, *UNSATISFIABLE, *IGNORED])
async def test_head_takes_no_range(client: Client, value: str) -> None:
    answer = await client("HEAD", FILE, [("Range", value)])
    assert (answer.status, answer["content-length"]) == (200, "10")
    assert answer.get("content-range") is None


@pytest.mark.parametrize(
    ("value", "status"),
    [("bytes=0-", 416), ("bytes=0-0", 416), ("bytes=-1", 200), ("bytes=-0", 416), ("x=0-", 200)],
)
async def test_an_empty_file(client: Client, value: str, status: int) -> None:
    """A suffix of nothing can be given, but no Content-Range could say so."""
    await client("PUT", FILE, body=b"")
    answer = await client("GET", FILE, [("Range", value)])
    assert answer.status == status
    assert answer.get("content-range") == ("bytes */0" if status == 416 else None)


MODIFIED = "Thu, 29 Feb 2024 12:30:15 GMT"
IF_RANGE = {
    "{etag}": 206,
    " {etag} ": 206,
    "W/{etag}": 200,
    '"other"': 200,
    '""': 200,
    "*": 200,
    "{bare}": 200,
    "{etag}, {etag}": 200,
    MODIFIED: 200,
    "Thu, 29 Feb 2024 12:30:14 GMT": 200,
    "Thu, 29 Feb 2024 12:30:16 GMT": 200,
    "Thu, 29 Feb 2024 12:30:15 +0000": 200,
    "yesterday": 200,
    "": 200,
}


@pytest.mark.parametrize("value", IF_RANGE)
async def test_if_range(client: Client, file: str, value: str) -> None:
    value_now = value.format(etag=file, bare=file.strip('"'))
    headers = [("Range", "bytes=2-4"), ("If-Range", value_now)]
    answer = await client("GET", FILE, headers)
    assert answer.status == IF_RANGE[value]
    assert answer.body == (DATA[2:5] if IF_RANGE[value] == 206 else DATA)


async def test_if_range_that_fails_saves_from_416(client: Client) -> None:
    await client("PUT", FILE, body=DATA)
    headers = [("Range", "bytes=99-"), ("If-Range", '"other"')]
    assert (await client("GET", FILE, headers)).status == 200


@pytest.mark.usefixtures("file")
async def test_if_range_without_a_range(client: Client) -> None:
    assert (await client("GET", FILE, [("If-Range", '"other"')])).status == 200


async def test_conditions_come_first(client: Client, file: str) -> None:
    unsatisfiable = ("Range", "bytes=99-")
    assert (await client("GET", FILE, [unsatisfiable, ("If-None-Match", file)])).status == 304
    assert (await client("GET", FILE, [unsatisfiable, ("If-Match", '"x"')])).status == 412
    assert (await client("GET", FILE, [unsatisfiable, ("If-Match", file)])).status == 416


async def test_the_store_reads_no_more_than_the_range(
    client: Client, double: StorageDouble
) -> None:
    double.chunk_size = 1
    double.store(container(client), "a", DATA)
    await client("GET", FILE, [("Range", "bytes=2-4")])
    assert double.calls["chunk"] == 3
