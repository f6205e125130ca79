"""Each call, tried against the files of another client: nothing is seen, counted or changed."""

from __future__ import annotations

import pytest

from tests.support.asgi import Answer, Client
from tests.support.double import StorageDouble
from tests.unit.http.conftest import BOB, container

NAMES = ["a", "dir/b", "dir/c", "z"]


@pytest.fixture
async def mine(client: Client, double: StorageDouble) -> dict[str, str]:
    """The first client's files: name to ETag."""
    return {
        name: double.store(container(client), name, f"mine: {name}".encode()).etag for name in NAMES
    }


def comparable(answer: Answer) -> tuple[int, list[tuple[str, str]], bytes]:
    return answer.status, answer.headers, answer.body


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("method", ["GET", "HEAD", "DELETE"])
async def test_the_others_file_is_like_one_that_never_was(
    client: Client, other: Client, mine: dict[str, str], method: str, name: str
) -> None:
    for headers in (
        [],
        [("If-None-Match", f'"{mine[name]}"')],
        [("If-Match", f'"{mine[name]}"')],
        [("If-Match", "*")],
        [("If-Modified-Since", "Thu, 01 Jan 2099 00:00:00 GMT")],
        [("Range", "bytes=0-1")],
        [("Range", "bytes=0-1"), ("If-Range", f'"{mine[name]}"')],
    ):
        answer = await other(method, f"/api/files/{name}", headers)
        never = await other(method, "/api/files/never", headers)
        assert comparable(answer) == comparable(never)
        assert answer.status in (404, 412)
    assert (await client("GET", f"/api/files/{name}")).body == f"mine: {name}".encode()


@pytest.mark.usefixtures("mine")
@pytest.mark.parametrize(
    "query",
    [
        "",
        "?prefix=a",
        "?prefix=dir/",
        "?prefix=dir/b",
        "?delimiter=/",
        "?delimiter=/&prefix=dir",
        "?marker=a",
        "?marker=dir/",
        "?marker=dir/b&limit=1",
        "?limit=1",
        "?details=true",
    ],
)
async def test_lists(client: Client, other: Client, query: str) -> None:
    for accept in ("application/json", "application/x-ndjson"):
        headers = [("Accept", accept)]
        answer = await other("GET", f"/api/files{query}", headers)
        never = await Client(client.app, BOB[:-1] + "f")("GET", f"/api/files{query}", headers)
        assert comparable(answer) == comparable(never)
        assert answer.status == 200
        assert answer.body in (b"[]", b"")
        assert answer.get("link") is None
    assert (await client("GET", f"/api/files{query}")).body != b"[]"


@pytest.mark.usefixtures("mine")
async def test_a_prefix_or_name_is_never_the_others_container(
    client: Client, other: Client
) -> None:
    theirs = container(client).name
    for prefix in (theirs, f"{theirs}/", f"../{theirs}/", f"files/{theirs}/", "../", "/", "%00"):
        answer = await other("GET", f"/api/files?prefix={prefix}")
        assert (answer.status, answer.json) == (200, [])
        answer = await other("GET", f"/api/files?marker={prefix}")
        assert (answer.status, answer.json) == (200, [])
    for name in (f"{theirs}/a", f"files/{theirs}/a"):
        assert (await other("GET", f"/api/files/{name}")).status == 404
    for name in (f"../{theirs}/a", f"..%2F{theirs}%2Fa"):
        assert (await other("GET", f"/api/files/{name}")).status == 400


@pytest.mark.usefixtures("mine")
async def test_counts(client: Client, other: Client) -> None:
    assert (await other("HEAD", "/api/files"))["x-container-object-count"] == "0"
    await other("PUT", "/api/files/a", body=b"123")
    answer = await other("HEAD", "/api/files")
    assert answer["x-container-object-count"] == "1"
    assert answer["x-container-bytes-used"] == "3"
    assert (await client("HEAD", "/api/files"))["x-container-object-count"] == str(len(NAMES))


@pytest.mark.usefixtures("mine")
async def test_the_same_name_is_two_files(client: Client, other: Client) -> None:
    assert (await other("PUT", "/api/files/a", [("If-None-Match", "*")], b"theirs")).status == 204
    assert (await client("PUT", "/api/files/a", [("If-None-Match", "*")], b"x")).status == 412
    assert (await client("GET", "/api/files/a")).body == b"mine: a"
    assert (await other("GET", "/api/files/a")).body == b"theirs"
    assert (await other("DELETE", "/api/files/a")).status == 204
    assert (await client("GET", "/api/files/a")).body == b"mine: a"
    assert (await client("GET", "/api/files")).json == NAMES


async def test_the_others_version_is_no_condition(
    client: Client, other: Client, double: StorageDouble
) -> None:
    etag = double.store(container(client), "a", b"x").etag
    double.store(container(other), "a", b"y")
    assert (await other("PUT", "/api/files/a", [("If-Match", f'"{etag}"')], b"z")).status == 412
    assert (await other("GET", "/api/files/a", [("If-None-Match", f'"{etag}"')])).status == 200
