"""tus 1.0.0, "Expiration", "Checksum" and "Termination": each clause that binds a server."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime, parsedate_to_datetime

import pytest

from file_uploader.errors import StorageUnavailable
from tests.support.asgi import Client
from tests.support.double import StorageDouble, raise_
from tests.support.tus import BYTES, Tus
from tests.unit.http.conftest import Serve, container


def expire(client: Client, double: StorageDouble, location: str) -> None:
    """Let an upload's time be over."""
    key = container(client), location.rpartition("/")[2]
    past = datetime.now(UTC) - timedelta(seconds=1)
    double.uploads.records[key] = replace(double.uploads.records[key], expires=past)


def checksum(algorithm: str, data: bytes) -> tuple[str, str]:
    digest = hashlib.new(algorithm, data).digest()
    return "Upload-Checksum", f"{algorithm} {base64.b64encode(digest).decode()}"


# Expiration


async def test_upload_expires_is_in_the_creation_and_in_every_patch(serve: Serve) -> None:
    """Upload-Expires: MUST be included in every PATCH response, and in that to the POST."""
    tus = Tus(await serve(upload_expiry=timedelta(hours=3)))
    created = await tus.post(11)
    location = created["location"]
    answers = [
        created,
        await tus.head(location),
        await tus.patch(location, 0, b"hello"),
        await tus.patch(location, 0, b"hello"),
        await tus.patch(location, 5, b"far too much"),
        await tus.patch(location, 5, b"x", [checksum("sha1", b"y")]),
        await tus.patch(location, 5, b"x", [("Upload-Checksum", "md5 x")]),
        await tus.patch(location, 5, [b" wor"], ends=False),
        await tus("PATCH", location, [("Upload-Offset", "5")], b"x"),
        await tus("PATCH", location, [BYTES], b"x"),
    ]
    statuses = [201, 200, 204, 409, 400, 460, 400, 400, 415, 400]
    assert [answer.status for answer in answers] == statuses
    (value,) = {answer["upload-expires"] for answer in answers}
    until = parsedate_to_datetime(value) - datetime.now(UTC)
    assert timedelta(hours=2, minutes=59) < until <= timedelta(hours=3)


async def test_upload_expires_is_in_the_format_of_http(tus: Tus) -> None:
    """Upload-Expires: MUST be in RFC 9110's format of dates (5.6.7: the one of today)."""
    value = (await tus.post(5))["upload-expires"]
    assert value == format_datetime(parsedate_to_datetime(value), usegmt=True)


async def test_upload_expires_is_in_a_patch_that_brings_too_much(serve: Serve) -> None:
    """Upload-Expires: MUST be included in every PATCH response, known beforehand or not."""
    tus = Tus(await serve(max_file_size=10))
    created = await tus.post(None, [("Upload-Defer-Length", "1")])
    location, expires = created["location"], created["upload-expires"]
    for answer in (
        await tus.patch(location, 0, b"x" * 11),
        await tus.patch(location, 0, [b"x" * 11]),
        await tus.patch(location, 0, b"", [("Upload-Length", "11")]),
    ):
        assert (answer.status, answer["upload-expires"]) == (413, expires)


@pytest.mark.parametrize(("sent", "ends"), [(b"hallo", True), (b"hel", False)])
async def test_upload_expires_is_in_a_creation_whose_first_bytes_fail(
    tus: Tus, sent: bytes, ends: bool
) -> None:
    """Upload-Expires: MUST be in the response to the POST; the upload is there and expires."""
    answer = await tus.post(5, [checksum("sha1", b"hello")], [sent], ends=ends)
    assert answer.status == (460 if ends else 400)
    assert answer["upload-expires"] == (await tus.head(answer["location"]))["upload-expires"]


async def test_an_upload_that_became_a_file_does_not_expire(tus: Tus) -> None:
    """Upload-Expires: the time after which the unfinished upload expires."""
    location = await tus.begin(5)
    finished = await tus.patch(location, 0, b"hello")
    for answer in (finished, await tus.head(location), await tus.post(0)):
        assert answer.get("upload-expires") is None


async def test_an_expired_upload_is_not_there(
    client: Client, tus: Tus, double: StorageDouble
) -> None:
    """Upload-Expires: SHOULD respond with 404 or 410."""
    location = await tus.begin(5)
    await tus.patch(location, 0, b"hel")
    expire(client, double, location)
    for answer in (
        await tus.head(location),
        await tus.patch(location, 3, b"lo"),
        await tus("DELETE", location),
    ):
        assert (answer.status, answer.get("upload-offset")) == (404, None)
        assert answer.get("upload-expires") is None
    assert (await client("GET", "/api/uploads")).json == []
    assert double.files == {}


# Checksum


async def test_options_names_the_algorithms(nobody: Client) -> None:
    """Checksum: Tus-Checksum-Algorithm MUST be included; at least sha1; no uppercase."""
    for target in ("/api/uploads", "/api/uploads/" + "0" * 32):
        algorithms = (await nobody("OPTIONS", target))["tus-checksum-algorithm"].split(",")
        assert algorithms == ["sha1", "sha256"]


@pytest.mark.parametrize("algorithm", ["sha1", "sha256"])
@pytest.mark.parametrize("chunked", [True, False])
async def test_a_checksum_that_matches(
    client: Client, tus: Tus, algorithm: str, chunked: bool
) -> None:
    """Checksum: 204 if the checksums match."""
    location = await tus.begin(11)
    for offset, piece in ((0, b"hello"), (5, b" world")):
        body = [piece] if chunked else piece
        answer = await tus.patch(location, offset, body, [checksum(algorithm, piece)])
        assert (answer.status, answer["upload-offset"]) == (204, str(offset + len(piece)))
    assert (await client("GET", "/api/files/a")).body == b"hello world"


@pytest.mark.parametrize("algorithm", ["sha1", "sha256"])
@pytest.mark.parametrize("chunks", [[b"hallo"], [b"ha", b"llo"], [b"hell0", b"!"], []])
async def test_a_checksum_that_does_not_match(
    tus: Tus, double: StorageDouble, algorithm: str, chunks: list[bytes]
) -> None:
    """Checksum: 460, the chunk MUST be discarded, upload and offset MUST NOT be updated."""
    double.uploads.checkpoint = 1
    location = await tus.begin(11)
    answer = await tus.patch(location, 0, chunks, [checksum(algorithm, b"hello")])
    assert (answer.status, answer.slug) == (460, "checksum-mismatch")
    assert (await tus.head(location))["upload-offset"] == "0"
    assert double.uploads.chunks == {}
    answer = await tus.patch(location, 0, b"hello", [checksum(algorithm, b"hello")])
    assert (answer.status, answer["upload-offset"]) == (204, "5")


async def test_a_mismatch_at_the_end_makes_no_file(client: Client, tus: Tus) -> None:
    """As above: also where the chunk would have completed the upload."""
    location = await tus.begin(5)
    answer = await tus.patch(location, 0, b"hallo", [checksum("sha1", b"hello")])
    assert answer.status == 460
    assert (await client("GET", "/api/files/a")).status == 404
    assert await tus.offset(location) == 0
    assert (await tus.patch(location, 0, b"hello")).status == 204


async def test_a_mismatch_sets_no_length_either(tus: Tus) -> None:
    """As above: nor is anything else of the upload updated."""
    location = await tus.begin(None, [("Upload-Defer-Length", "1")])
    headers = [checksum("sha1", b"hello"), ("Upload-Length", "9")]
    assert (await tus.patch(location, 0, b"hallo", headers)).status == 460
    answer = await tus.head(location)
    assert (answer["upload-defer-length"], answer.get("upload-length")) == ("1", None)
    assert (await tus.patch(location, 0, b"hello", [("Upload-Length", "5")])).status == 204


async def test_a_cut_piece_with_a_checksum_is_discarded(tus: Tus, double: StorageDouble) -> None:
    """Checksum: once the entire request has been received, and not before."""
    double.uploads.checkpoint = 1
    location = await tus.begin(11)
    headers = [checksum("sha1", b"hello")]
    for length in (5, None):
        answer = await tus.patch(location, 0, [b"hel"], headers, length=length, ends=False)
        assert (answer.status, answer.slug) == (400, "incomplete-body")
        assert await tus.offset(location) == 0
    assert double.uploads.chunks == {}


@pytest.mark.parametrize("value", ["md5 XUFAKrxLKna5cZ2REBfFkg==", "SHA1 x", "crc32 AAAAAA==", ""])
async def test_an_algorithm_that_is_not_known(tus: Tus, value: str) -> None:
    """Checksum: 400 if the checksum algorithm is not supported."""
    location = await tus.begin(5)
    answer = await tus.patch(location, 0, b"hello", [("Upload-Checksum", value)])
    assert (answer.status, answer.slug) == (400, "digest-unsupported-algorithms")
    assert "sha1 and sha256" in answer.json["detail"]
    assert (answer.asked_first, await tus.offset(location)) == (False, 0)


async def test_an_algorithm_that_is_not_known_changes_nothing(
    tus: Tus, double: StorageDouble
) -> None:
    """Checksum: the chunk MUST be discarded, upload and offset MUST NOT be updated."""
    location = await tus.begin(None, [("Upload-Defer-Length", "1")])
    before = dict(double.uploads.records)
    headers = [("Upload-Checksum", "md5 XUFAKrxLKna5cZ2REBfFkg=="), ("Upload-Length", "5")]
    assert (await tus.patch(location, 0, b"hello", headers)).status == 400
    assert double.uploads.records == before


@pytest.mark.parametrize(
    "value",
    [
        "sha1 x",
        "sha1 AAAA",
        "sha1  qvTGHdzF6KLavt4PO0gs2a6pQ00=",
        "sha1 qvTGHdzF6KLavt4PO0gs2a6pQ00",
        "sha1 aaf4c61ddcc5e8a2dabede0f3b482cd9aea9434d",
        "sha256 qvTGHdzF6KLavt4PO0gs2a6pQ00=",
    ],
)
async def test_a_checksum_that_cannot_be_read(tus: Tus, value: str) -> None:
    """Upload-Checksum: name and Base64 encoded checksum separated by a space."""
    location = await tus.begin(5)
    answer = await tus.patch(location, 0, b"hello", [("Upload-Checksum", value)])
    assert (answer.status, answer.slug) == (400, "invalid-header")
    assert (answer.asked_first, await tus.offset(location)) == (False, 0)


async def test_two_checksums(tus: Tus) -> None:
    """As above: there is one."""
    location = await tus.begin(5)
    both = [checksum("sha1", b"hello"), checksum("sha256", b"hello")]
    assert (await tus.patch(location, 0, b"hello", both)).status == 400
    assert await tus.offset(location) == 0


# Termination


@pytest.mark.parametrize("offset", [0, 3, 5])
async def test_termination(client: Client, tus: Tus, double: StorageDouble, offset: int) -> None:
    """Termination, DELETE: MUST respond with 204; later requests with 404; frees resources."""
    location = await tus.begin(5)
    await tus.patch(location, 0, b"hello"[:offset])
    answer = await tus("DELETE", location)
    assert (answer.status, answer.body) == (204, b"")
    assert double.uploads.records == {}
    for later in (
        await tus.head(location),
        await tus.patch(location, offset, b"hello"[offset:]),
        await tus("DELETE", location),
    ):
        assert (later.status, later.get("upload-offset")) == (404, None)
    stored = await client("GET", "/api/files/a")
    assert stored.status == (200 if offset == 5 else 404), "never its file"


async def test_a_termination_that_fails_can_be_repeated(tus: Tus, double: StorageDouble) -> None:
    """As above: nothing is confirmed that did not happen."""
    location = await tus.begin(5)
    double.before["upload-swap"] = raise_(StorageUnavailable("gone"))
    assert (await tus("DELETE", location)).status == 503
    del double.before["upload-swap"]
    assert await tus.offset(location) == 0
    assert (await tus("DELETE", location)).status == 204
