"""Resumable Uploads for HTTP: what only earlier versions of the draft demand (-01 to -08)."""

from __future__ import annotations

import pytest

from tests.support.asgi import Client
from tests.unit.http.resumable import (
    ANY,
    EARLY,
    FILE,
    begun,
    completeness,
    creation,
    named,
)


@pytest.mark.parametrize("method", ["HEAD", "DELETE"])
@pytest.mark.parametrize("version", ANY)
async def test_until_version_6_the_headers_of_an_append_are_refused_elsewhere(
    client: Client, version: int | None, method: str
) -> None:
    # -01 to -05, offset retrieval and cancellation
    for field in (("Upload-Offset", "3"), completeness(version, complete=True)):
        uri = await begun(client, b"abc")
        answer = await client(method, uri, [*named(version), field])
        assert answer.status == (400 if version in EARLY else 204)


@pytest.mark.parametrize("version", [None, 6, 7, 8, 9])
async def test_in_version_6_nobody_says_a_length_when_asking(
    client: Client, version: int | None
) -> None:
    # -05, offset retrieval: the same for Upload-Length, which it has brought.
    uri = await begun(client, b"abc")
    answer = await client("HEAD", uri, [*named(version), ("Upload-Length", "3")])
    assert answer.status == (400 if version == 6 else 204)


@pytest.mark.parametrize("version", EARLY)
async def test_until_version_6_a_whole_body_is_answered_with_its_uri_and_offset(
    client: Client, version: int
) -> None:
    # -01 to -05, creation: once there is an upload, both are in the answer to success as well.
    answer = await client("PUT", FILE, creation(version, complete=True), b"abc")
    assert (answer.status, answer["upload-offset"]) == (204, "3")
    assert answer["location"] == answer.interim[0].headers["location"]
