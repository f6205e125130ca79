"""tus 1.0.0, "Creation" and "Creation With Upload": each clause that binds a server."""

from __future__ import annotations

import base64
import hashlib

import pytest

from file_uploader.errors import FileTooLarge, StorageUnavailable
from tests.support.asgi import Client
from tests.support.double import StorageDouble, raise_
from tests.support.tus import BYTES, Tus, metadata
from tests.unit.http.conftest import Serve, container


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


async def test_a_creation_is_acknowledged(tus: Tus, double: StorageDouble) -> None:
    """Creation, POST: MUST acknowledge with 201 and set Location; an implicit offset of 0."""
    answer = await tus.post(100)
    (upload,) = double.uploads.records.values()
    assert (answer.status, answer.body) == (201, b"")
    assert answer["location"] == f"http://localhost/api/uploads/{upload.id}"
    assert await tus.offset(answer["location"]) == 0


async def test_every_creation_is_another_upload(tus: Tus) -> None:
    """Creation, POST: to request a new upload resource."""
    assert await tus.begin(5) != await tus.begin(5)


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [("Upload-Length", "5"), ("Upload-Defer-Length", "1")],
        [("Upload-Length", "5"), ("Upload-Length", "5")],
        [("Upload-Defer-Length", "1"), ("Upload-Defer-Length", "1")],
    ],
)
async def test_not_exactly_one_length(
    tus: Tus, double: StorageDouble, headers: list[tuple[str, str]]
) -> None:
    """Creation, POST: MUST include one of the following headers."""
    answer = await tus.post(None, headers)
    assert (answer.status, answer.slug) == (400, "invalid-header")
    assert double.uploads.records == {}


@pytest.mark.parametrize("value", ["0", "2", "true", "", "01", "1.0"])
async def test_upload_defer_length_can_only_be_1(
    tus: Tus, double: StorageDouble, value: str
) -> None:
    """Creation, POST: any other value than 1 should return 400."""
    answer = await tus.post(None, [("Upload-Defer-Length", value)])
    assert (answer.status, answer.slug) == (400, "invalid-header")
    assert double.uploads.records == {}


DEFERRED = [("Upload-Defer-Length", "1")]


async def test_a_deferred_length_is_said_later(client: Client, tus: Tus) -> None:
    """Creation, POST: until it is known MUST set Upload-Defer-Length: 1 in responses to HEAD."""
    location = await tus.begin(None, DEFERRED)
    for offset, piece in ((0, b"hel"), (3, b"lo")):
        answer = await tus.head(location)
        assert (answer["upload-defer-length"], answer.get("upload-length")) == ("1", None)
        assert (await tus.patch(location, offset, piece)).status == 204
    assert (await tus.patch(location, 5, b" wor", [("Upload-Length", "11")])).status == 204
    answer = await tus.head(location)
    assert (answer.get("upload-defer-length"), answer["upload-length"]) == (None, "11")
    assert (await client("GET", "/api/files/a")).status == 404
    assert (await tus.patch(location, 9, b"ld")).status == 204
    assert (await client("GET", "/api/files/a")).body == b"hello world"


async def test_a_length_that_is_reached_when_it_is_said(client: Client, tus: Tus) -> None:
    """As above: with the last bytes, or after them."""
    for name, last in (("a", b"lo"), ("b", b"")):
        location = await tus.begin(None, DEFERRED, name=name)
        await tus.patch(location, 0, b"hello"[: 5 - len(last)])
        answer = await tus.patch(location, 5 - len(last), last, [("Upload-Length", "5")])
        assert (answer.status, answer["upload-offset"]) == (204, "5")
        assert (await client("GET", f"/api/files/{name}")).body == b"hello"


@pytest.mark.parametrize("deferred", [False, True])
async def test_a_length_is_not_changed(tus: Tus, double: StorageDouble, deferred: bool) -> None:
    """Creation, POST: once set the length MUST NOT be changed."""
    location = await tus.begin(None, DEFERRED) if deferred else await tus.begin(11)
    assert (await tus.patch(location, 0, b"hello", [("Upload-Length", "11")])).status == 204
    before = dict(double.uploads.records)
    for length in ("5", "10", "12", "0"):
        answer = await tus.patch(location, 5, b"", [("Upload-Length", length)])
        assert (answer.status, answer.slug) == (400, "inconsistent-upload-length")
    assert double.uploads.records == before
    assert (await tus.head(location))["upload-length"] == "11"


async def test_a_length_below_what_is_there(tus: Tus) -> None:
    """As above: nor can it be set to what cannot be."""
    location = await tus.begin(None, DEFERRED)
    await tus.patch(location, 0, b"hello")
    answer = await tus.patch(location, 5, b"", [("Upload-Length", "4")])
    assert (answer.status, answer.slug) == (400, "inconsistent-upload-length")
    assert (await tus.head(location))["upload-defer-length"] == "1"


async def test_an_empty_file_is_complete_at_once(client: Client, tus: Tus) -> None:
    """Creation, POST: Upload-Length 0 is immediately complete after its creation."""
    answer = await tus.post(0)
    stored = await client("GET", "/api/files/a")
    assert (answer.status, stored.status, stored.body) == (201, 200, b"")
    assert answer["etag"] == stored["etag"]
    headed = await tus.head(answer["location"])
    assert (headed["upload-offset"], headed["upload-length"]) == ("0", "0")
    assert (await client("GET", "/api/uploads")).json == []


METADATA = [
    f"filename {b64(b'a')},is_confidential",
    f"filename {b64(b'a')},empty ,flag",
    f"empty ,filename {b64(b'a')}",
    f"x {b64(bytes(range(256)))},filename {b64(b'a')}",
    f"{'!#$%&()*+-./:;<=>?@[]^_`{|}~'} {b64(b'x')},filename {b64(b'a')}",
    f"filename {b64(b'a')} , x {b64(b'b')}",
    f"cl\u00e9 {b64(b'x')},filename {b64(b'a')}",
]


@pytest.mark.parametrize("given", METADATA)
async def test_metadata_comes_back_as_it_was_given(tus: Tus, given: str) -> None:
    """Creation, POST: responses to HEAD MUST include Upload-Metadata as specified by the Client."""
    location = await tus.begin(5, [("Upload-Metadata", given)], name=None)
    assert (await tus.head(location))["upload-metadata"] == given


BAD_METADATA = [
    "filename YQ==,",
    ",filename YQ==",
    "filename YQ==,,x eA==",
    "filename  YQ==",
    "filename YQ== x",
    "filename YQ",
    "filename YQ=",
    "filename YQ===",
    "filename Y",
    "filename ====",
    "filename Y-_=",
    "filename a b",
    "filename\tYQ==",
    "filename YQ==,filename Yg==",
    "filename YQ==,filename",
    "filename YQ==; x eA==",
    "filename =YQ=",
    "filename YQ==YQ==",
]


@pytest.mark.parametrize("given", BAD_METADATA)
async def test_metadata_that_is_none(tus: Tus, double: StorageDouble, given: str) -> None:
    """Creation, Upload-Metadata: pairs of a unique key without spaces or commas, and Base64."""
    answer = await tus.post(5, [("Upload-Metadata", given)], name=None)
    assert (answer.status, answer.slug) == (400, "invalid-header")
    assert double.uploads.records == {}


@pytest.mark.parametrize(
    "said",
    [
        {"filename": "dir/\u00e9.txt"},
        {"name": "dir/\u00e9.txt"},
        {"name": "other", "filename": "dir/\u00e9.txt"},
        {"filename": "dir/\u00e9.txt", "name": ".."},
    ],
)
async def test_the_name_is_in_the_metadata(client: Client, tus: Tus, said: dict[str, str]) -> None:
    """Creation, POST: MAY use this information to further process the request."""
    await tus.begin(0, [metadata(**said)], name=None)
    assert (await client("GET", "/api/files")).json == ["dir/\u00e9.txt"]


UPPY = {"name": "img.jpg", "filename": "img.jpg", "type": "image/jpeg", "filetype": "image/jpeg"}
"""What Uppy says of each file; of one that is dropped or chosen by itself `null` as the path."""


async def test_a_folder_that_uppy_sends_is_one_file_for_each(client: Client, tus: Tus) -> None:
    for path in ("trip/a/img.jpg", "trip/b/img.jpg", "null"):
        await tus.begin(1, [metadata(**UPPY, relativePath=path)], body=b"x", name=None)
    names = ["img.jpg", "trip/a/img.jpg", "trip/b/img.jpg"]
    assert (await client("GET", "/api/files")).json == names
    assert (await client("GET", "/api/files/img.jpg"))["content-type"] == "image/jpeg"


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ({"filename": "a", "relativePath": ""}, "a"),
        ({"filename": "a", "relativePath": "undefined"}, "a"),
        ({"filename": "a", "relativePath": "a"}, "a"),
        ({"filename": "a", "relativePath": "/x/y/a"}, "x/y/a"),
        ({"name": "a", "relativePath": "x/a"}, "x/a"),
        ({"filename": "renamed", "relativePath": "x/a"}, "x/renamed"),
        ({"filename": "b/a", "relativePath": "x/a"}, "b/a"),
        ({"relativePath": "x/a"}, "x/a"),
        ({"filename": "null", "relativePath": "null"}, "null"),
        ({"filename": "\u00e9", "relativePath": "\u00fc/\u00e9"}, "\u00fc/\u00e9"),
    ],
)
async def test_a_name_and_a_path_make_one_name(
    client: Client, tus: Tus, said: dict[str, str], meant: str
) -> None:
    await tus.begin(1, [metadata(**said)], body=b"x", name=None)
    assert (await client("GET", "/api/files")).json == [meant]


@pytest.mark.parametrize(
    "path", [b"../a", b"x/../a", b"x//a", b"//a", b"x\0/a", b"\xff/a", b"/../a"]
)
async def test_a_path_obeys_the_rules_of_names(
    tus: Tus, double: StorageDouble, path: bytes
) -> None:
    for said in ({"filename": "a"}, {}):
        answer = await tus.post(5, [metadata(**said, relativePath=path)], name=None)
        assert (answer.status, answer.slug) == (400, "invalid-name")
    assert double.uploads.records == {}


@pytest.mark.parametrize(
    "given",
    [
        *(None, ("Upload-Metadata", ""), metadata(filetype="text/plain")),
        *(metadata(relativePath=path) for path in ("", "null", "undefined", "/")),
    ],
)
async def test_a_name_is_needed(
    tus: Tus, double: StorageDouble, given: tuple[str, str] | None
) -> None:
    """As above: or to reject it."""
    answer = await tus.post(5, [given] if given else [], name=None)
    assert (answer.status, answer.slug) == (400, "invalid-header")
    assert "filename" in answer.json["detail"]
    assert double.uploads.records == {}


@pytest.mark.parametrize(
    "name", [b"", b"..", b"a/../b", b"/a", b"a\0", b"a\r\nb", b"\xff", b"n" * 961]
)
async def test_names_obey_the_rules(tus: Tus, double: StorageDouble, name: bytes) -> None:
    """As above: before anything is made."""
    answer = await tus.post(5, [metadata(filename=name)], name=None)
    assert (answer.status, answer.slug) == (400, "invalid-name")
    assert double.uploads.records == {}


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ({}, "application/octet-stream"),
        ({"filetype": ""}, "application/octet-stream"),
        ({"filetype": "text/plain"}, "text/plain"),
        ({"type": "text/plain"}, "text/plain"),
        ({"filetype": "text/html", "type": "text/plain"}, "text/html"),
        ({"filetype": "", "type": "text/plain"}, "text/plain"),
        ({"filetype": "null", "type": "undefined"}, "application/octet-stream"),
    ],
)
async def test_the_type_is_in_the_metadata(
    client: Client, tus: Tus, said: dict[str, str], meant: str
) -> None:
    """The request's own Content-Type is the protocol's."""
    await tus.begin(1, [metadata(filename="a", **said)], body=b"x", name=None)
    assert (await client("GET", "/api/files/a"))["content-type"] == meant


@pytest.mark.parametrize("filetype", [b"text/plain\r\nSet-Cookie: x", b"\xff", b"a" * 1600, b"\0"])
async def test_a_type_that_is_no_header(tus: Tus, double: StorageDouble, filetype: bytes) -> None:
    """Creation, Upload-Metadata: SHOULD carefully validate, to avoid header smuggling."""
    answer = await tus.post(5, [metadata(filename="a", filetype=filetype)], name=None)
    assert (answer.status, answer.slug) == (400, "invalid-header")
    assert double.uploads.records == {}


async def test_headers_are_kept_as_with_put(client: Client, tus: Tus) -> None:
    kept = [
        ("X-Object-Meta-Colour", "green"),
        ("Content-Language", "eo"),
        ("Content-Encoding", "gzip"),
        ("Content-Disposition", 'attachment; filename="x"'),
    ]
    await tus.begin(5, kept, body=b"hello")
    answer = await client("GET", "/api/files/a")
    assert [(name, answer[name]) for name, _ in kept] == kept


async def test_headers_that_cannot_be_kept(tus: Tus, double: StorageDouble) -> None:
    answer = await tus.post(5, [("X-Object-Meta-A", "x" * 1600)])
    assert (answer.status, answer.slug) == (400, "invalid-header")
    assert double.uploads.records == {}


async def test_conditions_are_those_of_the_completion(
    client: Client, tus: Tus, double: StorageDouble
) -> None:
    """RFC 9110, 13.1: decided when the file is to be made, and refused at once where they fail."""
    create_only = [("If-None-Match", "*")]
    location = await tus.begin(5, create_only)
    await client("PUT", "/api/files/a", body=b"old")
    answer = await tus.patch(location, 0, b"hello")
    assert (answer.status, answer.slug) == (412, "precondition-failed")
    assert (await tus.head(location)).status == 404
    records = dict(double.uploads.records)
    for condition in (*create_only, ("If-Match", '"x"')):
        refused = await tus.post(5, [condition], b"hello")
        assert (refused.status, refused.slug) == (412, "precondition-failed")
        assert (refused.asked_first, refused.get("location")) == (False, None)
    assert double.uploads.records == records
    assert (await client("GET", "/api/files/a")).body == b"old"
    etag = (await client("HEAD", "/api/files/a"))["etag"]
    location = await tus.begin(5, [("If-Match", etag)])
    assert (await tus.patch(location, 0, b"hello")).status == 204
    assert (await client("GET", "/api/files/a")).body == b"hello"


def repr_digest(data: bytes) -> tuple[str, str]:
    return "Repr-Digest", f"sha-256=:{b64(hashlib.sha256(data).digest())}:"


async def test_a_digest_of_the_whole_is_checked_at_the_completion(client: Client, tus: Tus) -> None:
    """RFC 9530, 3: it speaks of the file, not of the piece."""
    for data, status in ((b"hello", 204), (b"hallo", 400)):
        location = await tus.begin(5, [repr_digest(b"hello")])
        assert (await tus.patch(location, 0, data[:2])).status == 204
        answer = await tus.patch(location, 2, data[2:])
        assert answer.status == status
    assert answer.slug == "digest-mismatched-values"
    assert (await tus.head(location)).status == 404, "it would fail again"
    assert (await client("GET", "/api/files/a")).body == b"hello"


async def test_a_digest_that_cannot_be_read(tus: Tus, double: StorageDouble) -> None:
    answer = await tus.post(5, [("Repr-Digest", "sha-256=:x:")])
    assert (answer.status, answer.slug) == (400, "invalid-header")
    assert double.uploads.records == {}


async def test_over_the_maximum(serve: Serve, double: StorageDouble) -> None:
    """Creation, POST: MUST respond with 413."""
    tus = Tus(await serve(max_file_size=10))
    for length in ("11", str(2**64), "9" * 100):
        answer = await tus.post(None, [("Upload-Length", length)])
        assert (answer.status, answer.slug) == (413, "file-too-large")
    answer = await tus.post(None, DEFERRED, b"x" * 11)
    assert (answer.status, answer.asked_first) == (413, False)
    assert double.uploads.records == {}
    assert (await tus.post(10)).status == 201


async def test_over_the_maximum_later(serve: Serve, double: StorageDouble) -> None:
    """As above, where the length was deferred."""
    tus = Tus(await serve(max_file_size=10))
    location = await tus.begin(None, DEFERRED)
    await tus.patch(location, 0, b"hello")
    for answer in (
        await tus.patch(location, 5, b"", [("Upload-Length", "11")]),
        await tus.patch(location, 5, b"x" * 6),
        await tus.patch(location, 5, [b"x" * 6]),
    ):
        assert (answer.status, answer.slug) == (413, "file-too-large")
    assert await tus.offset(location) == 5
    assert double.files == {}


async def test_no_length_is_too_large_to_be_said(tus: Tus, double: StorageDouble) -> None:
    """As above, where no maximum is set."""
    for answer in (await tus.post(2**63), await tus.post(10**1000)):
        assert (answer.status, answer.slug) == (413, "file-too-large")
    double.before["upload-create"] = raise_(FileTooLarge("It holds less."))
    answer = await tus.post(2**63 - 1)
    assert (answer.status, answer.slug) == (413, "file-too-large")


@pytest.mark.parametrize("length", [5, 11, None])
@pytest.mark.parametrize("chunked", [True, False])
async def test_creation_with_upload(
    client: Client, tus: Tus, length: int | None, chunked: bool
) -> None:
    """Creation With Upload: MUST include Upload-Offset, after applying the accepted bytes."""
    body = [b"hel", b"lo"] if chunked else b"hello"
    answer = await tus.post(length, DEFERRED if length is None else [], body)
    assert (answer.status, answer["upload-offset"]) == (201, "5")
    assert await tus.offset(answer["location"]) == 5
    stored = await client("GET", "/api/files/a")
    if length == 5:
        assert (stored.body, answer["etag"]) == (b"hello", stored["etag"])
        assert answer["repr-digest"] == stored["repr-digest"]
    else:
        assert (stored.status, answer.get("etag")) == (404, None)


@pytest.mark.parametrize("content_type", [None, "application/octet-stream", "text/plain"])
async def test_the_first_bytes_need_their_type(
    tus: Tus, double: StorageDouble, content_type: str | None
) -> None:
    """Creation With Upload: MUST include Content-Type: application/offset+octet-stream."""
    headers = [("Upload-Length", "5"), metadata(filename="a")]
    headers += [] if content_type is None else [("Content-Type", content_type)]
    answer = await tus("POST", "/api/uploads", headers, b"hello")
    assert (answer.status, answer.slug) == (415, "unsupported-media-type")
    assert (answer.asked_first, double.uploads.records) == (False, {})


@pytest.mark.parametrize("content_type", ["application/json", BYTES[1]])
async def test_without_a_body_its_type_says_nothing(tus: Tus, content_type: str) -> None:
    """As above: some clients send one always."""
    headers = [("Content-Type", content_type), ("Content-Length", "0")]
    answer = await tus.post(5, headers)
    assert (answer.status, answer["upload-offset"]) == (201, "0")


async def test_more_than_was_said(tus: Tus, double: StorageDouble) -> None:
    """Creation With Upload: similar rules as for the PATCH request apply."""
    for length, body in ((5, b"hello!"), (0, b"x")):
        answer = await tus.post(length, body=body)
        assert (answer.status, answer.slug) == (400, "inconsistent-upload-length")
        assert (answer.asked_first, double.uploads.records) == (False, {})


async def test_a_checksum_of_the_first_bytes(tus: Tus, double: StorageDouble) -> None:
    """As above: the chunk MUST be discarded ("Checksum")."""
    good = ("Upload-Checksum", f"sha1 {b64(hashlib.sha1(b'hello').digest())}")
    answer = await tus.post(11, [good], b"hello")
    assert (answer.status, answer["upload-offset"]) == (201, "5")
    answer = await tus.post(11, [good], b"hallo")
    assert (answer.status, answer.slug) == (460, "checksum-mismatch")
    assert await tus.offset(answer["location"]) == 0
    before = dict(double.uploads.records)
    answer = await tus.post(11, [("Upload-Checksum", "md5 x")], b"hello")
    assert (answer.status, answer.asked_first) == (400, False)
    assert double.uploads.records == before


@pytest.mark.parametrize("announced", [True, False])
async def test_a_cut_creation_leaves_what_arrived(
    client: Client, tus: Tus, announced: bool
) -> None:
    """Creation With Upload: SHOULD accept as many bytes as possible."""
    length = 11 if announced else None
    answer = await tus.post(11, body=[b"hel", b"lo"], length=length, ends=False)
    assert (answer.status, answer.slug) == (400, "incomplete-body")
    location = answer["location"]
    assert (await client("GET", "/api/uploads")).json[0]["offset"] == 5
    assert (await tus.patch(location, 5, b" world")).status == 204
    assert (await client("GET", "/api/files/a")).body == b"hello world"


async def test_a_store_that_fails_after_the_creation(
    client: Client, tus: Tus, double: StorageDouble
) -> None:
    """As above: the client learns where to go on."""
    double.before["upload-complete"] = raise_(StorageUnavailable("gone"))
    answer = await tus.post(5, body=b"hello")
    assert (answer.status, answer["retry-after"]) == (503, "5")
    del double.before["upload-complete"]
    assert await tus.offset(answer["location"]) == 5
    assert (await client("GET", "/api/files/a")).body == b"hello"


async def test_expect_100_continue_is_answered_when_it_is_accepted(
    tus: Tus, double: StorageDouble
) -> None:
    """Creation With Upload: early feedback on whether it will accept the creation request."""
    expects = [("Expect", "100-continue")]
    assert (await tus.post(5, expects, b"hello")).asked_first is True
    before = len(double.uploads.records)
    for answer in (
        await tus.post(4, expects, b"hello"),
        await tus.post(5, expects, b"hello", name=None),
        await tus("POST", "/api/uploads", [*expects, ("Upload-Length", "5")], b"hello"),
    ):
        assert (answer.status, answer.asked_first) == (answer.status, False)
        assert answer.status in (400, 415)
    assert len(double.uploads.records) == before


async def test_two_lines_of_metadata_are_one_list(client: Client, tus: Tus) -> None:
    """RFC 9110, 5.3: lines of a list header may be combined."""
    await tus.begin(0, [metadata(filename="b"), metadata(filetype="text/plain")], name=None)
    assert (await client("GET", "/api/files/b"))["content-type"] == "text/plain"


async def test_the_upload_is_in_its_own_container(client: Client, double: StorageDouble) -> None:
    await Tus(client).begin(5)
    ((owner, _),) = double.uploads.records
    assert owner == container(client)
