"""PUT: lengths, chunks, and everything that leaves the old file as it was."""

from __future__ import annotations

import hashlib
from datetime import timedelta

import pytest

from file_uploader.errors import Overloaded, StorageFull
from file_uploader.http import middleware
from tests.support.asgi import Answer, Client
from tests.support.bodies import content
from tests.support.double import StorageDouble, raise_
from tests.unit.http.conftest import Serve

FILE = "/api/files/a"


@pytest.mark.parametrize("size", [0, 1, 65_536, 1_000_003])
@pytest.mark.parametrize("chunked", [False, True])
async def test_stored_whole(client: Client, size: int, chunked: bool) -> None:
    data = content(size)
    pieces = [data[start : start + 70_001] for start in range(0, size, 70_001)]
    answer = await client("PUT", FILE, body=pieces if chunked else data)
    assert (answer.status, answer.body, answer.complete) == (204, b"", True)
    assert answer["etag"].startswith('"')
    assert answer["cache-control"] == "private, no-cache"
    assert answer["vary"] == "X-Auth-Token, Want-Repr-Digest"
    assert answer.get("connection") is None
    fetched = await client("GET", FILE)
    assert (fetched.body, fetched["etag"]) == (data, answer["etag"])


async def test_no_body_at_all_is_an_empty_file(client: Client) -> None:
    assert (await client("PUT", FILE)).status == 204
    fetched = await client("GET", FILE)
    assert (fetched.status, fetched.body, fetched["content-length"]) == (200, b"", "0")


async def test_empty_chunks_in_between_mean_nothing(client: Client) -> None:
    await client("PUT", FILE, body=[b"a", b"", b"", b"b", b""])
    assert (await client("GET", FILE)).body == b"ab"


async def test_a_new_put_replaces_content_and_headers(client: Client) -> None:
    first = await client("PUT", FILE, [("Content-Language", "de"), ("X-Object-Meta-A", "1")], b"1")
    second = await client("PUT", FILE, [("X-Object-Meta-B", "2")], b"2")
    assert first["etag"] != second["etag"]
    fetched = await client("GET", FILE)
    assert fetched.body == b"2"
    assert fetched.get("content-language") is None
    assert fetched.get("x-object-meta-a") is None
    assert fetched["x-object-meta-b"] == "2"


async def broken(client: Client, kind: str) -> Answer:
    """A PUT that goes wrong after its body began."""
    data = content(200_000)
    if kind == "short":
        return await client("PUT", FILE, body=[data], length=len(data) + 1)
    if kind == "long":
        return await client("PUT", FILE, body=[data], length=len(data) - 1)
    if kind == "too-large":
        return await client("PUT", FILE, body=[data, data])
    if kind == "idle":
        return await client("PUT", FILE, body=[data], length=len(data) + 1, stalls=True)
    if kind == "cut":
        return await client("PUT", FILE, body=[data], length=len(data) + 1, ends=False)
    if kind == "cut-chunked":
        return await client("PUT", FILE, body=[data], ends=False)
    if kind == "cut-at-once":
        return await client("PUT", FILE, body=[], ends=False)
    assert kind == "digest"
    return await client("PUT", FILE, [("Content-MD5", "A" * 22 + "==")], data)


BROKEN = {
    "short": (400, "incomplete-body"),
    "long": (400, "incomplete-body"),
    "cut": (400, "incomplete-body"),
    "cut-chunked": (400, "incomplete-body"),
    "cut-at-once": (400, "incomplete-body"),
    "digest": (400, "digest-mismatched-values"),
    "idle": (408, "body-timeout"),
    "too-large": (413, "file-too-large"),
}


@pytest.mark.parametrize("kind", BROKEN)
@pytest.mark.parametrize("existing", [False, True])
async def test_a_broken_body_changes_nothing(
    serve: Serve,
    double: StorageDouble,
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
    existing: bool,
) -> None:
    monkeypatch.setattr(middleware, "DRAIN_SECONDS", 0.05)
    client = await serve(idle_timeout=timedelta(milliseconds=20), max_file_size=300_000)
    if existing:
        await client("PUT", FILE, body=b"old")
    answer = await broken(client, kind)
    assert (answer.status, answer.slug) == BROKEN[kind]
    fetched = await client("GET", FILE)
    assert (fetched.status, fetched.body[:3]) == ((200, b"old") if existing else (404, b'{"t'))
    assert double.calls["commit"] == existing


async def test_the_limit_is_inclusive(serve: Serve) -> None:
    client = await serve(max_file_size=10)
    assert (await client("PUT", FILE, body=b"x" * 10)).status == 204
    assert (await client("PUT", FILE, body=[b"x" * 9, b"x"])).status == 204
    assert (await client("PUT", FILE, body=[b"x" * 10, b"x"])).status == 413


async def test_an_announced_length_over_the_limit_is_refused_unread(
    serve: Serve, double: StorageDouble
) -> None:
    client = await serve(max_file_size=10)
    answer = await client("PUT", FILE, body=b"x" * 11)
    assert (answer.status, answer.slug) == (413, "file-too-large")
    assert not answer.asked_first
    assert not double.calls["put"]


@pytest.mark.parametrize(
    ("headers", "slug"),
    [
        ([("Content-Range", "bytes 0-1/2")], "invalid-header"),
        ([("If-Match", "x")], "invalid-header"),
        ([("Content-MD5", "x")], "invalid-header"),
        ([("Content-Digest", "sha-256=x")], "invalid-header"),
        ([("Repr-Digest", "md5=:AAAA:")], "digest-unsupported-algorithms"),
        ([("Content-Type", "text/\u00e9")], "invalid-header"),
        ([("Content-Type", "a/b"), ("Content-Type", "a/c")], "invalid-header"),
        ([("X-Object-Meta-", "1")], "invalid-header"),
    ],
)
async def test_what_can_be_refused_is_refused_unread(
    client: Client, double: StorageDouble, headers: list[tuple[str, str]], slug: str
) -> None:
    answer = await client("PUT", FILE, headers, b"x")
    assert (answer.status, answer.slug, answer.asked_first) == (400, slug, False)
    assert double.files == {}


@pytest.mark.parametrize("length", ["", "x", "-1", "+1", "1.0", "0x1", "1 1", "\u00b2", "9" * 5000])
async def test_a_bad_content_length(client: Client, length: str) -> None:
    answer = await client("PUT", FILE, [("Content-Length", length)], None)
    assert (answer.status, answer.slug) == (400, "invalid-header")


@pytest.mark.parametrize("query", ["x=1", "download", "prefix=a", "a", "%FF", "a=%zz"])
@pytest.mark.parametrize("method", ["PUT", "DELETE"])
async def test_unknown_parameters_are_refused(client: Client, method: str, query: str) -> None:
    await client("PUT", FILE, body=b"old")
    answer = await client(method, f"{FILE}?{query}", body=b"x" if method == "PUT" else None)
    assert (answer.status, answer.slug) == (400, "invalid-parameter")
    assert (await client("GET", FILE)).body == b"old"


async def test_an_empty_query_is_none(client: Client) -> None:
    assert (await client("PUT", f"{FILE}?", body=b"x")).status == 204
    assert (await client("GET", "/api/files")).json == ["a"]


@pytest.mark.parametrize("error", [Overloaded("Later."), StorageFull("Full.")])
async def test_a_store_that_refuses_at_once_has_nothing_read(
    client: Client, double: StorageDouble, error: Exception
) -> None:
    double.before["put"] = raise_(error)
    answer = await client("PUT", FILE, body=b"x")
    assert answer.status in (503, 507)
    assert not answer.asked_first


async def test_the_answer_tells_what_was_stored(client: Client) -> None:
    answer = await client("PUT", FILE, body=[b"ab", b"c"])
    sha256 = "ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0="
    assert answer["repr-digest"] == f"sha-256=:{sha256}:"
    assert answer["etag"] == f'"{hashlib.sha256(b"abc").hexdigest()}"'


async def test_delete(client: Client) -> None:
    await client("PUT", FILE, body=b"x")
    answer = await client("DELETE", FILE)
    assert (answer.status, answer.body) == (204, b"")
    assert answer["cache-control"] == "private, no-cache"
    assert answer["vary"] == "X-Auth-Token, Want-Repr-Digest"
    again = await client("DELETE", FILE)
    assert (again.status, again.slug) == (404, "no-such-file")
    assert (await client("GET", FILE)).status == 404
