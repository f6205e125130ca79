"""Integrity on every way to bring bytes: what is asked for is checked, or refused."""

from __future__ import annotations

import pytest

from file_uploader.http.fields import digests
from tests.support.asgi import Answer, Client
from tests.support.double import StorageDouble
from tests.support.tus import BYTES, VERSION, metadata
from tests.unit.http.test_digests import (
    DATA,
    FILE,
    IN_256,
    MD5,
    SHA256,
    WRONG256,
    WRONG512,
    Pairs,
    encoded,
)
from tests.unit.http.test_links_use import put_link

PIECE = ("Content-Type", "application/partial-upload")
NAMED = metadata(filename="a")

ELSEWHERE = {
    "Unencoded-Digest": f"sha-256=:{SHA256}:",
    "Content-SHA256": SHA256,
    "X-Content-MD5": MD5,
    "X-Oss-Hash-Crc64ecma": "0",
    "Digest": f"SHA-256={SHA256}",
    "ETag": "5eb63bbbe01eeed093cb22bb8f5acdc3",
    "OC-Checksum": "SHA1:Kq5sNclPz7QV2+lfQIuc6R7oRu0=",
    "Upload-Checksum": f"sha256 {SHA256}",
    "X-Amz-Checksum-Sha256": SHA256,
    "X-Amz-Checksum-Crc64nvme": "AAAAAAAAAAA=",
    "X-Amz-Content-Sha256": "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
    "X-Amz-Trailer": "x-amz-checksum-crc32",
    "X-Bz-Content-Sha1": "2aae6c35c94fcfb415dbe95f408b9ce91ee846ed",
    "X-Checksum": "2aae6c35c94fcfb415dbe95f408b9ce91ee846ed",
    "X-Checksum-Sha1": "2aae6c35c94fcfb415dbe95f408b9ce91ee846ed",
    "X-Goog-Hash": f"md5={MD5}",
    "X-Ms-Blob-Content-Md5": MD5,
    "X-Ms-Content-Crc64": "AAAAAAAAAAA=",
    "X-Ms-Content-Md5": MD5,
}
"""How clients of other services say what a body is to be."""
BEHIND = [
    '"Digest"',
    "Unencoded-Digest;q=1",
    "Content-Digest",
    "Expires, repr-digest ,x",
    "Content-MD5",
    "Digest",
    "Upload-Checksum",
    "x-amz-checksum-crc32c",
]
STORED_BY: dict[str, tuple[str, Pairs]] = {
    "PUT": (FILE, []),
    "PUT by link": ("", []),
    "IETF, a part": (FILE, [("Upload-Complete", "?0")]),
    "IETF, all": (FILE, [("Upload-Complete", "?1"), ("Upload-Draft-Interop-Version", "8")]),
    "IETF, goes on": ("", [PIECE, ("Upload-Offset", "0"), ("Upload-Complete", "?1")]),
    "tus, begins": ("/api/uploads", [VERSION, BYTES, ("Upload-Length", "11"), NAMED]),
    "tus, goes on": ("", [VERSION, BYTES, ("Upload-Offset", "0")]),
    "a request for a link": ("/api/links", [("Content-Type", "application/json")]),
}
"""Every way to bring bytes."""


async def _bring(client: Client, way: str, headers: Pairs, body: bytes = DATA) -> Answer:
    target, own = STORED_BY[way]
    method = "PUT" if target == FILE else "POST"
    if way == "PUT by link":
        method, target = "PUT", await put_link(client)
    elif way == "IETF, goes on":
        begun = await client("PUT", FILE, [("Upload-Complete", "?0")])
        method, target = "PATCH", begun["location"]
    elif way == "tus, goes on":
        begun = await client("POST", "/api/uploads", [VERSION, ("Upload-Length", "11"), NAMED])
        method, target = "PATCH", begun["location"]
    return await client(method, target, [*own, *headers], body)


def test_each_that_is_refused_is_tried() -> None:
    tried = [name.lower() for name in ELSEWHERE]
    for name in digests.UNCHECKED:
        assert any(each.startswith(name) if name.endswith("-") else each == name for each in tried)


@pytest.mark.parametrize("way", STORED_BY)
async def test_what_nobody_checks_is_refused_before_the_body(
    client: Client, double: StorageDouble, way: str
) -> None:
    """Whoever sends it would take the answer for a check."""
    for name, value in [*ELSEWHERE.items(), *(("Trailer", names) for names in BEHIND)]:
        if name == "Upload-Checksum" and way.startswith("tus"):
            continue
        answer = await _bring(client, way, [(name, value)])
        told = (answer.status, answer.slug, answer.asked_first)
        assert told == (400, "invalid-header", False), (name, value)
        refused = value.partition(",")[2] or value if name == "Trailer" else name
        assert answer.json["detail"].split()[0] in refused.lower(), (name, value)
        assert "Content-Digest" in answer.json["detail"]
        assert double.files == {}


@pytest.mark.parametrize("way", STORED_BY)
async def test_a_trailer_of_something_else_is_nobodys_business(client: Client, way: str) -> None:
    body = b'{"name": "a"}' if way == "a request for a link" else DATA
    assert (await _bring(client, way, [("Trailer", "Server-Timing")], body)).status < 300


@pytest.mark.parametrize("way", STORED_BY)
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Content-Digest", f"sha-256=:{WRONG256}:;x=1"),
        ("Content-Digest", f"sha-512=:{WRONG512}:"),
        ("Content-MD5", encoded("md5", b"other")),
    ],
)
async def test_every_way_to_bring_bytes_checks_those_of_a_message(
    client: Client, double: StorageDouble, way: str, name: str, value: str
) -> None:
    answer = await _bring(client, way, [(name, value)])
    wrong = (460, "checksum-mismatch") if "tus" in way else (400, "digest-mismatched-values")
    assert (answer.status, answer.slug) == wrong
    assert double.files == {}


@pytest.mark.parametrize("way", ["IETF, goes on", "tus, goes on"])
async def test_a_digest_of_the_whole_belongs_to_the_beginning(client: Client, way: str) -> None:
    answer = await _bring(client, way, [("Repr-Digest", IN_256)])
    assert (answer.status, answer.slug, answer.asked_first) == (400, "invalid-header", False)


async def test_tus_and_a_digest_contradict_each_other(client: Client) -> None:
    headers = [("Upload-Checksum", f"sha256 {WRONG256}"), ("Content-Digest", IN_256)]
    answer = await _bring(client, "tus, goes on", headers)
    assert (answer.status, answer.slug, answer.asked_first) == (400, "invalid-header", False)
    headers[0] = ("Upload-Checksum", f"sha256 {SHA256}")
    assert (await _bring(client, "tus, goes on", headers)).status == 204


async def test_a_digest_of_no_bytes_is_checked_too(client: Client) -> None:
    begin = [VERSION, ("Upload-Length", "11"), NAMED]
    wrong = await client("POST", "/api/uploads", [*begin, ("Upload-Checksum", f"sha256 {SHA256}")])
    assert (wrong.status, wrong.slug) == (460, "checksum-mismatch")
    nothing = ("Upload-Checksum", f"sha256 {encoded('sha256', b'')}")
    assert (await client("POST", "/api/uploads", [*begin, nothing])).status == 201
