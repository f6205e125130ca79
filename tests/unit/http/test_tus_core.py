"""tus 1.0.0, "Core Protocol": each clause that binds a server."""

from __future__ import annotations

from datetime import timedelta

import pytest

from file_uploader.errors import StorageUnavailable
from file_uploader.http import middleware
from tests.support.asgi import Client
from tests.support.double import StorageDouble, raise_
from tests.support.tus import BYTES, VERSION, Tus, metadata
from tests.unit.http.conftest import Serve, container

NOWHERE = "/api/uploads/" + "0" * 32
NO_INTEGERS = ["-1", "+1", "1.0", "0x1", "one", "", "1 2", "\u00b2", "1_0", "9" * 5000]


@pytest.mark.parametrize("value", NO_INTEGERS)
async def test_upload_offset_must_be_a_non_negative_integer(tus: Tus, value: str) -> None:
    """Headers, Upload-Offset."""
    location = await tus.begin(5)
    answer = await tus("PATCH", location, [BYTES, ("Upload-Offset", value)], b"hello")
    assert (answer.status, answer.slug, answer.asked_first) == (400, "invalid-header", False)
    assert await tus.offset(location) == 0


async def test_a_patch_without_an_offset_appends_nothing(tus: Tus) -> None:
    """Requests, PATCH: at the given offset specified by the Upload-Offset header."""
    location = await tus.begin(5)
    answer = await tus("PATCH", location, [BYTES], b"hello")
    assert (answer.status, answer.slug) == (400, "invalid-header")
    twice = [BYTES, ("Upload-Offset", "0"), ("Upload-Offset", "0")]
    assert (await tus("PATCH", location, twice, b"hello")).status == 400
    assert await tus.offset(location) == 0


@pytest.mark.parametrize("value", NO_INTEGERS)
async def test_upload_length_must_be_a_non_negative_integer(
    tus: Tus, double: StorageDouble, value: str
) -> None:
    """Headers, Upload-Length."""
    answer = await tus.post(None, [("Upload-Length", value)])
    assert (answer.status, answer.slug) == (400, "invalid-header")
    assert double.uploads.records == {}


async def test_tus_version_lists_what_is_spoken(client: Client) -> None:
    """Headers, Tus-Version: a comma-separated list."""
    assert (await client("OPTIONS", "/api/uploads"))["tus-version"] == "1.0.0"


async def statuses(client: Client, double: StorageDouble) -> dict[int, list[str]]:
    """Every kind of answer there is to tus, and the versions that it names."""
    found: dict[int, list[str]] = {}
    tus = Tus(client)
    location = await tus.begin(8)
    wrong = ("Upload-Checksum", "sha1 " + "A" * 27 + "=")
    answers = [
        await tus.post(5),
        await tus.head(location),
        await tus.patch(location, 0, b"hello"),
        await tus.patch(location, 0, b"hello"),
        await tus.patch(location, 5, b"!", [wrong]),
        await tus("PATCH", location, [("Upload-Offset", "5")], b"x"),
        await tus("POST", "/api/uploads"),
        await tus("PUT", location, body=b"x"),
        await tus.head(NOWHERE),
        await tus("GET", "/api/uploads/x/y"),
        await tus("GET", "/api/uploads"),
        await tus.post(11),
        await Tus(Client(client.app))("HEAD", location),
        await client("HEAD", location, [("Tus-Resumable", "0.2.2")]),
        await client("OPTIONS", location),
        await client("HEAD", location, [VERSION], host=None),
    ]
    double.before["upload-load"] = raise_(StorageUnavailable("gone"))
    answers.append(await tus.head(location))
    double.before["upload-load"] = raise_(RuntimeError("boom"))
    answers.append(await tus.exchange("HEAD", location).run())
    for answer in answers:
        found.setdefault(answer.status, []).append(answer.get("tus-resumable") or "none")
    return found


async def test_tus_resumable_is_in_every_response(serve: Serve, double: StorageDouble) -> None:
    """Headers, Tus-Resumable: MUST be included in every response."""
    found = await statuses(await serve(max_file_size=10), double)
    every = {200, 201, 204, 400, 401, 404, 405, 409, 412, 413, 415, 460, 500, 503}
    assert found.keys() == every
    assert {version for versions in found.values() for version in versions} == {"1.0.0"}


@pytest.mark.parametrize("target", ["/api/files", "/api/files/a", "/api/uploadsx", "/health"])
async def test_tus_is_spoken_nowhere_else(client: Client, target: str) -> None:
    for version in ("1.0.0", "0.2.2"):
        answer = await client("GET", target, [("Tus-Resumable", version)])
        assert answer.status in (200, 404)
        assert answer.get("tus-resumable") is None


VERSIONS = ["0.2.2", "1.0.1", "2.0.0", "1.0", "", "1.0.0, 1.0.0", "1.0.0, 2.0.0"]


@pytest.mark.parametrize("version", VERSIONS)
async def test_an_unsupported_version_is_answered_412_and_not_processed(
    client: Client, tus: Tus, double: StorageDouble, version: str
) -> None:
    """Headers, Tus-Resumable: MUST respond with 412, include Tus-Version, MUST NOT process."""
    location = await tus.begin(5)
    before = dict(double.uploads.records)
    said = [("Tus-Resumable", each) for each in version.split(", ")]
    offset = ("Upload-Offset", "0")
    length = ("Upload-Length", "5")
    for method, target, headers, body in (
        ("POST", "/api/uploads", [length, metadata(filename="b")], None),
        ("HEAD", location, [], None),
        ("PATCH", location, [BYTES, offset], b"hello"),
        ("DELETE", location, [], None),
        ("POST", location, [("X-HTTP-Method-Override", "DELETE")], None),
    ):
        answer = await client(method, target, [*said, *headers], body)
        assert (answer.status, answer.asked_first) == (412, False)
        assert (answer["tus-version"], answer["tus-resumable"]) == ("1.0.0", "1.0.0")
        if method != "HEAD":
            assert answer.slug == "unsupported-tus-version"
    assert double.uploads.records == before
    nobody = await Client(client.app)("HEAD", location, said)
    assert nobody.status == 412, "the version is a matter of the protocol, not of the client"


async def test_a_creation_without_a_version_is_none(client: Client, double: StorageDouble) -> None:
    """Headers, Tus-Resumable: MUST be included in every request."""
    headers = [("Upload-Length", "5"), metadata(filename="a")]
    answer = await client("POST", "/api/uploads", headers)
    assert (answer.status, answer.slug) == (412, "unsupported-tus-version")
    assert answer["tus-version"] == "1.0.0"
    assert double.uploads.records == {}


async def test_tus_extension_lists_what_there_is(client: Client) -> None:
    """Headers, Tus-Extension; and each extension's own MUST add itself."""
    answer = await client("OPTIONS", "/api/uploads")
    assert set(answer["tus-extension"].split(",")) == {
        *("creation", "creation-with-upload", "creation-defer-length", "termination"),
        *("checksum", "expiration", "concatenation"),
    }


async def test_tus_max_size_is_the_limit_that_is_known(serve: Serve) -> None:
    """Headers, Tus-Max-Size: SHOULD be set if there is a known hard limit."""
    limited, unlimited = await serve(max_file_size=1234), await serve()
    for target in ("/api/uploads", NOWHERE):
        assert (await limited("OPTIONS", target))["tus-max-size"] == "1234"
        assert (await unlimited("OPTIONS", target)).get("tus-max-size") is None


@pytest.mark.parametrize("actual", ["POST", "GET", "PUT", "HEAD", "OPTIONS"])
async def test_the_method_is_the_overriding_one(client: Client, tus: Tus, actual: str) -> None:
    """Headers, X-HTTP-Method-Override: MUST be interpreted as the method; the actual is ignored."""
    location = await tus.begin(5)
    override = "X-HTTP-Method-Override"
    offset = ("Upload-Offset", "0")
    answer = await tus(actual, location, [(override, "PATCH"), BYTES, offset], b"hel")
    assert (answer.status, answer["upload-offset"]) == (204, "3")
    answer = await tus(actual, location, [(override, "HEAD")])
    assert (answer.status, answer["upload-offset"]) == (200, "3")
    answer = await tus(actual, location, [(override, "DELETE")])
    assert answer.status == 204
    assert (await tus.head(location)).status == 404
    answer = await client(actual, "/api/uploads", [(override, "OPTIONS")])
    assert (answer.status, answer["tus-version"]) == (204, "1.0.0")


@pytest.mark.parametrize("method", ["PUT", "patch", "", "PATCH, PATCH"])
async def test_an_overriding_method_that_is_not_possible(tus: Tus, method: str) -> None:
    """As above: whatever the actual one could have done."""
    location = await tus.begin(5)
    for actual in ("PATCH", "DELETE", "POST"):
        answer = await tus(actual, location, [("X-HTTP-Method-Override", method), BYTES])
        assert (answer.status, answer.slug) == (405, "method-not-allowed")
    assert await tus.offset(location) == 0


async def test_an_answer_is_framed_by_the_actual_method(tus: Tus) -> None:
    """RFC 9110, 9.3.2: what is on the wire is a POST or a HEAD, whatever is meant."""
    override = "X-HTTP-Method-Override"
    posted = await tus("POST", NOWHERE, [(override, "HEAD")])
    assert (posted.status, len(posted.body)) == (404, int(posted["content-length"]))
    headed = await tus("HEAD", NOWHERE, [(override, "DELETE")])
    assert (headed.status, headed.body) == (404, b"")


async def test_elsewhere_the_method_is_the_actual_one(client: Client) -> None:
    headers = [("X-HTTP-Method-Override", "DELETE")]
    assert (await client("PUT", "/api/files/a", headers, b"x")).status == 204
    assert (await client("GET", "/api/files/a", headers)).body == b"x"


async def test_head_always_has_the_offset_and_the_length(tus: Tus) -> None:
    """Requests, HEAD: MUST always include Upload-Offset, even if 0 or completed; Upload-Length.

    Creation, Upload-Defer-Length: MUST be omitted where the length is not deferred.
    """
    location = await tus.begin(5)
    for offset, piece in ((0, b"hel"), (3, b"lo"), (5, b"")):
        answer = await tus.head(location)
        assert answer.status == 200
        assert (answer["upload-offset"], answer["upload-length"]) == (str(offset), "5")
        assert answer.get("upload-defer-length") is None
        await tus.patch(location, offset, piece)


@pytest.mark.parametrize("target", [NOWHERE, "/api/uploads/x", "/api/uploads//", NOWHERE + "/"])
async def test_head_of_what_is_not_there(tus: Tus, target: str) -> None:
    """Requests, HEAD: SHOULD return 404 without the Upload-Offset header."""
    answer = await tus.head(target)
    assert (answer.status, answer.get("upload-offset")) == (404, None)


async def test_no_answer_to_head_is_cached(client: Client, tus: Tus, double: StorageDouble) -> None:
    """Requests, HEAD: MUST prevent caching by adding Cache-Control: no-store."""
    location = await tus.begin(5)
    found = [await tus.head(location), await tus.head(NOWHERE)]
    found += [await Tus(Client(client.app)).head(location)]
    double.before["upload-load"] = raise_(StorageUnavailable("gone"))
    found += [await tus.head(location)]
    assert [answer.status for answer in found] == [200, 404, 401, 503]
    assert {answer["cache-control"] for answer in found} == {"no-store"}
    posted = await tus("POST", NOWHERE, [("X-HTTP-Method-Override", "HEAD")])
    assert posted["cache-control"] == "no-store", "what is meant is a HEAD"


WRONG_TYPES = [None, "application/octet-stream", "text/plain", "application/partial-upload", ""]


@pytest.mark.parametrize("content_type", WRONG_TYPES)
async def test_a_patch_of_another_type_is_refused(tus: Tus, content_type: str | None) -> None:
    """Requests, PATCH: otherwise the server SHOULD return 415."""
    location = await tus.begin(5)
    headers = [("Upload-Offset", "0")]
    headers += [] if content_type is None else [("Content-Type", content_type)]
    answer = await tus("PATCH", location, headers, b"hello")
    assert (answer.status, answer.slug) == (415, "unsupported-media-type")
    assert (answer["accept-patch"], answer.asked_first) == (BYTES[1], False)
    assert await tus.offset(location) == 0


@pytest.mark.parametrize("content_type", [BYTES[1].upper(), BYTES[1] + "; charset=binary"])
async def test_spellings_of_the_type(tus: Tus, content_type: str) -> None:
    """RFC 9110, 8.3.1: types are case-insensitive and may have parameters."""
    location = await tus.begin(5)
    headers = [("Upload-Offset", "0"), ("Content-Type", content_type)]
    assert (await tus("PATCH", location, headers, b"hello")).status == 204


@pytest.mark.parametrize("offset", [0, 2, 4, 5, 6, 2**63, 10**100])
async def test_another_offset_is_a_conflict_and_changes_nothing(
    tus: Tus, double: StorageDouble, offset: int
) -> None:
    """Requests, PATCH: MUST respond with 409 without modifying the upload resource."""
    location = await tus.begin(8)
    await tus.patch(location, 0, b"hel")
    before = dict(double.uploads.records)
    answer = await tus.patch(location, offset, b"lo")
    assert (answer.status, answer.slug) == (409, "mismatching-upload-offset")
    assert answer.asked_first is False
    assert (answer.json["expected-offset"], answer.json["provided-offset"]) == (3, offset)
    assert double.uploads.records == before


async def test_several_patches_make_the_file(
    client: Client, tus: Tus, double: StorageDouble
) -> None:
    """Requests, PATCH: 204 with Upload-Offset, the sum of the old one and what was stored."""
    location, data = await tus.begin(11), b"hello world"
    for start, end in ((0, 1), (1, 1), (1, 5), (5, 10)):
        answer = await tus.patch(location, start, data[start:end])
        assert (answer.status, answer["upload-offset"], answer.body) == (204, str(end), b"")
        assert answer.get("etag") is None
        assert double.files == {}, "nothing is seen of it before it is whole"
    answer = await tus.patch(location, 10, data[10:])
    assert (answer.status, answer["upload-offset"]) == (204, "11")
    stored = await client("GET", "/api/files/a")
    assert stored.body == data
    for name in ("etag", "repr-digest"):
        assert answer[name] == stored[name]


async def test_a_digest_that_is_not_known_or_not_wanted_is_left_out(
    tus: Tus, double: StorageDouble
) -> None:
    location = await tus.begin(2)
    answer = await tus.patch(location, 0, b"hi", [("Want-Repr-Digest", "sha-512=1")])
    assert (answer.status, answer.get("repr-digest")) == (204, None)
    double.knows_sha256 = False
    location = await tus.begin(2)
    assert (await tus.patch(location, 0, b"hi")).get("repr-digest") is None


async def test_a_chunked_patch(client: Client, tus: Tus) -> None:
    """RFC 9112, 7.1: the length of a body need not be known beforehand."""
    location = await tus.begin(5)
    answer = await tus.patch(location, 0, [b"h", b"ello"])
    assert (answer.status, answer["upload-offset"]) == (204, "5")
    assert (await client("GET", "/api/files/a")).body == b"hello"


async def test_a_patch_of_what_is_not_there(tus: Tus) -> None:
    """Requests, PATCH: SHOULD return a 404 status."""
    answer = await tus.patch(NOWHERE, 0, b"hello")
    assert (answer.status, answer.slug, answer.asked_first) == (404, "no-such-upload", False)


@pytest.mark.parametrize("announced", [True, False])
async def test_what_arrived_of_a_cut_patch_is_stored(
    client: Client, tus: Tus, announced: bool
) -> None:
    """Requests, PATCH: SHOULD always attempt to store as much of the received data as possible."""
    location = await tus.begin(11)
    length = 11 if announced else None
    answer = await tus.patch(location, 0, [b"hel", b"lo"], length=length, ends=False)
    assert (answer.status, answer.slug) == (400, "incomplete-body")
    assert await tus.offset(location) == 5
    assert (await client("GET", "/api/files/a")).status == 404
    assert (await tus.patch(location, 5, b" world")).status == 204
    assert (await client("GET", "/api/files/a")).body == b"hello world"


async def test_a_cut_at_the_very_end_is_a_cut(client: Client, tus: Tus) -> None:
    """As above: all bytes came, and then not the end of the chunked body."""
    location = await tus.begin(5)
    await tus.patch(location, 0, [b"hello"], ends=False)
    assert await tus.offset(location) == 5
    assert (await tus.patch(location, 5, b"")).status == 204
    assert (await client("GET", "/api/files/a")).body == b"hello"


async def test_a_silent_client_is_let_go_of_and_may_go_on(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Requests, PATCH: a timeout SHOULD be handled."""
    monkeypatch.setattr(middleware, "DRAIN_SECONDS", 0.02)
    tus = Tus(await serve(idle_timeout=timedelta(milliseconds=50)))
    location = await tus.begin(11)
    answer = await tus.patch(location, 0, [b"hello"], length=11, stalls=True)
    assert (answer.status, answer.slug, answer["connection"]) == (408, "body-timeout", "close")
    assert await tus.offset(location) == 5


async def test_more_than_the_length_is_refused_before_it_is_read(
    tus: Tus, double: StorageDouble
) -> None:
    """Headers, Upload-Length: the size of the entire upload."""
    location = await tus.begin(5)
    before = dict(double.uploads.records)
    answer = await tus.patch(location, 0, b"hello!")
    assert (answer.status, answer.slug) == (400, "inconsistent-upload-length")
    assert (answer.asked_first, double.uploads.records) == (False, before)


async def test_more_than_the_length_that_was_not_announced_never_becomes_a_file(
    tus: Tus, double: StorageDouble
) -> None:
    """As above."""
    location = await tus.begin(5)
    answer = await tus.patch(location, 0, [b"hel", b"lo!"])
    assert (answer.status, answer.slug) == (400, "inconsistent-upload-length")
    assert double.files == {}


async def test_a_finished_upload_confirms_and_takes_no_more(client: Client, tus: Tus) -> None:
    """Requests, PATCH: for the client that never saw the last answer."""
    location = await tus.begin(5)
    first = await tus.patch(location, 0, b"hello")
    again = await tus.patch(location, 5, b"")
    assert (again.status, again["upload-offset"], again["etag"]) == (204, "5", first["etag"])
    assert (await tus.patch(location, 0, b"hello")).status == 409
    assert (await tus.patch(location, 5, b"!")).status == 400
    assert (await client("GET", "/api/files/a")).body == b"hello"


@pytest.mark.parametrize("target", ["/api/uploads", NOWHERE])
@pytest.mark.parametrize("version", ["1.0.0", "9.9.9", None])
async def test_options(nobody: Client, target: str, version: str | None) -> None:
    """Requests, OPTIONS: 204 or 200 with Tus-Version; Tus-Resumable MUST be ignored."""
    headers = [] if version is None else [("Tus-Resumable", version)]
    answer = await nobody("OPTIONS", target, headers)
    assert (answer.status, answer.body, answer["tus-version"]) == (204, b"", "1.0.0")
    assert answer["tus-resumable"] == "1.0.0"


async def test_refusals_come_before_the_body(tus: Tus) -> None:
    """RFC 9110, 10.1.1: a client that expects 100 gets the final status instead."""
    location = await tus.begin(5)
    expects = ("Expect", "100-continue")
    for answer in (
        await tus.patch(NOWHERE, 0, b"hello", [expects]),
        await tus.patch(location, 1, b"hello", [expects]),
        await tus.patch(location, 0, b"hello!", [expects]),
        await tus.post(3, [expects], b"hello"),
        await tus.post(5, [expects], b"hello", name=".."),
    ):
        assert answer.status in (400, 404, 409)
        assert answer.asked_first is False
        assert (answer["connection"], answer.received) == ("close", answer.received)
    accepted = await tus.patch(location, 0, b"hello", [expects])
    assert (accepted.status, accepted.asked_first) == (204, True)


async def test_unknown_parameters_are_refused(tus: Tus) -> None:
    location = await tus.begin(5)
    for method, target in (
        ("HEAD", location),
        ("PATCH", location),
        ("DELETE", location),
        ("POST", "/api/uploads"),
        ("GET", "/api/uploads"),
    ):
        assert (await tus(method, f"{target}?x=1", [BYTES])).status == 400
    assert await tus.offset(location) == 0


async def test_the_record_is_where_the_client_is(
    client: Client, tus: Tus, double: StorageDouble
) -> None:
    location = await tus.begin(5)
    assert list(double.uploads.records) == [(container(client), location.rpartition("/")[2])]
