"""Resumable Uploads for HTTP: creation (draft, 4.2) and limits (4.1.4)."""

from __future__ import annotations

from datetime import timedelta

import pytest

from file_uploader.errors import ResumableUnsupported, StorageFailed
from tests.support.asgi import Client
from tests.support.bodies import content
from tests.support.double import StorageDouble, raise_
from tests.unit.http.conftest import Serve, container
from tests.unit.http.resumable import (
    ANY,
    CURRENT,
    FILE,
    VERSIONS,
    WITH_LENGTH,
    Pairs,
    append,
    begun,
    creation,
    is_complete,
    limits,
    named,
    offset,
    stored,
)

DATA = content(100_000)
METHODS = ["PUT", "POST"]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("version", ANY)
@pytest.mark.parametrize("chunked", [False, True])
async def test_a_whole_body_is_answered_as_its_put(
    client: Client, version: int | None, method: str, chunked: bool
) -> None:
    plain = await client("PUT", FILE, body=DATA)
    await client("DELETE", FILE)
    body = [DATA[:70_000], DATA[70_000:]] if chunked else DATA
    answer = await client(method, FILE, creation(version, complete=True), body)
    assert (answer.status, answer.body) == (204, b"")
    for header in ("etag", "repr-digest", "cache-control", "vary"):
        assert answer[header] == plain[header]
    assert is_complete(answer, version)
    assert await stored(client) == DATA


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("version", ANY)
@pytest.mark.parametrize("chunked", [False, True])
async def test_4_2_a_part_makes_an_upload_and_no_file(
    client: Client, version: int | None, method: str, chunked: bool
) -> None:
    body = [DATA[:70_000], DATA[70_000:]] if chunked else DATA
    answer = await client(method, FILE, creation(version, complete=False), body)
    # "RECOMMENDED to use the 201 (Created) status code", and "MUST include the Location".
    assert answer.status == 201
    assert answer["location"].startswith("http://localhost/api/uploads/")
    assert not is_complete(answer, version)
    assert answer["upload-offset"] == str(len(DATA))
    assert await stored(client) is None
    assert await offset(client, answer["location"]) == len(DATA)


async def test_every_upload_has_a_uri_of_its_own(client: Client) -> None:
    # 4: "An upload resource SHOULD be unique."
    uris = {await begun(client) for _ in range(20)}
    assert len(uris) == 20


@pytest.mark.parametrize("version", ANY)
async def test_an_empty_part_gives_the_uri(
    client: Client, double: StorageDouble, version: int | None
) -> None:
    # "The request content can be empty."
    answer = await client("PUT", FILE, creation(version, complete=False))
    assert (answer.status, answer["upload-offset"], answer.asked_first) == (201, "0", False)
    answer = await client("PUT", FILE, creation(version, complete=False), [])
    assert (answer.status, answer["upload-offset"]) == (201, "0")
    assert double.files == {}


@pytest.mark.parametrize("version", ANY)
async def test_an_empty_whole_is_an_empty_file(client: Client, version: int | None) -> None:
    answer = await client("PUT", FILE, creation(version, complete=True))
    assert answer.status == 204
    assert is_complete(answer, version)
    assert await stored(client) == b""


@pytest.mark.parametrize("version", VERSIONS)
async def test_without_interim_responses_a_whole_body_is_a_plain_put(
    serve: Serve, double: StorageDouble, version: int
) -> None:
    client = await serve(interim_responses=False)
    answer = await client("PUT", FILE, creation(version, complete=True), DATA)
    assert (answer.status, answer.interim, answer.get("location")) == (204, [], None)
    assert is_complete(answer, version)
    assert await stored(client) == DATA
    assert not double.calls["upload-create"]
    part = await client("PUT", FILE, creation(version, complete=False), DATA)
    assert (part.status, part.interim) == (201, [])
    assert await offset(client, part["location"]) == len(DATA)


@pytest.mark.parametrize("unknown", ["0", "2", "10", "x", "", "?1", "8, 8", "-8", "8.0"])
async def test_without_a_version_that_is_known_a_whole_body_is_a_plain_put(
    client: Client, double: StorageDouble, unknown: str
) -> None:
    fields = [("Upload-Complete", "?1"), ("Upload-Draft-Interop-Version", unknown)]
    answer = await client("PUT", FILE, fields, DATA)
    assert (answer.status, answer.interim, answer.get("location")) == (204, [], None)
    assert is_complete(answer, None)
    assert not double.calls["upload-create"]


async def test_a_store_without_uploads_takes_whole_bodies(
    client: Client, double: StorageDouble
) -> None:
    # 11.1.1: "falls back to a non-resumable upload without additional cost".
    double.before["upload-create"] = raise_(ResumableUnsupported("Not here."))
    answer = await client("PUT", FILE, creation(complete=True), DATA)
    assert (answer.status, answer.interim, answer.asked_first) == (204, [], True)
    assert is_complete(answer)
    assert await stored(client) == DATA
    part = await client("PUT", FILE, creation(complete=False), DATA)
    assert (part.status, part.slug, part.asked_first) == (501, "resumable-unsupported", False)


async def test_upload_incomplete_is_of_version_3_only(client: Client) -> None:
    for version in (None, 4, 9):
        fields = [*named(version), ("Upload-Incomplete", "?1")]
        assert (await client("POST", FILE, fields, b"x")).status == 405
    assert (await client("POST", FILE, creation(3, complete=False), b"x")).status == 201


async def test_any_other_post_is_refused(client: Client) -> None:
    answer = await client("POST", FILE, [("Upload-Length", "3")], b"abc")
    assert (answer.status, answer.slug, answer.asked_first) == (405, "method-not-allowed", False)
    assert answer["allow"] == "GET, HEAD, PUT, DELETE, OPTIONS"


REFUSED: list[tuple[Pairs, int, str]] = [
    ([("Content-Range", "bytes 0-1/2")], 400, "invalid-header"),
    ([("If-Match", '"none"')], 412, "precondition-failed"),
    ([("If-Match", "x")], 400, "invalid-header"),
    ([("Content-MD5", "x")], 400, "invalid-header"),
    ([("Content-Digest", "sha-256=x")], 400, "invalid-header"),
    ([("Repr-Digest", "md5=:AAAA:")], 400, "digest-unsupported-algorithms"),
    ([("Content-Type", "text/\u00e9")], 400, "invalid-header"),
    ([("X-Object-Meta-", "1")], 400, "invalid-header"),
    ([("Upload-Length", "2")], 400, "inconsistent-upload-length"),
]


@pytest.mark.parametrize(("headers", "status", "slug"), REFUSED)
@pytest.mark.parametrize("complete", [False, True])
async def test_what_can_be_refused_is_refused_before_anything_is_made(
    client: Client,
    double: StorageDouble,
    headers: Pairs,
    status: int,
    slug: str,
    complete: bool,
) -> None:
    # Metadata among it: 13 wants it validated before anything is done with it.
    answer = await client("PUT", FILE, [*creation(complete=complete), *headers], b"abc")
    assert (answer.status, answer.slug, answer.asked_first) == (status, slug, False)
    assert (answer.interim, answer.get("location")) == ([], None)
    assert double.uploads.records == {}


@pytest.mark.parametrize("target", ["/api/files/a//b", "/api/files/%FF", f"{FILE}?x=1"])
async def test_a_bad_target_makes_nothing(
    client: Client, double: StorageDouble, target: str
) -> None:
    answer = await client("PUT", target, creation(complete=False), b"abc")
    assert (answer.status, double.uploads.records) == (400, {})


@pytest.mark.parametrize(
    ("complete", "headers", "size"),
    [(True, [], 11), (False, [], 11), (False, [("Upload-Length", "11")], 3)],
)
async def test_4_1_4_more_than_the_limit_makes_nothing_and_is_told_it(
    serve: Serve, double: StorageDouble, complete: bool, headers: Pairs, size: int
) -> None:
    # "413 … SHOULD include the Upload-Limit header field"
    client = await serve(max_file_size=10)
    fields = [*creation(complete=complete), *headers]
    answer = await client("PUT", FILE, fields, b"x" * size)
    assert (answer.status, answer.slug, answer.asked_first) == (413, "file-too-large", False)
    assert limits(answer["upload-limit"])["max-size"] == 10
    assert double.uploads.records == {}


async def test_a_body_that_turns_out_to_be_over_the_limit(serve: Serve) -> None:
    client = await serve(max_file_size=10)
    answer = await client("PUT", FILE, creation(complete=True), [b"x" * 6, b"y" * 6])
    assert (answer.status, answer.slug) == (413, "file-too-large")
    assert limits(answer["upload-limit"])["max-size"] == 10
    assert await stored(client) is None


@pytest.mark.parametrize("version", ANY)
async def test_4_1_3_lengths_that_contradict_each_other(
    client: Client, double: StorageDouble, version: int | None
) -> None:
    for complete, length in ((True, 2), (True, 4), (False, 2)):
        fields = [*creation(version, complete=complete), ("Upload-Length", str(length))]
        answer = await client("PUT", FILE, fields, b"abc")
        assert (answer.status, answer.slug) == (400, "inconsistent-upload-length")
        assert not is_complete(answer, version)
        assert not answer.asked_first
    assert (double.uploads.records, double.files) == ({}, {})


@pytest.mark.parametrize("complete", [False, True])
@pytest.mark.parametrize("version", WITH_LENGTH)
async def test_4_1_3_a_body_that_turns_out_to_be_over_its_length(
    client: Client, double: StorageDouble, version: int, complete: bool
) -> None:
    fields = [*creation(version, complete=complete), ("Upload-Length", "5")]
    answer = await client("PUT", FILE, fields, [b"abc", b"def"])
    assert (answer.status, answer.slug) == (400, "inconsistent-upload-length")
    assert not is_complete(answer, version)
    assert await stored(client) is None
    assert double.uploads.records == {}


@pytest.mark.parametrize("interim_responses", [False, True])
@pytest.mark.parametrize("version", [None, *WITH_LENGTH])
async def test_4_1_3_and_what_is_stored_at_once_has_a_length_too(
    serve: Serve, double: StorageDouble, version: int | None, interim_responses: bool
) -> None:
    client = await serve(interim_responses=interim_responses)
    fields = creation(version, complete=True)
    for length, body in (("5", [b"abc", b"def"]), ("9", [b"abc", b"def"]), ("1025", b"x")):
        answer = await client("PUT", FILE, [*fields, ("Upload-Length", length)], body)
        assert (answer.status, answer.slug) == (400, "inconsistent-upload-length")
        assert not is_complete(answer, version)
    assert double.files == {}
    for body in ([b"abc", b"def"], b"abcdef"):
        answer = await client("PUT", FILE, [*fields, ("Upload-Length", "6")], body)
        assert answer.status == 204
        assert is_complete(answer, version)


@pytest.mark.parametrize("interim_responses", [False, True])
@pytest.mark.parametrize("version", [None, *WITH_LENGTH])
@pytest.mark.parametrize("body", [b"x" * 11, [b"x" * 6, b"x" * 6]])
async def test_4_1_4_whoever_sends_too_much_is_told_the_limit(
    serve: Serve, version: int | None, interim_responses: bool, body: bytes | list[bytes]
) -> None:
    # "A server responding with a 413 … MUST include the Upload-Limit header in this response"
    client = await serve(max_file_size=10, interim_responses=interim_responses)
    for headers in ([], [("Upload-Length", "11")]):
        fields = [*creation(version, complete=True), *headers]
        answer = await client("PUT", FILE, fields, body)
        assert (answer.status, answer.slug) == (413, "file-too-large")
        key = "expires" if version == 6 else "max-age"
        assert limits(answer["upload-limit"]).keys() == {"max-size", key}
        assert not is_complete(answer, version)
    assert await stored(client) is None


@pytest.mark.parametrize("digest", [True, False])
async def test_what_is_refused_at_once_is_refused_as_a_whole(client: Client, digest: bool) -> None:
    # 4.4: whether an error is the upload's own or that of the whole.
    await client("PUT", FILE, body=b"old")
    header = ("Content-MD5", "1B2M2Y8AsgTpgAmY7PhCfg==") if digest else ("If-None-Match", "*")
    answer = await client("PUT", FILE, [*creation(None, complete=True), header], b"new")
    assert (answer.status, is_complete(answer, None)) == (400 if digest else 412, True)
    assert await stored(client) == b"old"


@pytest.mark.parametrize("version", WITH_LENGTH)
async def test_4_1_3_a_whole_body_that_turns_out_to_be_under_its_length(
    client: Client, version: int
) -> None:
    fields = [*creation(version, complete=True), ("Upload-Length", "9")]
    answer = await client("PUT", FILE, fields, [b"abc", b"def"])
    assert (answer.status, answer.slug) == (400, "inconsistent-upload-length")
    assert not is_complete(answer, version)
    assert await stored(client) is None
    assert await offset(client, answer["location"]) == 6


@pytest.mark.parametrize("headers", [[("Upload-Length", "8")], []])
async def test_4_1_3_the_length_is_recorded(client: Client, headers: Pairs) -> None:
    uri = await begun(client, b"abc", headers)
    assert (await client("HEAD", uri)).get("upload-length") == ("8" if headers else None)


async def test_4_1_3_the_length_of_a_whole_body_is_recorded(client: Client) -> None:
    fields = creation(complete=True)
    answer = await client("PUT", FILE, fields, [b"abc"], length=8, ends=False)
    head = await client("HEAD", answer.interim[0].headers["location"])
    assert (head["upload-length"], head["upload-offset"]) == ("8", "3")


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("chunked", [False, True])
async def test_4_2_what_came_before_a_cut_counts_and_the_rest_completes_it(
    client: Client, version: int, chunked: bool
) -> None:
    # "the server SHOULD append as much of the request content as possible … In addition, the
    # upload resource MUST NOT be considered complete then."
    fields = creation(version, complete=True)
    length = None if chunked else len(DATA)
    cut = await client("PUT", FILE, fields, [DATA[:60_000]], length=length, ends=False)
    uri = cut.interim[0].headers["location"]
    head = await client("HEAD", uri, named(version))
    assert (head.status, head["upload-offset"]) == (204, "60000")
    assert not is_complete(head, version)
    assert await stored(client) is None
    rest = append(60_000, version, complete=True)
    answer = await client("PATCH", uri, rest, DATA[60_000:])
    assert answer.status == 204
    assert is_complete(answer, version)
    assert await stored(client) == DATA


async def test_4_2_a_body_whose_end_is_exactly_its_cut_is_not_complete(client: Client) -> None:
    cut = await client("PUT", FILE, creation(complete=True), [DATA], ends=False)
    head = await client("HEAD", cut.interim[0].headers["location"])
    assert (head["upload-offset"], head["upload-complete"]) == (str(len(DATA)), "?0")
    assert await stored(client) is None


async def test_a_body_cut_before_its_first_byte(client: Client) -> None:
    cut = await client("PUT", FILE, creation(complete=True), [], length=8, ends=False)
    assert await offset(client, cut.interim[0].headers["location"]) == 0


async def test_a_failure_of_the_store_says_where_to_go_on(
    client: Client, double: StorageDouble
) -> None:
    # Example C: thanks to the interim response, the client can go on after a 5xx.
    double.uploads.checkpoint = 1000
    double.before["upload-chunk"] = raise_(StorageFailed("Broken."), at=2)
    body = [DATA[:50_000], DATA[50_000:]]
    answer = await client("PUT", FILE, creation(complete=True), body, length=len(DATA))
    assert (answer.status, answer.slug) == (502, "storage-failed")
    assert not is_complete(answer)
    assert answer["location"] == answer.interim[0].headers["location"]
    double.before.clear()
    assert await offset(client, answer["location"]) == 50_000


async def test_an_upload_that_cannot_be_written_down(client: Client, double: StorageDouble) -> None:
    double.before["upload-create"] = raise_(StorageFailed("Broken."))
    answer = await client("PUT", FILE, creation(complete=True), DATA)
    assert (answer.status, answer.asked_first, answer.interim) == (502, False, [])
    assert answer.get("location") is None


async def test_of_a_whole_body_the_uri_stays_known(client: Client) -> None:
    # 4: the resource is kept for the client that never saw the last answer.
    answer = await client("PUT", FILE, creation(complete=True), DATA)
    assert answer["location"] == answer.interim[0].headers["location"]
    head = await client("HEAD", answer["location"])
    assert (head["upload-complete"], head["upload-offset"]) == ("?1", str(len(DATA)))


@pytest.mark.parametrize("version", ANY)
async def test_4_1_4_the_limits_are_told_at_creation(serve: Serve, version: int | None) -> None:
    client = await serve(max_file_size=1000, upload_expiry=timedelta(hours=1))
    answer = await client("PUT", FILE, creation(version, complete=False), b"abc")
    told = [answer.get("upload-limit")]
    told += [interim.headers.get("upload-limit") for interim in answer.interim]
    told.append((await client("HEAD", answer["location"], named(version))).get("upload-limit"))
    key = {3: None, 4: None, 5: None, 6: "expires"}.get(version or CURRENT, "max-age")
    for value in told:
        if key is None:
            assert value is None
        else:
            assert value is not None
            assert limits(value) == {"max-size": 1000, key: pytest.approx(3600, abs=60)}


@pytest.mark.parametrize("version", ANY)
async def test_4_1_4_options_tells_the_limits(serve: Serve, version: int | None) -> None:
    client = await serve(max_file_size=1000, upload_expiry=timedelta(hours=1))
    for asking in (client, Client(client.app)):
        answer = await asking("OPTIONS", FILE, named(version))
        assert answer.status == 204
        assert limits(answer["upload-limit"]) == {"max-size": 1000, "max-age": 3600}
    # "SHOULD NOT be less restrictive than the limits applied" to an upload once it is there.
    created = await client("PUT", FILE, creation(complete=False))
    assert limits(created["upload-limit"])["max-age"] <= 3600


async def test_4_1_4_without_a_limit_of_size_there_is_none(client: Client) -> None:
    # The field is never empty, so that min-size=0 is never needed to fill it.
    answer = await client("OPTIONS", FILE)
    assert limits(answer["upload-limit"]) == {"max-age": 7 * 24 * 3600}


async def test_the_list_of_files_takes_no_uploads(client: Client) -> None:
    assert (await client("OPTIONS", "/api/files")).get("upload-limit") is None


async def test_metadata_is_that_of_the_creation(client: Client, double: StorageDouble) -> None:
    kept = [
        ("Content-Type", "image/png"),
        ("Content-Encoding", "gzip"),
        ("Content-Language", "de"),
        ("Content-Disposition", 'inline; filename="x.png"'),
        ("Cache-Control", "max-age=5"),
        ("X-Object-Meta-A", "1"),
    ]
    uri = await begun(client, b"abc", kept)
    later = [("Content-Language", "fr"), ("X-Object-Meta-B", "2")]
    await client("PATCH", uri, [*append(3, complete=True), *later], b"def")
    fetched = await client("GET", FILE)
    assert fetched.body == b"abcdef"
    for name, value in kept:
        if name != "Cache-Control":
            assert fetched[name] == value
    assert fetched.get("x-object-meta-b") is None
    info, _ = double.files[container(client)]["a"]
    assert info.metadata.cache_control == "max-age=5"
