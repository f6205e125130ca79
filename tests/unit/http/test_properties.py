"""Whatever a client sends: the parsers keep their word, and nothing is ever `500`."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from urllib.parse import urlencode

from hypothesis import example, given
from hypothesis import strategies as st
from starlette.datastructures import Headers

from file_uploader.errors import DigestUnsupported, InvalidHeader, InvalidName, PreconditionFailed
from file_uploader.http.app import create_app
from file_uploader.http.fields import conditions, digests, metadata, negotiation, ranges
from file_uploader.http.fields.target import split
from file_uploader.http.refusals import NothingAcceptable, RangeNotSatisfiable
from file_uploader.model.files import ByteRange, FileInfo, Metadata
from file_uploader.model.listing import ListQuery
from file_uploader.model.names import Container, FileName
from file_uploader.settings import Settings
from file_uploader.storage.base import Storage
from tests.support.asgi import Client, running
from tests.support.double import EPOCH, StorageDouble
from tests.support.listing import expected_entries
from tests.unit.http.conftest import ALICE, container, settings
from tests.unit.http.test_list_pages import follow

LATIN_1 = st.text(st.characters(max_codepoint=0xFF), max_size=60)
"""Any header value that ASGI can carry."""

NAME = st.text(max_size=12)
DIGESTIBLE = st.lists(
    st.one_of(
        st.sampled_from(
            ["sha-256", "sha-512", "md5", "=", ":", ", ", ",", "=:", ":;", "W/", '"', "*", "=1"]
        ),
        LATIN_1,
    ),
    max_size=8,
).map("".join)
"""Pieces of the headers' own grammars, put together at random."""

PATHS = st.lists(
    st.one_of(
        st.binary(max_size=4),
        st.sampled_from([b"/", b"%", b"%2F", b"%2e", b".", b"..", b"%00", b"%25", b"%C3%A9"]),
        st.integers(0, 255).map(lambda byte: b"%%%02x" % byte),
        st.characters().map(lambda char: char.encode("utf-8", "surrogatepass")),
    ),
    max_size=8,
).map(b"".join)


@asynccontextmanager
async def one_client() -> AsyncIterator[tuple[Client, StorageDouble]]:
    double = StorageDouble()

    async def open_double(_settings: Settings) -> Storage:
        return double

    async with running(create_app(settings(), open_double)) as app:
        yield Client(app, ALICE), double


@given(PATHS)
@example(b"http://localhost/api/files/x")
async def test_any_bytes_as_a_name(raw: bytes) -> None:
    """Refused, or stored under a name that leads back to it however it is encoded."""
    raw = raw.replace(b"?", b"")  # the query begins there
    async with one_client() as (client, double):
        answer = await client("PUT", b"/api/files/" + raw, body=b"content")
        if answer.status == 400:
            assert answer.slug == "invalid-name"
            assert double.files == {}
            return
        assert answer.status == 204
        (name,) = double.files[container(client)]
        assert (await client("GET", "/api/files")).json == [name]
        encoded = b"".join(b"%%%02X" % byte for byte in name.encode())
        for spelling in (raw, encoded):
            assert (await client("GET", b"/api/files/" + spelling)).body == b"content"
        literal = raw.split(b"%", maxsplit=1)[0]
        assert name.encode().startswith(literal)
        if b"%" not in raw:
            assert name.encode() == raw


RESOURCES = {b"*", b"/", b"/api/files", b"/api/uploads", b"/api/links", b"/health", b"/ready"}


@given(
    st.binary(max_size=40).filter(
        lambda target: split(target.partition(b"?")[0])[1] not in RESOURCES
    ),
    st.sampled_from(["GET", "PUT", "DELETE", "HEAD", "OPTIONS"]),
)
async def test_any_bytes_as_a_target(target: bytes, method: str) -> None:
    async with one_client() as (client, _):
        answer = await client(method, target, body=b"x" if method == "PUT" else None)
        assert answer.status in (400, 404)


@given(st.binary(max_size=40))
@example(b"limit=\xb2")
@example(b"prefix=%F4%90%80%80")
async def test_any_bytes_as_a_query(query: bytes) -> None:
    async with one_client() as (client, _):
        for method, target in (("GET", b"/api/files"), ("GET", b"/api/files/a")):
            answer = await client(method, target + b"?" + query)
            assert answer.status in (200, 400, 404)


@given(
    st.lists(
        st.tuples(
            st.sampled_from(
                [
                    *("if-match", "if-none-match", "if-modified-since", "if-unmodified-since"),
                    *("if-range", "range", "accept", "content-type", "x-object-meta-a"),
                    *("content-md5", "content-digest", "repr-digest", "want-repr-digest"),
                    *("content-disposition", "content-length", "content-range"),
                ]
            ),
            st.one_of(LATIN_1, DIGESTIBLE),
        ),
        max_size=4,
    )
)
async def test_any_headers(headers: list[tuple[str, str]]) -> None:
    async with one_client() as (client, double):
        double.store(container(client), "a", b"content")
        for method, target in (
            ("GET", "/api/files/a"),
            ("HEAD", "/api/files/a"),
            ("GET", "/api/files"),
            ("PUT", "/api/files/a"),
            ("DELETE", "/api/files/a"),
        ):
            answer = await client(method, target, headers, ends=False)
            assert answer.status < 500


def naive_range(value: str, size: int) -> tuple[int, int] | str | None:
    """RFC 9110, 14.1.2, by trying every byte."""
    first, _, last = value.removeprefix("bytes=").partition("-")
    if first:
        if last and int(last) < int(first):
            return None
        found = [n for n in range(size) if n >= int(first) and (not last or n <= int(last))]
    elif last:
        if size == 0 and int(last):
            return None
        found = [n for n in range(size) if n >= size - int(last)]
    else:
        return None
    return (found[0], found[-1]) if found else "unsatisfiable"


POSITIONS = st.one_of(st.just(""), st.integers(0, 40).map(str), st.integers(0).map(str))


@given(POSITIONS, POSITIONS, st.integers(0, 30))
def test_ranges_against_a_model(first: str, last: str, size: int) -> None:
    value = f"bytes={first}-{last}"
    found: tuple[int, int] | str | None
    try:
        parsed = ranges.requested(value, size)
        found = None if parsed is None else (parsed.start, parsed.end)
    except RangeNotSatisfiable:
        found = "unsatisfiable"
    assert found == naive_range(value, size)


@given(st.one_of(LATIN_1, LATIN_1.map("bytes={}".format), DIGESTIBLE), st.integers(0, 2**63))
@example("bytes=" + "9" * 5000 + "-", 10)
def test_any_text_as_a_range(value: str, size: int) -> None:
    try:
        found = ranges.requested(value, size)
    except RangeNotSatisfiable:
        return
    assert found is None or isinstance(found, ByteRange)
    assert found is None or found.end < size


INFO = FileInfo(FileName("a"), 1, "tag", EPOCH, Metadata(), None)


@given(st.one_of(LATIN_1, DIGESTIBLE))
@example("Thu, 29 Feb 99999999999999999999 12:30:15 GMT")
@example("Thu, 29 Feb 2024 12:30:15 +99999999999999")
def test_any_text_as_a_condition(value: str) -> None:
    for name in (
        *("If-Match", "If-None-Match", "If-Modified-Since", "If-Unmodified-Since", "If-Range"),
    ):
        headers = Headers({name: value})
        try:
            precondition = conditions.write_precondition(headers)
            conditions.range_applies(headers, INFO)
        except InvalidHeader:
            assert name in ("If-Match", "If-None-Match")
            continue
        try:
            precondition.check(INFO)
            conditions.not_modified(headers, INFO)
        except PreconditionFailed:
            assert name != "If-Range"


TAG = st.text(st.characters(max_codepoint=0xFF, exclude_characters='"', exclude_categories=["C"]))


@given(st.lists(TAG.filter(lambda tag: not set(tag) & {" ", "\xa0"}), min_size=1, max_size=5))
def test_tags_that_are_written_are_read(tags: list[str]) -> None:
    headers = Headers({"If-Match": ", ".join(f'"{tag}"' for tag in tags)})
    found = conditions.write_precondition(headers).if_match
    assert found is not None
    assert found.tags == set(tags)


@given(st.one_of(LATIN_1, DIGESTIBLE), st.sampled_from(["Content-Digest", "Repr-Digest"]))
def test_any_text_as_a_digest(value: str, name: str) -> None:
    try:
        found = digests.announced(Headers({name: value}))
    except (InvalidHeader, DigestUnsupported):
        return
    assert found
    assert {len(digest) for digest in found.values()} <= {32, 64}


@given(st.one_of(LATIN_1, DIGESTIBLE))
def test_any_text_as_content_md5_and_as_a_wish(value: str) -> None:
    assert set(digests.wanted(Headers({"Want-Repr-Digest": value}))) <= {"sha-256", "sha-512"}
    try:
        found = digests.announced(Headers({"Content-MD5": value}))
    except InvalidHeader:
        return
    assert len(found["md5"]) == 16


@given(st.binary(min_size=32, max_size=32), st.binary(min_size=64, max_size=64))
def test_digests_that_are_written_are_read(sha256: bytes, sha512: bytes) -> None:
    value = digests.render({"sha-256": sha256, "sha-512": sha512})
    found = digests.announced(Headers({"Repr-Digest": value}))
    assert found == {"sha256": sha256, "sha512": sha512}


@given(LATIN_1)
def test_any_text_as_accept(value: str) -> None:
    with suppress(NothingAcceptable):
        assert negotiation.choose(value, ("a/b", "c/d")) in ("a/b", "c/d")


@given(st.text(min_size=1, max_size=20))
def test_any_name_makes_a_header_of_visible_ascii(text: str) -> None:
    try:
        name = FileName(text)
    except InvalidName:
        return
    value = metadata.attachment(name)
    assert value.isascii()
    assert value.isprintable()
    assert value.count('"') == 2


@given(
    st.lists(NAME, max_size=12),
    NAME,
    st.sampled_from(["", "/", "a", "&", "\u00e9", "ab"]),
    NAME,
    st.integers(1, 4),
)
async def test_following_links_gives_everything_once(
    names: list[str], prefix: str, delimiter: str, marker: str, limit: int
) -> None:
    async with one_client() as (client, double):
        for name in names:
            try:
                double.store(Container.of(uuid.UUID(ALICE)), FileName(name).value, b"")
            except InvalidName:
                continue
        given_ = {"prefix": prefix, "delimiter": delimiter, "marker": marker, "limit": str(limit)}
        target: str | None = f"/api/files?{urlencode(given_)}"
        found: list[str] = []
        while target is not None:
            assert len(found) <= len(names)
            answer = await client("GET", target)
            found += answer.json
            target = follow(answer, target)
        stored = double.files.get(container(client), {})
        wanted = expected_entries(stored, ListQuery(prefix, delimiter, marker))
        assert found == [entry.name.decode() for entry in wanted]
