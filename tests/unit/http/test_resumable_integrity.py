"""Resumable Uploads for HTTP: digests (draft, 10) and conditions, which hold in the end."""

from __future__ import annotations

import hashlib
from base64 import b64encode

import pytest

from tests.support.asgi import Client
from tests.support.double import StorageDouble
from tests.unit.http.resumable import (
    FILE,
    VERSIONS,
    Pairs,
    append,
    begun,
    creation,
    is_complete,
    offset,
    stored,
)

DATA = b"hello world"


def encoded(algorithm: str, data: bytes) -> str:
    return b64encode(hashlib.new(algorithm, data, usedforsecurity=False).digest()).decode()


def content_fields(data: bytes) -> list[Pairs]:
    return [
        [("Content-Digest", f"sha-256=:{encoded('sha256', data)}:")],
        [("Content-Digest", f"sha-512=:{encoded('sha512', data)}:")],
        [("Content-MD5", encoded("md5", data))],
    ]


def repr_fields(data: bytes) -> list[Pairs]:
    return [
        [("Repr-Digest", f"sha-256=:{encoded('sha256', data)}:")],
        [("Repr-Digest", f"sha-512=:{encoded('sha512', data)}:")],
    ]


WHOLE = [creation(complete=True), creation(None, complete=True)]
"""An upload, and a plain PUT."""


@pytest.mark.parametrize("fields", WHOLE)
@pytest.mark.parametrize("digest", content_fields(DATA) + repr_fields(DATA))
async def test_10_a_whole_body_with_its_digest(
    client: Client, fields: Pairs, digest: Pairs
) -> None:
    answer = await client("PUT", FILE, [*fields, *digest], DATA)
    assert (answer.status, answer["upload-complete"]) == (204, "?1")
    assert await stored(client) == DATA


@pytest.mark.parametrize("fields", WHOLE)
@pytest.mark.parametrize("digest", content_fields(b"other") + repr_fields(b"other"))
async def test_10_a_whole_body_with_another_digest(
    client: Client, double: StorageDouble, fields: Pairs, digest: Pairs
) -> None:
    await client("PUT", FILE, body=b"old")
    answer = await client("PUT", FILE, [*fields, *digest], DATA)
    assert (answer.status, answer.slug) == (400, "digest-mismatched-values")
    assert await stored(client) == b"old"
    assert double.uploads.records == {}
    if fields == WHOLE[0]:
        assert is_complete(answer)
        assert answer.get("location") is None


@pytest.mark.parametrize("digest", content_fields(DATA) + repr_fields(DATA))
async def test_10_a_digest_does_not_keep_what_came_before_a_cut_from_counting(
    client: Client, digest: Pairs
) -> None:
    fields = [*creation(complete=True), *digest]
    cut = await client("PUT", FILE, fields, [DATA[:5]], length=len(DATA), ends=False)
    uri = cut.interim[0].headers["location"]
    assert await offset(client, uri) == 5
    wrong = await client("PATCH", uri, append(5, complete=True), b"x" * 6)
    assert (wrong.status, is_complete(wrong)) == (400, True)
    cut = await client("PUT", FILE, fields, [DATA[:5]], length=len(DATA), ends=False)
    uri = cut.interim[0].headers["location"]
    assert (await client("PATCH", uri, append(5, complete=True), DATA[5:])).status == 204
    assert await stored(client) == DATA


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("digest", repr_fields(DATA))
async def test_10_1_the_digest_of_the_creation_is_that_of_the_whole(
    client: Client, version: int, digest: Pairs
) -> None:
    uri = await begun(client, DATA[:3], digest, version)
    assert (await client("PATCH", uri, append(3, version, complete=False), DATA[3:7])).status < 300
    answer = await client("PATCH", uri, append(7, version, complete=True), DATA[7:])
    assert answer.status == 204
    assert await stored(client) == DATA


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("digest", repr_fields(DATA))
async def test_10_1_a_whole_of_another_digest_is_not_stored(
    client: Client, double: StorageDouble, version: int, digest: Pairs
) -> None:
    # "consider the upload failed, not process the representation further, and signal the failure"
    await client("PUT", FILE, body=b"old")
    uri = await begun(client, b"other", digest, version)
    answer = await client("PATCH", uri, append(5, version, complete=True))
    assert (answer.status, answer.slug) == (400, "digest-mismatched-values")
    assert is_complete(answer, version)
    assert await stored(client) == b"old"
    assert (await client("HEAD", uri)).status == 404
    assert double.uploads.records == {}


@pytest.mark.parametrize("wrong", ["sha-256", "sha-512"])
async def test_10_1_of_several_digests_each_has_to_fit(client: Client, wrong: str) -> None:
    digests = {
        name: encoded(name.replace("-", ""), b"other" if name == wrong else DATA)
        for name in ("sha-256", "sha-512")
    }
    value = ", ".join(f"{name}=:{digest}:" for name, digest in digests.items())
    uri = await begun(client, DATA[:5], [("Repr-Digest", value)])
    answer = await client("PATCH", uri, append(5, complete=True), DATA[5:])
    assert (answer.status, answer.slug) == (400, "digest-mismatched-values")
    assert (is_complete(answer), await stored(client)) == (True, None)


@pytest.mark.parametrize("digest", content_fields(DATA[:5]))
async def test_10_2_the_digest_of_a_first_piece(client: Client, digest: Pairs) -> None:
    uri = await begun(client, DATA[:5], digest)
    assert await offset(client, uri) == 5
    assert (await client("PATCH", uri, append(5, complete=True), DATA[5:])).status == 204


@pytest.mark.parametrize("digest", content_fields(b"other"))
async def test_10_2_a_first_piece_of_another_digest_is_not_kept(
    client: Client, digest: Pairs
) -> None:
    answer = await client("PUT", FILE, [*creation(complete=False), *digest], DATA[:5])
    assert (answer.status, answer.slug) == (400, "digest-mismatched-values")
    assert not is_complete(answer)
    assert answer["location"] == answer.interim[0].headers["location"]
    assert await offset(client, answer["location"]) == 0


@pytest.mark.parametrize("complete", [False, True])
@pytest.mark.parametrize("digest", content_fields(b"other"))
async def test_10_2_a_piece_of_another_digest_is_not_kept(
    client: Client, double: StorageDouble, digest: Pairs, complete: bool
) -> None:
    # "not append the content to the upload resource, and signal the failure to the client"
    double.uploads.checkpoint = 1
    uri = await begun(client, b"abc")
    fields = [*append(3, complete=complete), *digest]
    answer = await client("PATCH", uri, fields, [b"de", b"f"])
    assert (answer.status, answer.slug) == (400, "digest-mismatched-values")
    assert not is_complete(answer)
    assert await offset(client, uri) == 3
    assert (await client("PATCH", uri, append(3, complete=True), b"def")).status == 204
    assert await stored(client) == b"abcdef"


@pytest.mark.parametrize("digest", content_fields(b"def"))
async def test_10_2_a_piece_with_its_digest(client: Client, digest: Pairs) -> None:
    uri = await begun(client, b"abc")
    answer = await client("PATCH", uri, [*append(3, complete=True), *digest], [b"de", b"f"])
    assert answer.status == 204
    assert await stored(client) == b"abcdef"


@pytest.mark.parametrize(
    ("header", "value", "slug"),
    [
        ("Content-Digest", "sha-256=x", "invalid-header"),
        ("Content-Digest", "md5=:AAAA:", "digest-unsupported-algorithms"),
        ("Content-MD5", "x", "invalid-header"),
    ],
)
async def test_10_2_a_bad_digest_is_refused_unread(
    client: Client, header: str, value: str, slug: str
) -> None:
    uri = await begun(client, b"abc")
    answer = await client("PATCH", uri, [*append(3, complete=True), (header, value)], b"def")
    assert (answer.status, answer.slug) == (400, slug)
    assert (answer.asked_first, is_complete(answer)) == (False, False)
    assert await offset(client, uri) == 3


@pytest.mark.parametrize(
    ("asked", "given"),
    [
        ([], True),
        ([("Want-Repr-Digest", "sha-256=1")], True),
        ([("Want-Repr-Digest", "sha-512=1, sha-256=1")], True),
        ([("Want-Repr-Digest", "sha-512=1")], False),
        ([("Want-Repr-Digest", "sha-256=0")], False),
    ],
)
@pytest.mark.parametrize("known", [False, True])
async def test_10_1_the_digest_that_is_wanted(
    client: Client, double: StorageDouble, asked: Pairs, given: bool, known: bool
) -> None:
    double.knows_sha256 = known
    expected = f"sha-256=:{encoded('sha256', b'abcdef')}:" if given and known else None
    whole = await client("PUT", FILE, [*creation(complete=True), *asked], b"abcdef")
    assert whole.get("repr-digest") == expected
    uri = await begun(client, b"abc")
    last = await client("PATCH", uri, [*append(3, complete=True), *asked], b"def")
    assert last.get("repr-digest") == expected


@pytest.mark.parametrize("fields", WHOLE)
async def test_a_condition_that_is_not_met_at_once(
    client: Client, double: StorageDouble, fields: Pairs
) -> None:
    await client("PUT", FILE, body=b"old")
    answer = await client("PUT", FILE, [*fields, ("If-None-Match", "*")], b"new")
    assert (answer.status, answer.slug, answer.asked_first) == (412, "precondition-failed", False)
    assert (answer.interim, double.uploads.records) == ([], {})


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_condition_of_the_creation_is_decided_at_the_end(
    client: Client, double: StorageDouble, version: int
) -> None:
    condition = [("If-None-Match", "*")]
    uri = await begun(client, b"abc", condition, version)
    late = await begun(client, b"ABC", condition, version)
    answer = await client("PATCH", uri, append(3, version, complete=True), b"def")
    assert answer.status == 204
    refused = await client("PATCH", late, append(3, version, complete=True), b"DEF")
    assert (refused.status, refused.slug) == (412, "precondition-failed")
    assert is_complete(refused, version)
    assert await stored(client) == b"abcdef"
    assert (await client("HEAD", late)).status == 404
    assert len(double.uploads.records) == 1


async def test_a_condition_of_a_whole_body_is_decided_at_the_end(
    client: Client, double: StorageDouble
) -> None:
    async def overtake() -> None:
        double.before.clear()
        await client("PUT", FILE, body=b"first")

    double.before["upload-complete"] = overtake
    fields = [*creation(complete=True), ("If-None-Match", "*")]
    answer = await client("PUT", FILE, fields, b"second")
    assert (answer.status, answer.slug, is_complete(answer)) == (412, "precondition-failed", True)
    assert answer.get("location") is None
    assert await stored(client) == b"first"
