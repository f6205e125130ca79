"""Resumable Uploads for HTTP: the interim responses with 104 (draft, 4.2, 4.4 and 5)."""

from __future__ import annotations

import pytest

from file_uploader.http.resumable import resource
from tests.support.asgi import Client
from tests.support.double import StorageDouble
from tests.unit.http.conftest import Serve
from tests.unit.http.resumable import (
    FILE,
    VERSIONS,
    append,
    begun,
    creation,
    limits,
    named,
    offset,
)

WITH_PROGRESS = [version for version in VERSIONS if version >= 5]


@pytest.fixture
def told_at_once(monkeypatch: pytest.MonkeyPatch, double: StorageDouble) -> None:
    """Every chunk is made durable, and every offset is told."""
    monkeypatch.setattr(resource, "PROGRESS_INTERVAL", 0.0)
    double.uploads.checkpoint = 1


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("complete", [False, True])
async def test_4_2_the_uri_is_announced_before_any_byte_is_asked_for(
    client: Client, double: StorageDouble, version: int, complete: bool
) -> None:
    answer = await client("PUT", FILE, creation(version, complete=complete), b"abc")
    [announced] = answer.interim
    [(_, upload_id)] = double.uploads.records
    assert (announced.status, announced.asked, answer.asked_first) == (104, False, True)
    assert announced.headers["location"] == f"http://localhost/api/uploads/{upload_id}"
    # Draft Version Identification: it names the version that the request named.
    assert announced.headers["upload-draft-interop-version"] == str(version)
    assert "upload-offset" not in announced.headers


@pytest.mark.parametrize("version", VERSIONS)
async def test_4_2_all_answers_have_the_same_location(client: Client, version: int) -> None:
    answer = await client("PUT", FILE, creation(version, complete=False), b"abc")
    assert [interim.headers["location"] for interim in answer.interim] == [answer["location"]]


@pytest.mark.parametrize("version", VERSIONS)
async def test_4_2_the_limits_are_announced_where_there_are_any(serve: Serve, version: int) -> None:
    client = await serve(max_file_size=1000)
    [announced] = (await client("PUT", FILE, creation(version, complete=False))).interim
    if version < 6:
        assert "upload-limit" not in announced.headers
    else:
        key = "expires" if version == 6 else "max-age"
        told = limits(announced.headers["upload-limit"])
        assert (set(told), told["max-size"]) == ({"max-size", key}, 1000)


@pytest.mark.usefixtures("told_at_once")
@pytest.mark.parametrize("version", VERSIONS)
async def test_4_2_progress_is_told_without_a_location(client: Client, version: int) -> None:
    fields = creation(version, complete=True)
    answer = await client("PUT", FILE, fields, [b"abc", b"def", b"ghi"])
    _, *told = answer.interim
    if version not in WITH_PROGRESS:
        assert told == []
        return
    assert [interim.headers["upload-offset"] for interim in told] == ["3", "6", "9", "9"]
    for interim in told:
        assert interim.status == 104
        assert interim.headers.keys() == {"upload-draft-interop-version", "upload-offset"}
        assert interim.headers["upload-draft-interop-version"] == str(version)


@pytest.mark.usefixtures("told_at_once")
@pytest.mark.parametrize("version", VERSIONS)
async def test_4_4_progress_of_an_append(client: Client, version: int) -> None:
    uri = await begun(client, b"abc")
    answer = await client("PATCH", uri, append(3, version, complete=True), [b"def", b"ghi"])
    told = [interim.headers for interim in answer.interim]
    # "These interim responses MUST NOT include the Location header field."
    expected = ["6", "9", "9"] if version in WITH_PROGRESS else []
    assert [headers["upload-offset"] for headers in told] == expected
    for headers in told:
        assert headers.keys() == {"upload-draft-interop-version", "upload-offset"}


@pytest.mark.usefixtures("told_at_once")
@pytest.mark.parametrize("version", WITH_PROGRESS)
async def test_4_1_1_an_offset_that_was_told_survives_a_cut(client: Client, version: int) -> None:
    fields = creation(version, complete=True)
    cut = await client("PUT", FILE, fields, [b"abc", b"def"], ends=False)
    announced, *told = cut.interim
    uri = announced.headers["location"]
    assert int(told[-1].headers["upload-offset"]) == await offset(client, uri) == 6
    cut = await client("PATCH", uri, append(6, version, complete=True), [b"ghi"], ends=False)
    told += cut.interim
    assert int(told[-1].headers["upload-offset"]) == await offset(client, uri) == 9
    offsets = [int(interim.headers["upload-offset"]) for interim in told]
    assert offsets == sorted(offsets)


@pytest.mark.usefixtures("told_at_once")
@pytest.mark.parametrize("complete", [False, True])
async def test_4_1_1_no_offset_is_told_that_a_digest_takes_back(
    client: Client, complete: bool
) -> None:
    uri = await begun(client, b"abc")
    fields = [*append(3, complete=complete), ("Content-MD5", "1B2M2Y8AsgTpgAmY7PhCfg==")]
    answer = await client("PATCH", uri, fields, [b"def", b"ghi"])
    assert (answer.status, answer.slug) == (400, "digest-mismatched-values")
    assert {interim.headers["upload-offset"] for interim in answer.interim} <= {"3"}
    assert await offset(client, uri) == 3


@pytest.mark.usefixtures("told_at_once")
@pytest.mark.parametrize("version", WITH_PROGRESS)
async def test_4_4_no_offset_is_told_beyond_the_length(client: Client, version: int) -> None:
    uri = await begun(client, b"abc", [("Upload-Length", "7")])
    chunks = [b"de", b"f", b"gh", b"i"]
    answer = await client("PATCH", uri, append(3, version, complete=False), chunks)
    assert (answer.status, answer.slug) == (400, "inconsistent-upload-length")
    told = [int(interim.headers["upload-offset"]) for interim in answer.interim]
    assert told[:2] == [5, 6]
    assert max(told) <= 7


async def test_progress_is_told_about_once_a_second(
    client: Client, double: StorageDouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 0.0
    monkeypatch.setattr(resource, "monotonic", lambda: now)
    double.uploads.checkpoint = 1

    async def later() -> None:
        nonlocal now
        now += 0.4

    double.before["upload-chunk"] = later
    uri = await begun(client)
    answer = await client("PATCH", uri, append(0, complete=True), [b"a"] * 10)
    assert [interim.headers["upload-offset"] for interim in answer.interim] == ["3", "6", "9"]


@pytest.mark.usefixtures("told_at_once")
@pytest.mark.parametrize(
    "unknown", [None, "0", "1", "2", "10", "104", "x", "", "8, 9", "-8", "8.0"]
)
async def test_nobody_else_gets_an_interim_response(client: Client, unknown: str | None) -> None:
    # Draft Version Identification:
    # "MUST NOT send a 104 … when the interop version … is missing or mismatching."
    version = [] if unknown is None else [("Upload-Draft-Interop-Version", unknown)]
    part = await client("PUT", FILE, [*version, *creation(None, complete=False)], [b"abc", b"def"])
    uri = part["location"]
    rest = await client("PATCH", uri, [*version, *append(6, None, complete=True)], [b"g", b"h"])
    whole = await client("PUT", FILE, [*version, *creation(None, complete=True)], [b"abc", b"def"])
    plain = await client("PUT", FILE, version, [b"abc", b"def"])
    for answer in (part, rest, whole, plain):
        assert answer.interim == []
        assert answer.get("upload-draft-interop-version") is None
    assert (part.status, rest.status, whole.status, plain.status) == (201, 204, 204, 204)


@pytest.mark.usefixtures("told_at_once")
@pytest.mark.parametrize("version", VERSIONS)
async def test_nobody_gets_one_where_they_are_switched_off(serve: Serve, version: int) -> None:
    client = await serve(interim_responses=False)
    part = await client("PUT", FILE, creation(version, complete=False), [b"abc", b"def"])
    rest = await client("PATCH", part["location"], append(6, version, complete=True), [b"g", b"h"])
    whole = await client("PUT", FILE, creation(version, complete=True), [b"abc", b"def"])
    assert [answer.interim for answer in (part, rest, whole)] == [[], [], []]
    assert (part.status, rest.status, whole.status) == (201, 204, 204)


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_request_that_begins_no_upload_gets_none(client: Client, version: int) -> None:
    answer = await client("PUT", FILE, named(version), b"abc")
    assert (answer.status, answer.interim, answer.get("upload-complete")) == (204, [], None)
    answer = await client("HEAD", await begun(client, b"abc"), named(version))
    assert (answer.status, answer.interim) == (204, [])
