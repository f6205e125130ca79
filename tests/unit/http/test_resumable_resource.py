"""Resumable Uploads for HTTP: an upload's own resource (draft, 4.3 to 4.6)."""

from __future__ import annotations

import pytest

from file_uploader.errors import (
    FileUploaderError,
    Overloaded,
    StorageFailed,
    StorageFull,
    StorageUnavailable,
)
from tests.support.asgi import Answer, Client
from tests.support.bodies import content
from tests.support.double import StorageDouble, raise_
from tests.unit.http.conftest import ALICE, Serve, container
from tests.unit.http.resumable import (
    ANY,
    FILE,
    PARTIAL,
    VERSIONS,
    WITH_LENGTH,
    Pairs,
    append,
    begun,
    completeness,
    creation,
    is_complete,
    limits,
    named,
    offset,
    stored,
)


@pytest.mark.parametrize("method", ["HEAD", "GET"])
@pytest.mark.parametrize("version", ANY)
async def test_4_3_what_a_client_is_told(client: Client, version: int | None, method: str) -> None:
    uri = await begun(client, b"abc", [("Upload-Length", "6")])
    answer = await client(method, uri, named(version))
    assert (answer.status, answer.body) == (204, b"")
    assert answer["upload-offset"] == "3"
    assert answer["upload-length"] == "6"
    assert answer["cache-control"] == "no-store"
    assert answer["vary"] == "X-Auth-Token, Want-Repr-Digest"
    assert ("upload-limit" in dict(answer.headers)) == (version not in (3, 4, 5))
    assert not is_complete(answer, version)
    await client("PATCH", uri, append(3, complete=True), b"def")
    answer = await client(method, uri, named(version))
    assert (answer.status, answer["upload-offset"], answer["upload-length"]) == (204, "6", "6")
    assert ("upload-limit" in dict(answer.headers)) == (version not in (3, 4, 5))
    assert is_complete(answer, version)


@pytest.mark.parametrize("method", ["HEAD", "GET", "DELETE"])
@pytest.mark.parametrize("version", ANY)
async def test_4_3_nobody_is_sent_elsewhere(
    client: Client, version: int | None, method: str
) -> None:
    # 301 and 302 are ruled out, here and in 4.5; a slash too many is what often leads to one.
    uri = await begun(client, b"abc")
    for end in ("/", "//"):
        answer = await client(method, uri + end, named(version))
        assert (answer.status, answer.get("location")) == (404, None)
    assert (await client(method, uri, named(version))).status == 204


async def test_4_1_3_the_offset_does_not_complete_an_upload(client: Client) -> None:
    # "The offset could match the length, but the upload can still be incomplete."
    uri = await begun(client, b"abc", [("Upload-Length", "3")])
    assert (await client("HEAD", uri))["upload-complete"] == "?0"
    assert await stored(client) is None
    answer = await client("PATCH", uri, append(3, complete=True))
    assert (answer.status, answer["upload-complete"]) == (204, "?1")
    assert await stored(client) == b"abc"


async def test_an_unknown_length_is_known_in_the_end(client: Client) -> None:
    uri = await begun(client, b"abc")
    await client("PATCH", uri, append(3, complete=True), [b"de"])
    assert (await client("HEAD", uri))["upload-length"] == "5"


@pytest.mark.parametrize("version", ANY)
async def test_4_4_pieces_one_after_the_other(client: Client, version: int | None) -> None:
    data = content(90_000)
    uri = await begun(client, version=version)
    for start in range(0, 90_000, 30_000):
        last = start == 60_000
        fields = append(start, version, complete=last)
        answer = await client("PATCH", uri, fields, data[start : start + 30_000])
        before_7 = version is not None and version < 7
        assert answer.status == (201 if before_7 and not last else 204)
        assert is_complete(answer, version) == last
        assert answer["upload-offset"] == str(start + 30_000)
        assert answer.get("location") is None
    assert await stored(client) == data


async def test_4_4_the_last_answer_is_that_of_the_target(client: Client) -> None:
    # "the response that matches what the resource … would have generated"
    plain = await client("PUT", FILE, body=b"abcdef")
    uri = await begun(client, b"abc")
    answer = await client("PATCH", uri, append(3, complete=True), b"def")
    assert (answer.status, answer["upload-complete"]) == (204, "?1")
    for header in ("etag", "repr-digest", "cache-control", "vary"):
        assert answer[header] == plain[header]


async def test_4_4_an_append_without_content_completes(client: Client) -> None:
    uri = await begun(client, b"abc")
    assert (await client("PATCH", uri, append(3, complete=True))).status == 204
    assert await stored(client) == b"abc"


async def test_4_4_an_append_without_content_may_leave_it_open(client: Client) -> None:
    uri = await begun(client, b"abc")
    answer = await client("PATCH", uri, append(3, complete=False))
    assert (answer.status, answer["upload-complete"], answer["upload-offset"]) == (204, "?0", "3")


@pytest.mark.parametrize("version", ANY)
@pytest.mark.parametrize("given", [0, 2, 4, 10**15 - 1])
async def test_4_4_another_offset_is_refused_with_the_right_one(
    client: Client, version: int | None, given: int
) -> None:
    uri = await begun(client, b"abc")
    answer = await client("PATCH", uri, append(given, version, complete=True), b"def")
    assert (answer.status, answer.slug, answer.asked_first) == (
        409,
        "mismatching-upload-offset",
        False,
    )
    assert answer.json["type"].startswith("https://iana.org/assignments/http-problem-types#")
    assert (answer.json["expected-offset"], answer.json["provided-offset"]) == (3, given)
    assert answer["upload-offset"] == "3"
    assert not is_complete(answer, version)
    assert await offset(client, uri) == 3


@pytest.mark.parametrize("version", ANY)
@pytest.mark.parametrize(
    "media_type", [None, "application/octet-stream", "application/offset+octet-stream", ""]
)
async def test_6_an_append_has_a_type_of_its_own(
    client: Client, version: int | None, media_type: str | None
) -> None:
    uri = await begun(client, b"abc")
    fields = [pair for pair in append(3, version, complete=True) if pair != PARTIAL]
    if media_type is not None:
        fields.append(("Content-Type", media_type))
    answer = await client("PATCH", uri, fields, b"def")
    if version in (3, 4, 5):
        assert answer.status == 204
        return
    assert (answer.status, answer.asked_first) == (415, False)
    assert answer["accept-patch"] == "application/partial-upload"  # RFC 5789, 2.2
    assert not is_complete(answer, version)
    assert await offset(client, uri) == 3


async def test_6_its_type_may_have_parameters(client: Client) -> None:
    uri = await begun(client, b"abc")
    fields = [pair for pair in append(3, complete=True) if pair != PARTIAL]
    fields.append(("Content-Type", "Application/Partial-Upload; x=y"))
    assert (await client("PATCH", uri, fields, b"def")).status == 204
    assert (await client("GET", FILE))["content-type"] == "application/octet-stream"


@pytest.mark.parametrize("version", ANY)
async def test_4_4_an_append_has_to_say_its_offset(client: Client, version: int | None) -> None:
    uri = await begun(client, b"abc")
    answer = await client("PATCH", uri, append(3, version, complete=True)[:-1], b"def")
    assert (answer.status, answer.slug, answer.asked_first) == (400, "invalid-header", False)
    assert not is_complete(answer, version)


@pytest.mark.parametrize("version", ANY)
async def test_4_4_an_append_has_to_say_whether_it_is_the_last(
    client: Client, version: int | None
) -> None:
    uri = await begun(client, b"abc")
    said = completeness(version, complete=True)
    fields = [pair for pair in append(3, version, complete=True) if pair != said]
    answer = await client("PATCH", uri, fields, b"def")
    if version == 3:  # "the Upload-Incomplete header being omitted or set to false"
        assert (answer.status, await stored(client)) == (204, b"abcdef")
    elif version in (4, 5, 6):  # as their example of an append, which is not the last
        assert (answer.status, await offset(client, uri)) == (201, 6)
    else:
        assert (answer.status, answer.slug, answer.asked_first) == (400, "invalid-header", False)
        assert await offset(client, uri) == 3


LENGTHS: list[tuple[int | None, Pairs, bool, int]] = [
    (9, [("Upload-Length", "8")], False, 3),
    (9, [("Upload-Length", "10")], False, 3),
    (9, [], True, 3),
    (9, [], True, 7),
    (9, [], False, 7),
    (None, [("Upload-Length", "5")], False, 3),
    (None, [("Upload-Length", "7")], True, 3),
    (None, [("Upload-Length", "2")], False, 0),
]


@pytest.mark.parametrize(("length", "headers", "complete", "size"), LENGTHS)
@pytest.mark.parametrize("version", WITH_LENGTH)
async def test_4_1_3_lengths_have_to_match(
    client: Client, version: int, length: int | None, headers: Pairs, complete: bool, size: int
) -> None:
    uri = await begun(client, b"abc", [] if length is None else [("Upload-Length", str(length))])
    fields = [*append(3, version, complete=complete), *headers]
    answer = await client("PATCH", uri, fields, b"x" * size)
    assert (answer.status, answer.slug) == (400, "inconsistent-upload-length")
    assert answer.json["type"].startswith("https://iana.org/assignments/http-problem-types#")
    assert (is_complete(answer, version), answer.asked_first) == (False, False)
    assert await offset(client, uri) == 3


async def test_4_1_3_a_length_may_be_said_later(client: Client) -> None:
    uri = await begun(client, b"abc")
    await client("PATCH", uri, [*append(3, complete=False), ("Upload-Length", "9")], b"def")
    assert (await client("HEAD", uri))["upload-length"] == "9"
    assert (await client("PATCH", uri, append(6, complete=True), b"de")).status == 400
    assert (await client("PATCH", uri, append(6, complete=True), b"ghi")).status == 204


async def test_4_4_the_length_of_the_last_append_is_recorded(client: Client) -> None:
    uri = await begun(client, b"abc")
    fields = append(3, complete=True)
    await client("PATCH", uri, fields, [b"de"], length=6, ends=False)
    head = await client("HEAD", uri)
    assert (head["upload-length"], head["upload-offset"]) == ("9", "5")


@pytest.mark.parametrize("version", [5, *WITH_LENGTH])
async def test_4_1_3_the_length_of_an_append_that_was_cut_binds(
    client: Client, version: int
) -> None:
    uri = await begun(client, b"abc", version=version)
    fields = append(3, version, complete=True)
    await client("PATCH", uri, fields, [b"de"], length=6, ends=False)
    for data, status in ((b"fgh", 400), (b"fghij", 400), (b"fghi", 204)):
        answer = await client("PATCH", uri, append(5, version, complete=True), data)
        assert answer.status == status
    assert await stored(client) == b"abcdefghi"


@pytest.mark.parametrize("version", WITH_LENGTH)
async def test_4_4_more_than_the_length_ends_the_upload(client: Client, version: int) -> None:
    # "rejecting the request once the offset exceeds the length, marking the upload resource
    # invalid and rejecting any further interaction with it"; a chunked body has no Content-Length.
    uri = await begun(client, b"abc", [("Upload-Length", "6")])
    answer = await client("PATCH", uri, append(3, version, complete=True), [b"de", b"fg"])
    assert (answer.status, answer.slug) == (400, "inconsistent-upload-length")
    assert not is_complete(answer, version)
    assert (await client("HEAD", uri)).status == 404
    assert (await client("PATCH", uri, append(3, complete=True), b"def")).status == 404
    assert await stored(client) is None


async def test_a_last_append_that_ends_before_the_length(client: Client) -> None:
    uri = await begun(client, b"abc", [("Upload-Length", "9")])
    answer = await client("PATCH", uri, append(3, complete=True), [b"def"])
    assert (answer.status, answer.slug) == (400, "inconsistent-upload-length")
    head = await client("HEAD", uri)
    assert (head["upload-offset"], head["upload-complete"]) == ("6", "?0")
    assert (await client("PATCH", uri, append(6, complete=True), b"ghi")).status == 204
    assert await stored(client) == b"abcdefghi"


@pytest.mark.parametrize("version", ANY)
@pytest.mark.parametrize("chunked", [False, True])
async def test_4_4_what_came_before_a_cut_counts(
    client: Client, version: int | None, chunked: bool
) -> None:
    uri = await begun(client, b"abc")
    fields, length = append(3, version, complete=True), None if chunked else 9
    await client("PATCH", uri, fields, [b"de", b"f"], length=length, ends=False)
    head = await client("HEAD", uri, named(version))
    assert (head["upload-offset"], is_complete(head, version)) == ("6", False)
    assert await stored(client) is None
    answer = await client("PATCH", uri, append(6, version, complete=True), b"ghijkl")
    assert (answer.status, is_complete(answer, version)) == (204, True)
    assert await stored(client) == b"abcdefghijkl"


@pytest.mark.parametrize("version", VERSIONS)
async def test_4_4_the_last_answer_is_given_again(client: Client, version: int) -> None:
    # -04 to -08: such a request is refused, too.
    uri = await begun(client, b"abc")
    first = await client("PATCH", uri, append(3, version, complete=True), b"def")
    again = await client("PATCH", uri, append(6, version, complete=True))
    if version in (6, 7):
        assert (again.status, again.slug) == (400, "inconsistent-upload-length")
    else:
        assert (again.status, again.headers) == (first.status, first.headers)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("complete", [False, True])
async def test_4_1_2_nothing_is_appended_to_a_complete_upload(
    client: Client, version: int, complete: bool
) -> None:
    # -04 to -11, 4.4: what is complete is not changed, and the request is refused.
    uri = await begun(client, b"abc")
    await client("PATCH", uri, append(3, complete=True), b"def")
    for body in (b"ghi", [b"g", b"hi"]):
        more = await client("PATCH", uri, append(6, version, complete=complete), body)
        assert (more.status, more.slug) == (400, "inconsistent-upload-length")
        assert (is_complete(more, version), more.asked_first) == (False, False)
    again = await client("PATCH", uri, append(3, complete=True), b"def")
    assert (again.status, again["upload-offset"]) == (409, "6")
    assert await stored(client) == b"abcdef"


@pytest.mark.parametrize("version", ANY)
async def test_4_5_an_upload_that_is_cancelled_is_gone(
    client: Client, double: StorageDouble, version: int | None
) -> None:
    # -01 to -08 demand this status, and -01 to -05 404 of what is not there any more.
    uri = await begun(client, b"abc")
    answer = await client("DELETE", uri, named(version))
    assert (answer.status, answer.body) == (204, b"")
    for method in ("HEAD", "GET", "DELETE"):
        assert (await client(method, uri, named(version))).status == 404
    fields = append(3, version, complete=True)
    assert (await client("PATCH", uri, fields, b"def")).status == 404
    assert double.uploads.records == {}


async def test_4_5_cancelling_a_complete_upload_leaves_its_file(client: Client) -> None:
    uri = await begun(client, b"abc")
    await client("PATCH", uri, append(3, complete=True))
    assert (await client("DELETE", uri)).status == 204
    assert (await client("HEAD", uri)).status == 404
    assert await stored(client) == b"abc"


@pytest.mark.parametrize("method", ["HEAD", "GET", "PATCH", "DELETE"])
@pytest.mark.parametrize("version", ANY)
async def test_13_others_learn_nothing_of_an_upload(
    client: Client, other: Client, version: int | None, method: str
) -> None:
    uri = await begun(client, b"abc")
    fields = append(3, version, complete=True) if method == "PATCH" else named(version)
    missing = uri[:-1] + ("0" if uri[-1] != "0" else "1")
    answers: list[Answer] = [
        await other(method, uri, fields, b"def" if method == "PATCH" else None),
        await client(method, missing, fields, b"def" if method == "PATCH" else None),
        await client(method, uri + "0", fields, b"def" if method == "PATCH" else None),
    ]
    for answer in answers:
        assert (answer.status, answer.asked_first) == (404, False)
        if method != "HEAD":
            assert answer.slug == "no-such-upload"
        assert not [name for name, _ in answer.headers if name.startswith("upload-")]
        assert answer.get("location") is None
    assert answers[0].headers == answers[1].headers
    assert await offset(client, uri) == 3


@pytest.mark.parametrize("method", ["HEAD", "GET", "PATCH", "DELETE"])
async def test_nobody_gets_to_an_upload_without_a_token(
    client: Client, nobody: Client, method: str
) -> None:
    uri = await begun(client, b"abc")
    assert (await nobody(method, uri, append(3, complete=True))).status == 401


@pytest.mark.parametrize("method", ["HEAD", "PATCH", "DELETE"])
async def test_unknown_parameters_are_refused(client: Client, method: str) -> None:
    uri = await begun(client, b"abc")
    assert (await client(method, f"{uri}?x=1", append(3, complete=True))).status == 400
    assert await offset(client, uri) == 3


async def test_13_a_uri_says_nothing_of_who_it_belongs_to(client: Client) -> None:
    uri = await begun(client)
    assert ALICE not in uri
    assert container(client).name not in uri


@pytest.mark.parametrize("version", ANY)
@pytest.mark.parametrize("error", [StorageFailed, StorageUnavailable, StorageFull, Overloaded])
async def test_4_4_an_append_that_fails_does_not_speak_for_the_target(
    client: Client, double: StorageDouble, version: int | None, error: type[FileUploaderError]
) -> None:
    # -06 to -09 want it said in every answer, newer ones advise it.
    uri = await begun(client, b"abc")
    double.before["upload-chunk"] = raise_(error("Not now."))
    answer = await client("PATCH", uri, append(3, version, complete=True), b"def")
    assert (answer.status // 100, is_complete(answer, version)) == (5, False)
    assert await stored(client) is None


async def test_a_completion_that_failed_is_made_good_by_whoever_asks(
    client: Client, double: StorageDouble
) -> None:
    uri = await begun(client, b"abc")
    double.before["upload-complete"] = raise_(StorageFailed("Broken."))
    answer = await client("PATCH", uri, append(3, complete=True), b"def")
    assert (answer.status, is_complete(answer)) == (502, False)
    assert (await client("HEAD", uri)).status == 502
    double.before.clear()
    head = await client("HEAD", uri)
    assert (head["upload-offset"], head["upload-complete"]) == ("6", "?1")
    assert await stored(client) == b"abcdef"


async def test_4_1_4_more_than_the_limit_in_several_requests(serve: Serve) -> None:
    client = await serve(max_file_size=5)
    uri = await begun(client, b"abc")
    answer = await client("PATCH", uri, append(3, complete=True), b"def")
    assert (answer.status, answer.slug, answer.asked_first) == (413, "file-too-large", False)
    assert limits(answer["upload-limit"])["max-size"] == 5
    assert not is_complete(answer)
    assert await offset(client, uri) == 3


@pytest.mark.parametrize("version", [6, 7, 8, 9])
async def test_4_1_4_the_limits_do_not_become_stricter(serve: Serve, version: int) -> None:
    client = await serve(max_file_size=1000)
    uri = await begun(client, b"abc", version=version)
    told = [await client("PATCH", uri, append(at, version, complete=False), b"x") for at in (3, 4)]
    told.append(await client("HEAD", uri, named(version)))
    key = "expires" if version == 6 else "max-age"
    lifetime = pytest.approx(7 * 24 * 3600, abs=60)
    for answer in told:
        assert limits(answer["upload-limit"]) == {"max-size": 1000, key: lifetime}


async def test_9_offsets_are_of_the_content_not_of_its_chunks(client: Client) -> None:
    uri = await begun(client)
    answer = await client("PATCH", uri, append(0, complete=False), [b"a", b"bc", b"def"])
    assert answer["upload-offset"] == "6"


async def test_the_method_may_be_overridden(client: Client) -> None:
    uri = await begun(client, b"abc")
    fields = [*append(3, complete=True), ("X-HTTP-Method-Override", "PATCH")]
    assert (await client("POST", uri, fields, b"def")).status == 204


async def test_creation_headers_elsewhere_mean_nothing(client: Client) -> None:
    for method in ("GET", "HEAD", "DELETE"):
        await client("PUT", FILE, body=b"x")
        assert (await client(method, FILE, creation(complete=False))).status in (200, 204)
