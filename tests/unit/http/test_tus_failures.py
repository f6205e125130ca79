"""What tus 1.0.0 asks for where something fails, or is repeated when all is over."""

from __future__ import annotations

import base64
import hashlib

import pytest

from file_uploader.errors import StorageFull, StorageUnavailable
from tests.support.asgi import Client
from tests.support.double import StorageDouble, raise_
from tests.support.tus import BYTES, Tus, metadata
from tests.unit.http.conftest import Serve

NOWHERE = "/api/uploads/" + "0" * 32


def checksum(algorithm: str, data: bytes) -> tuple[str, str]:
    digest = hashlib.new(algorithm, data).digest()
    return "Upload-Checksum", f"{algorithm} {base64.b64encode(digest).decode()}"


@pytest.mark.parametrize("step", ["upload-chunk", "upload-complete", "upload-load"])
async def test_upload_expires_is_in_a_patch_that_the_store_failed(
    tus: Tus, double: StorageDouble, step: str
) -> None:
    """Expiration, Upload-Expires: in every answer to a PATCH."""
    location = await tus.begin(5)
    expires = (await tus.head(location))["upload-expires"]
    double.before[step] = raise_(StorageFull("no space"))
    answer = await tus.patch(location, 0, b"hello")
    assert (answer.status, answer["upload-expires"]) == (507, expires)


@pytest.mark.parametrize("first", "1ef")
async def test_an_id_from_beyond_all_times_is_none(
    tus: Tus, double: StorageDouble, first: str
) -> None:
    """Its first digits are a moment, which `Upload-Expires` is computed from."""
    double.before["upload-load"] = raise_(StorageUnavailable("The store is away."))
    answer = await tus.patch("/api/uploads/" + first * 32, 0, b"hello")
    assert (answer.status, double.calls["upload-load"]) == (404, 0)
    answer = await tus.patch("/api/uploads/0" + "f" * 31, 0, b"hello")
    assert (answer.status, answer["upload-expires"][12:16]) == (503, "2527")


@pytest.mark.parametrize("target", ["/api/uploads", NOWHERE])
async def test_a_preflight_names_the_version_too(serve: Serve, target: str) -> None:
    """Requests, OPTIONS: an answer names the versions; Checksum: and the algorithms."""
    client = await serve(cors_origins=("https://app.example.com",))
    asks = [("Origin", "https://app.example.com"), ("Access-Control-Request-Method", "PATCH")]
    answer = await client("OPTIONS", target, asks)
    assert answer.status in (200, 204)
    assert answer["tus-version"] == "1.0.0"
    assert answer["tus-checksum-algorithm"] == "sha1,sha256"


async def test_a_creation_without_a_version_is_answered_with_one(client: Client) -> None:
    """Headers, Tus-Resumable: in every answer."""
    answer = await client("POST", "/api/uploads", [("Upload-Length", "5"), metadata(filename="a")])
    assert (answer.status, answer["tus-version"]) == (412, "1.0.0")
    assert answer["tus-resumable"] == "1.0.0"


async def test_a_checksum_of_an_empty_piece_at_the_end_is_verified(tus: Tus) -> None:
    """Checksum: what is announced is compared."""
    location = await tus.begin(5, body=b"hello")
    assert (await tus.patch(location, 5, b"", [checksum("sha1", b"")])).status == 204
    assert (await tus.patch(location, 5, b"", [checksum("sha1", b"x")])).status == 460


async def test_another_length_of_a_finished_upload_is_refused(tus: Tus) -> None:
    """Creation, POST: a length stays what it is."""
    location = await tus.begin(5, body=b"hello")
    answer = await tus.patch(location, 5, b"", [("Upload-Length", "6")])
    assert (answer.status, answer.slug) == (400, "inconsistent-upload-length")


async def test_termination_of_an_upload_whose_completion_is_refused(
    client: Client, tus: Tus, double: StorageDouble
) -> None:
    """Termination, DELETE: 204 for an upload that is there."""
    location = await tus.begin(5, [("If-None-Match", "*")])
    double.before["upload-complete"] = raise_(StorageUnavailable("gone"))
    assert (await tus.patch(location, 0, b"hello")).status == 503
    del double.before["upload-complete"]
    await client("PUT", "/api/files/a", body=b"old")
    assert (await tus("DELETE", location)).status == 204
    assert (await tus.head(location)).status == 404


async def test_a_creation_whose_first_bytes_fail_tells_the_offset(tus: Tus) -> None:
    """Creation With Upload: the answer tells the offset after what was accepted."""
    answer = await tus.post(11, [checksum("sha1", b"hello")], b"hallo")
    assert (answer.status, answer["upload-offset"]) == (460, "0")


async def test_a_creation_that_brings_too_much_leaves_nothing(
    serve: Serve, double: StorageDouble
) -> None:
    """Creation, POST: over the maximum is 413; nobody is told of what was begun."""
    tus = Tus(await serve(max_file_size=10))
    deferred = [("Upload-Defer-Length", "1"), metadata(filename="a"), BYTES]
    answer = await tus("POST", "/api/uploads", deferred, [b"0123456789", b"!"])
    assert answer.status == 413
    assert answer.get("location") is None
    assert double.uploads.records == {}
