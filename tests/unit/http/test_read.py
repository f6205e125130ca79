"""GET and HEAD of a file: what they say of it, and how it gets its name when saved."""

from __future__ import annotations

import hashlib
from base64 import b64encode

import pytest

from tests.support.asgi import Client
from tests.support.bodies import content
from tests.support.double import StorageDouble
from tests.unit.http.conftest import container
from tests.unit.http.test_sandbox import SHOWN

FILE = "/api/files/dir/a.txt"
DATA = content(200_000)
SHA256 = hashlib.sha256(DATA)


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_every_header(client: Client, method: str) -> None:
    """The whole set, so that none is added or lost unseen."""
    await client("PUT", FILE, [("Content-Type", "text/plain"), ("X-Object-Meta-A", "1")], DATA)
    answer = await client(method, FILE)
    assert answer.status == 200
    assert answer.complete
    assert answer.body == (DATA if method == "GET" else b"")
    assert sorted(answer.headers) == sorted(
        {
            "content-type": "text/plain",
            "content-length": "200000",
            "etag": f'"{SHA256.hexdigest()}"',
            "last-modified": "Thu, 29 Feb 2024 12:30:15 GMT",
            "accept-ranges": "bytes",
            "repr-digest": f"sha-256=:{b64encode(SHA256.digest()).decode()}:",
            "x-object-meta-a": "1",
            "x-content-type-options": "nosniff",
            "content-security-policy": SHOWN,
            "connection-allowlist": "(response-origin)",
            "cache-control": "private, no-cache",
            "vary": "X-Auth-Token, Want-Repr-Digest",
            "x-request-id": "a-test",
        }.items()
    )


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_a_digest_that_is_not_known_is_left_out(
    client: Client, double: StorageDouble, method: str
) -> None:
    double.knows_sha256 = False
    double.store(container(client), "dir/a.txt", DATA)
    answer = await client(method, FILE)
    assert (answer.status, answer.get("repr-digest")) == (200, None)


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_an_empty_file(client: Client, method: str) -> None:
    await client("PUT", FILE, body=b"")
    answer = await client(method, FILE)
    assert (answer.status, answer.body, answer.complete) == (200, b"", True)
    assert answer["content-length"] == "0"


@pytest.mark.parametrize("method", ["GET", "HEAD", "DELETE"])
async def test_no_such_file(client: Client, method: str) -> None:
    answer = await client(method, FILE)
    assert answer.status == 404
    assert answer["cache-control"] == "private, no-cache"
    assert answer["vary"] == "X-Auth-Token, Want-Repr-Digest"
    if method != "HEAD":
        assert answer.slug == "no-such-file"


@pytest.mark.parametrize("headers", [[], [("Range", "bytes=1-5")]])
async def test_the_file_is_let_go_of_afterwards(
    client: Client, double: StorageDouble, headers: list[tuple[str, str]]
) -> None:
    await client("PUT", FILE, body=DATA)
    while_sending = []

    async def look(_chunk: bytes) -> None:
        while_sending.append(double.open_files)

    await client("GET", FILE, headers, on_body=look)
    assert set(while_sending) == {1}
    assert double.open_files == 0


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize(
    "query", ["x", "x=1", "downloads", "download&x=1", "%FF", "versionId=null"]
)
async def test_unknown_parameters(client: Client, method: str, query: str) -> None:
    await client("PUT", FILE, body=DATA)
    assert (await client(method, f"{FILE}?{query}")).status == 400


SAVED_AS = {
    "a.txt": "attachment; filename=\"a.txt\"; filename*=UTF-8''a.txt",
    "dir/a.txt": "attachment; filename=\"a.txt\"; filename*=UTF-8''a.txt",
    "a b.txt": "attachment; filename=\"a b.txt\"; filename*=UTF-8''a%20b.txt",
    'say "hi".txt': "attachment; filename=\"say _hi_.txt\"; filename*=UTF-8''say%20%22hi%22.txt",
    "it's.txt": "attachment; filename=\"it's.txt\"; filename*=UTF-8''it%27s.txt",
    "back\\slash": "attachment; filename=\"back_slash\"; filename*=UTF-8''back%5Cslash",
    "100%41": "attachment; filename=\"100_41\"; filename*=UTF-8''100%2541",
    "a;b=c": "attachment; filename=\"a;b=c\"; filename*=UTF-8''a%3Bb%3Dc",
    "caf\u00e9": "attachment; filename=\"caf_\"; filename*=UTF-8''caf%C3%A9",
    "cafe\u0301": "attachment; filename=\"cafe_\"; filename*=UTF-8''cafe%CC%81",
    "\U0001f600": "attachment; filename=\"_\"; filename*=UTF-8''%F0%9F%98%80",
    "\u202etxt.exe": "attachment; filename=\"_txt.exe\"; filename*=UTF-8''%E2%80%AEtxt.exe",
    "\u0085x": "attachment; filename=\"_x\"; filename*=UTF-8''%C2%85x",
    "\u65e5\u672c/\u8a9e": "attachment; filename=\"_\"; filename*=UTF-8''%E8%AA%9E",
}


@pytest.mark.parametrize("name", SAVED_AS, ids=ascii)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_download_names_the_file(
    client: Client, double: StorageDouble, name: str, method: str
) -> None:
    double.store(container(client), name, b"x")
    raw = "".join(f"%{byte:02x}" for byte in name.encode())
    for query in ("download", "download=", "download=1"):
        answer = await client(method, f"/api/files/{raw}?{query}")
        assert (answer.status, answer["content-disposition"]) == (200, SAVED_AS[name])


async def test_download_beats_what_was_kept(client: Client) -> None:
    await client("PUT", FILE, [("Content-Disposition", "inline")], b"x")
    assert (await client("GET", FILE))["content-disposition"] == "inline"
    answer = await client("GET", f"{FILE}?download")
    assert answer["content-disposition"].startswith("attachment;")


async def test_a_page_runs_no_script_here(client: Client) -> None:
    """Also where the answer is a part of it, or says that the client has it already."""
    await client("PUT", FILE, [("Content-Type", "text/html")], b"<script>alert(1)</script>")
    etag = (await client("HEAD", FILE))["etag"]
    for headers, status in (
        ([], 200),
        ([("Range", "bytes=0-5")], 206),
        ([("If-None-Match", etag)], 304),
    ):
        answer = await client("GET", FILE, headers)
        assert answer.status == status
        assert answer["content-security-policy"] == SHOWN
        assert answer["connection-allowlist"] == "(response-origin)"
        assert answer["x-content-type-options"] == "nosniff"
