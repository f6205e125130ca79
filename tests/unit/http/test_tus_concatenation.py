"""tus 1.0.0, "Concatenation": each clause that binds a server."""

from __future__ import annotations

import base64
import hashlib

import pytest

from file_uploader.errors import StorageUnavailable
from tests.support.asgi import Answer, Client
from tests.support.double import StorageDouble, raise_
from tests.support.tus import Tus, metadata
from tests.unit.http.conftest import Serve

PARTIAL = ("Upload-Concat", "partial")
NOWHERE = "/api/uploads/" + "0" * 32


async def part(tus: Tus, data: bytes, *headers: tuple[str, str], size: int | None = None) -> str:
    """A partial upload with some bytes in it, finished unless it has a larger ``size``."""
    size = len(data) if size is None else size
    return await tus.begin(size, [PARTIAL, *headers], body=data, name=None)


async def put_together(
    tus: Tus, *urls: str, headers: list[tuple[str, str]] | None = None
) -> Answer:
    concat = ("Upload-Concat", f"final;{' '.join(urls)}")
    return await tus.post(None, [concat, *(headers or [])])


async def test_partial_uploads_become_a_file_in_the_order_of_the_list(
    client: Client, tus: Tus, double: StorageDouble
) -> None:
    """MUST be concatenated as per the order specified in the list."""
    parts = [await part(tus, data) for data in (b"hello", b" ", b"world")]
    assert double.files == {}, "SHOULD NOT process these until they are concatenated"
    answer = await put_together(tus, *parts)
    stored = await client("GET", "/api/files/a")
    assert (answer.status, stored.body) == (201, b"hello world")
    assert (answer["upload-offset"], answer["etag"]) == ("11", stored["etag"])
    assert answer["location"] not in parts
    await put_together(tus, *reversed(parts))
    assert (await client("GET", "/api/files/a")).body == b"world hello"


async def test_the_length_is_the_sum(tus: Tus) -> None:
    """The length MUST be the sum; Upload-Offset and Upload-Length MUST be set and be equal."""
    answer = await put_together(tus, await part(tus, b"hello"), await part(tus, b" world"))
    final = await tus.head(answer["location"])
    assert (final["upload-offset"], final["upload-length"]) == ("11", "11")


async def test_upload_concat_comes_back_as_it_was_given(tus: Tus) -> None:
    """HEAD of a partial or final upload MUST include Upload-Concat as received.

    That of a partial one MUST contain Upload-Offset.
    """
    first, second = await part(tus, b"a"), await part(tus, b"b", size=5)
    for location in (first, second):
        answer = await tus.head(location)
        assert answer["upload-concat"] == "partial"
        assert answer["upload-offset"] == "1"
    given = f"final;https://files.example{first}  uploads/{first.rpartition('/')[2]}"
    answer = await tus.post(None, [("Upload-Concat", given)])
    assert (await tus.head(answer["location"]))["upload-concat"] == given
    plain = await tus.head(await tus.begin(5))
    assert plain.get("upload-concat") is None


@pytest.mark.parametrize(
    "form",
    [
        "/api/uploads/{}",
        "uploads/{}",
        "./uploads/{}",
        "../api/uploads/{}",
        "//files.example/api/uploads/{}",
        "https://files.example/api/uploads/{}",
        "http://localhost:8080/api/uploads/{}",
    ],
)
async def test_urls_may_be_absolute_or_relative(client: Client, tus: Tus, form: str) -> None:
    """Upload-Concat: URLs MAY be absolute or relative."""
    upload_id = (await part(tus, b"hello")).rpartition("/")[2]
    assert (await put_together(tus, form.format(upload_id))).status == 201
    assert (await client("GET", "/api/files/a")).body == b"hello"


BAD = [
    *("", "Partial", "partial;", "partial;/api/uploads/x", "final", "final;", "final; ", "Final;"),
    *("whole", "final;/api/files/a", "final;https://files.example/", "final;http://[", "final;#"),
    "final;/api/uploads",
    *(f"final;{NOWHERE}?x", f"final;{NOWHERE}#x", f"final,{NOWHERE}"),
]


@pytest.mark.parametrize("value", BAD)
async def test_upload_concat_that_is_none(tus: Tus, double: StorageDouble, value: str) -> None:
    """Upload-Concat: MUST be partial, or final followed by a semicolon and a list of URLs."""
    length = [] if "final" in value.lower() else [("Upload-Length", "5")]
    answer = await tus.post(None, [("Upload-Concat", value), *length])
    assert (answer.status, answer.slug) == (400, "invalid-header")
    assert double.uploads.records == {}


async def test_upload_concat_twice(tus: Tus, double: StorageDouble) -> None:
    """As above: one value."""
    answer = await tus.post(5, [PARTIAL, PARTIAL])
    assert (answer.status, answer.slug) == (400, "invalid-header")
    assert double.uploads.records == {}


@pytest.mark.parametrize("header", [("Upload-Length", "5"), ("Upload-Defer-Length", "1")])
async def test_a_final_upload_has_no_length_of_its_own(
    tus: Tus, double: StorageDouble, header: tuple[str, str]
) -> None:
    """The Client MUST NOT include the Upload-Length header in the final upload creation."""
    location = await part(tus, b"hello")
    answer = await put_together(tus, location, headers=[header])
    assert (answer.status, answer.slug) == (400, "invalid-header")
    assert (len(double.uploads.records), double.files) == (1, {})


async def test_a_final_upload_takes_no_bytes_at_its_creation(
    tus: Tus, double: StorageDouble
) -> None:
    """As below: it is made of its parts."""
    location = await part(tus, b"hello")
    answer = await tus.post(None, [("Upload-Concat", f"final;{location}")], b"x")
    assert (answer.status, answer.slug) == (403, "not-appendable")
    assert (answer.asked_first, double.files) == (False, {})


@pytest.mark.parametrize("offset", [0, 5])
async def test_a_patch_of_a_final_upload_is_forbidden(
    client: Client, tus: Tus, double: StorageDouble, offset: int
) -> None:
    """MUST respond with 403 to PATCH against a final upload, and MUST NOT modify any of them."""
    location = await part(tus, b"hello")
    final = (await put_together(tus, location))["location"]
    before = dict(double.uploads.records)
    for body in (b"", b"hello"):
        answer = await tus.patch(final, offset, body)
        assert (answer.status, answer.slug) == (403, "not-appendable")
    assert double.uploads.records == before
    assert (await client("GET", "/api/files/a")).body == b"hello"


@pytest.mark.parametrize("size", [6, 100])
async def test_parts_have_to_be_finished(tus: Tus, double: StorageDouble, size: int) -> None:
    """MAY send the request while parts are in progress, if that was announced; it was not."""
    done, open_ = await part(tus, b"hello"), await part(tus, b"hello", size=size)
    answer = await put_together(tus, done, open_)
    assert (answer.status, answer.slug) == (400, "not-concatenable")
    assert (len(double.uploads.records), double.files) == (2, {})
    assert await tus.offset(open_) == 5


async def test_parts_have_to_be_partial(tus: Tus, double: StorageDouble) -> None:
    """Multiple partial uploads are concatenated: neither whole ones nor final ones."""
    location = await part(tus, b"hello")
    whole = await tus.begin(5, body=b"whole", name="b")
    final = (await put_together(tus, location))["location"]
    stored = {name: data for files in double.files.values() for name, (_, data) in files.items()}
    for other in (whole, final):
        answer = await put_together(tus, location, other)
        assert (answer.status, answer.slug) == (400, "not-concatenable")
    assert stored == {"a": b"hello", "b": b"whole"}


@pytest.mark.parametrize("missing", [NOWHERE, "/api/uploads/x", "/api/uploads/"])
async def test_parts_have_to_be_there(tus: Tus, double: StorageDouble, missing: str) -> None:
    """A list of partial upload URLs."""
    answer = await put_together(tus, await part(tus, b"hello"), missing)
    assert (answer.status, answer.slug) == (404, "no-such-upload")
    assert (len(double.uploads.records), double.files) == (1, {})


async def test_a_part_may_be_used_repeatedly(client: Client, tus: Tus) -> None:
    """The same partial upload MAY be present multiple times, in one request or in several."""
    first, second = await part(tus, b"ab"), await part(tus, b"c")
    for _ in range(2):
        assert (await put_together(tus, first, second, first)).status == 201
        assert (await client("GET", "/api/files/a")).body == b"abcab"
    assert (await put_together(tus, second)).status == 201
    assert (await client("GET", "/api/files/a")).body == b"c"


async def test_metadata_of_parts_is_not_that_of_the_final(client: Client, tus: Tus) -> None:
    """The partial uploads' metadata SHALL NOT be transferred to the new final upload."""
    said = metadata(filename="other", filetype="image/png")
    location = await part(tus, b"hello", said, ("X-Object-Meta-A", "1"))
    assert (await tus.head(location))["upload-metadata"] == said[1]
    answer = await put_together(tus, location, headers=[("X-Object-Meta-B", "2")])
    assert (await tus.head(answer["location"]))["upload-metadata"] == metadata(filename="a")[1]
    stored = await client("GET", "/api/files/a")
    assert stored["content-type"] == "application/octet-stream"
    assert (stored.get("x-object-meta-a"), stored["x-object-meta-b"]) == (None, "2")
    assert (await client("GET", "/api/files")).json == ["a"]


async def test_a_part_needs_no_name_and_a_final_upload_does(
    tus: Tus, double: StorageDouble
) -> None:
    """Creation, POST: MAY decide to reject it."""
    location = await part(tus, b"hello", metadata(filename=".."))
    answer = await tus.post(None, [("Upload-Concat", f"final;{location}")], name=None)
    assert (answer.status, answer.slug) == (400, "invalid-header")
    assert double.files == {}


async def test_without_metadata_there_is_no_such_header(tus: Tus) -> None:
    """Creation, Upload-Metadata: MUST consist of one or more pairs, and so is never empty."""
    for headers in ([], [("Upload-Metadata", "")]):
        answer = await tus.head(await part(tus, b"hello", *headers))
        assert answer.all("upload-metadata") == []


async def test_empty_parts(client: Client, tus: Tus) -> None:
    """Upload-Length MAY be 0."""
    empty = await tus.begin(0, [PARTIAL], name=None)
    assert (await put_together(tus, empty, empty)).status == 201
    assert (await client("GET", "/api/files/a")).body == b""


async def test_parts_of_a_length_that_was_deferred(client: Client, tus: Tus) -> None:
    """Upload-Length MUST be included if the length can be calculated."""
    location = await tus.begin(None, [PARTIAL, ("Upload-Defer-Length", "1")], name=None)
    assert (await tus.head(location))["upload-defer-length"] == "1"
    await tus.patch(location, 0, b"hello", [("Upload-Length", "5")])
    assert (await tus.head(location))["upload-length"] == "5"
    assert (await put_together(tus, location)).status == 201
    assert (await client("GET", "/api/files/a")).body == b"hello"


async def test_a_part_that_was_deleted(tus: Tus) -> None:
    """Termination: for all future requests."""
    location = await part(tus, b"hello")
    await tus("DELETE", location)
    assert (await put_together(tus, location)).status == 404


async def test_a_final_upload_is_whatever_becomes_of_its_parts(client: Client, tus: Tus) -> None:
    """The Server MAY delete partial uploads after concatenation; so may the client."""
    location = await part(tus, b"hello")
    final = (await put_together(tus, location))["location"]
    await tus("DELETE", location)
    assert await tus.offset(final) == 5
    assert (await client("GET", "/api/files/a")).body == b"hello"


async def test_termination_of_a_final_upload(client: Client, tus: Tus) -> None:
    """Termination, DELETE: MUST respond with 204; neither its parts nor its file go with it."""
    location = await part(tus, b"hello")
    final = (await put_together(tus, location))["location"]
    assert (await tus("DELETE", final)).status == 204
    assert (await tus.head(final)).status == 404
    assert await tus.offset(location) == 5
    assert (await client("GET", "/api/files/a")).body == b"hello"


async def test_a_part_expires_although_it_is_finished(tus: Tus) -> None:
    """Expiration: it is lost then."""
    answer = await tus.post(5, [PARTIAL], b"hello", name=None)
    assert answer["upload-expires"] == (await tus.head(answer["location"]))["upload-expires"]


async def test_an_unfinished_concatenation_has_no_offset(
    client: Client, tus: Tus, double: StorageDouble
) -> None:
    """SHOULD NOT contain Upload-Offset unless the concatenation has been successfully finished."""
    location = await part(tus, b"hello")
    double.before["upload-complete"] = raise_(StorageUnavailable("gone"))
    assert (await put_together(tus, location)).status == 503
    (unfinished,) = (await client("GET", "/api/uploads")).json
    final = f"/api/uploads/{unfinished['id']}"
    answer = await tus.head(final)
    assert (answer.status, answer.get("upload-offset")) == (503, None)
    del double.before["upload-complete"]
    assert await tus.offset(final) == 5
    assert (await client("GET", "/api/files/a")).body == b"hello"


async def test_conditions_and_digests_are_those_of_the_whole(client: Client, tus: Tus) -> None:
    """As with every other creation."""
    location = await part(tus, b"hello")
    digest = base64.b64encode(hashlib.sha256(b"hallo").digest()).decode()
    answer = await put_together(tus, location, headers=[("Repr-Digest", f"sha-256=:{digest}:")])
    assert (answer.status, answer.slug) == (400, "digest-mismatched-values")
    await client("PUT", "/api/files/a", body=b"old")
    answer = await put_together(tus, location, headers=[("If-None-Match", "*")])
    assert (answer.status, answer.slug) == (412, "precondition-failed")
    assert (await client("GET", "/api/files/a")).body == b"old"
    assert (await client("GET", "/api/uploads")).json == []


async def test_the_sum_is_over_the_maximum(serve: Serve, double: StorageDouble) -> None:
    """Creation, POST: if the length of the upload exceeds the maximum, 413."""
    tus = Tus(await serve(max_file_size=8))
    location = await part(tus, b"hello")
    answer = await put_together(tus, location, location)
    assert (answer.status, answer.slug) == (413, "file-too-large")
    assert (len(double.uploads.records), double.files) == (1, {})
