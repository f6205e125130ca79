"""Whatever is sent, and wherever it is cut: no failure of the server, and no byte out of place."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from hypothesis import example, given
from hypothesis import strategies as st

from file_uploader.http.app import create_app
from file_uploader.settings import Settings
from file_uploader.storage.base import Storage
from tests.support.asgi import Client, running
from tests.support.double import StorageDouble
from tests.support.tus import BYTES, VERSION, Tus
from tests.unit.http.conftest import ALICE, settings

NAMES = [
    *("tus-resumable", "upload-length", "upload-defer-length", "upload-offset", "upload-metadata"),
    *("upload-concat", "upload-checksum", "content-type", "content-length", "repr-digest"),
    *("x-http-method-override", "upload-complete", "x-object-meta-a", "if-match"),
]
LATIN_1 = st.text(st.characters(max_codepoint=0xFF), max_size=20)
LIKELY = st.sampled_from(
    [
        *("1.0.0", "0", "1", "5", "11", "?1", "partial", "final;/api/uploads/x", BYTES[1], "PATCH"),
        *("DELETE", "filename YQ==", "filename YQ==,filetype", "sha1 AAAA", "sha-256=:AAAA:"),
        *("9" * 400, "-1", "HEAD", "OPTIONS", "final;", "\u00b2"),
    ]
)
HEADERS = st.lists(st.tuples(st.sampled_from(NAMES), st.one_of(LIKELY, LATIN_1)), max_size=6)


@asynccontextmanager
async def one_client() -> AsyncIterator[tuple[Client, StorageDouble]]:
    """An application of its own for each example."""
    double = StorageDouble()

    async def open_double(_settings: Settings) -> Storage:
        return double

    async with running(create_app(settings(), open_double)) as app:
        yield Client(app, ALICE), double


@given(HEADERS, st.binary(max_size=12))
@example([("upload-length", "5"), ("upload-metadata", "filename YQ==")], b"")
async def test_any_headers(headers: list[tuple[str, str]], body: bytes) -> None:
    async with one_client() as (client, _):
        location = await Tus(client).begin(11, body=b"hello")
        for said in ([VERSION, *headers], headers):
            for method, target in (
                ("POST", "/api/uploads"),
                ("PATCH", location),
                ("HEAD", location),
                ("DELETE", location),
            ):
                answer = await client(method, target, said, [body], ends=False)
                assert answer.status < 500
                if answer.get("upload-offset") is not None:
                    assert int(answer["upload-offset"]) >= 0


PIECES = st.lists(
    st.tuples(st.integers(0, 8), st.integers(0, 8), st.booleans(), st.booleans()), max_size=8
)


@given(st.binary(max_size=24), PIECES, st.booleans())
async def test_any_cuts(
    content: bytes, pieces: list[tuple[int, int, bool, bool]], deferred: bool
) -> None:
    """Each piece is cut somewhere, or not; the client asks for the offset and goes on there."""
    async with one_client() as (client, double):
        tus = Tus(client)
        double.uploads.checkpoint = 3
        headers = [("Upload-Defer-Length", "1")] if deferred else []
        location = await tus.begin(None if deferred else len(content), headers)
        for size, cut, announced, chunked in pieces:
            offset = await tus.offset(location)
            piece = content[offset : offset + size]
            sent = piece[:cut]
            chunks = [bytes([byte]) for byte in sent] if chunked else [sent]
            answer = await tus.patch(
                location,
                offset,
                chunks,
                length=len(piece) if announced else None,
                ends=len(sent) == len(piece),
            )
            assert answer.status in (204, 400)
            assert await tus.offset(location) == offset + len(sent)
        offset = await tus.offset(location)
        length = [("Upload-Length", str(len(content)))]
        answer = await tus.patch(location, offset, content[offset:], length)
        assert (answer.status, answer["upload-offset"]) == (204, str(len(content)))
        assert (await client("GET", "/api/files/a")).body == content
