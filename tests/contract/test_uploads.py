"""Promise 6: appends, each store with the rules that are common to all."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import aclosing, suppress
from dataclasses import replace

import pytest

from file_uploader.errors import (
    BodyInterrupted,
    ClientDisconnected,
    FileTooLarge,
    NoSuchFile,
    OffsetMismatch,
    PieceMismatch,
    StorageFull,
    Superseded,
)
from file_uploader.model.names import Container
from file_uploader.model.uploads import Upload, UploadState
from file_uploader.storage.base import Storage
from file_uploader.storage.s3.uploads import append
from file_uploader.transfer.body import ClientBody
from file_uploader.uploads.append import Piece
from file_uploader.uploads.rules import Uploads
from tests.contract.stores import Place
from tests.contract.uploading import EXPIRY, METADATA, NAME, begun, cut, piece, record, send
from tests.support.bodies import KIB, MIB, Source, body_of, content, pieces
from tests.support.files import put, read

SIZES = [0, 1, 16 * KIB, 16 * KIB + 1, 8 * MIB, 8 * MIB + 1, 21 * MIB]


@pytest.mark.parametrize(
    ("size", "deferred"),
    [*((size, False) for size in SIZES), (0, True), (16 * KIB, True), (8 * MIB, True)],
)
async def test_one_piece(
    store: Storage, uploads: Uploads, container: Container, size: int, deferred: bool
) -> None:
    data = content(size)
    upload_id = await begun(uploads, container, None if deferred else size)
    with pytest.raises(NoSuchFile):
        await store.head(container, NAME)
    upload = await uploads.append(
        container, upload_id, piece(data), offset=0, length=size if deferred else None
    )
    assert (upload.state, upload.offset, upload.length) == (UploadState.COMPLETE, size, size)
    info = await store.head(container, NAME)
    assert upload.result is not None
    assert (info.size, info.metadata, info.etag) == (size, METADATA, upload.result.etag)
    assert await read(store, container, "file") == data
    assert [each async for each in uploads.list(container)] == []
    assert (await uploads.look(container, upload_id)).offset == size


async def test_what_cannot_fit_is_refused_before_a_byte_is_pulled(
    store: Storage, uploads: Uploads, container: Container
) -> None:
    """No disk and no object has 2**56 bytes: at one go, at the beginning, in a piece, or later."""
    huge = 1 << 56
    source = Source([b"pulled"])
    began = [await begun(uploads, container, length) for length in (None, 10)]
    with pytest.raises((StorageFull, FileTooLarge)):
        await put(store, container, "file", ClientBody(source, length=huge))
    with pytest.raises((StorageFull, FileTooLarge)):
        await begun(uploads, container, huge)
    with pytest.raises((StorageFull, FileTooLarge)):
        await uploads.append(container, began[0], Piece(source, huge), offset=0)
    with pytest.raises((StorageFull, FileTooLarge)):
        await uploads.append(container, began[0], Piece(source, 6), offset=0, length=huge)
    assert source.sent == 0
    assert len([each async for each in uploads.list(container)]) == 2
    for upload_id in began:
        assert not (await uploads.peek(container, upload_id)).claimed
        upload = await uploads.append(container, upload_id, piece(content(10)), offset=0, length=10)
        assert upload.state is UploadState.COMPLETE


@pytest.mark.parametrize(
    "sizes",
    [
        [64 * KIB],
        [5 * MIB + 1],
        [8 * MIB],
        [1, 7 * MIB, 3 * MIB, 9 * MIB, 100 * KIB],
        [16 * MIB, 1],
        [8 * MIB - 1, 2],
    ],
    ids=lambda sizes: "+".join(map(str, sizes)),
)
async def test_many_pieces_to_two_processes(
    store: Storage, uploads: Uploads, other_node: Uploads, container: Container, sizes: list[int]
) -> None:
    data = content(min(50 * max(sizes), 26 * MIB + 5))
    upload_id = await begun(uploads, container, len(data))
    upload = await send([uploads, other_node], container, upload_id, data, sizes)
    assert upload.state is UploadState.COMPLETE
    assert await read(store, container, "file") == data


async def test_many_small_pieces(store: Storage, uploads: Uploads, container: Container) -> None:
    data = content(60 * KIB)
    upload_id = await begun(uploads, container, len(data))
    await send([uploads], container, upload_id, data, [KIB])
    assert await read(store, container, "file") == data


@pytest.mark.parametrize("sent", [0, 1, 100 * KIB, 8 * MIB, 13 * MIB])
async def test_what_arrived_before_a_cut_is_kept(
    store: Storage, uploads: Uploads, other_node: Uploads, container: Container, sent: int
) -> None:
    data = content(14 * MIB)
    upload_id = await begun(uploads, container, len(data))
    with pytest.raises(ClientDisconnected):
        await uploads.append(container, upload_id, cut(data, sent), offset=0)
    looked = await other_node.look(container, upload_id)
    assert (looked.offset, looked.claimed, looked.torn) == (sent, False, 0)
    await other_node.append(container, upload_id, piece(data[sent:]), offset=sent)
    assert await read(store, container, "file") == data


@pytest.mark.parametrize("first", [0, 100, 8 * MIB, 11 * MIB])
async def test_a_cut_after_the_last_byte_loses_nothing(
    store: Storage, uploads: Uploads, other_node: Uploads, container: Container, first: int
) -> None:
    data = content(12 * MIB)
    upload_id = await begun(uploads, container, len(data))
    if first:
        await uploads.append(container, upload_id, piece(data[:first]), offset=0)
    with pytest.raises(ClientDisconnected):
        await uploads.append(
            container, upload_id, cut(data[first:], len(data) - first), offset=first
        )
    assert (await other_node.look(container, upload_id)).state is UploadState.COMPLETE
    assert await read(store, container, "file") == data


@pytest.mark.parametrize("size", [100 * KIB, 9 * MIB, 5 * 8 * MIB + 5])
async def test_a_piece_with_a_digest_is_kept_whole_or_not_at_all(
    store: Storage,
    uploads: Uploads,
    container: Container,
    size: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(append, "WINDOW", 2)  # so that there are parts beyond it
    before, data = content(3 * MIB, "before"), content(size)
    upload_id = await begun(uploads, container, len(before) + size + 1)
    await uploads.append(container, upload_id, piece(before), offset=0)
    right = {"sha1": hashlib.sha1(data).digest()}
    wrong = {"sha1": bytes(20)}
    with pytest.raises(PieceMismatch):
        await uploads.append(container, upload_id, piece(data, expected=wrong), offset=len(before))
    source = Source(pieces(data[:-1], 64 * KIB), error=ClientDisconnected("gone"))
    with pytest.raises(ClientDisconnected):
        await uploads.append(container, upload_id, Piece(source, size, right), offset=len(before))
    assert (await uploads.look(container, upload_id)).offset == len(before)
    upload = await uploads.append(
        container, upload_id, piece(data, expected=right), offset=len(before)
    )
    assert upload.offset == len(before) + size
    await uploads.append(container, upload_id, piece(b"!"), offset=upload.offset)
    assert await read(store, container, "file") == before + data + b"!"


class Stubborn:
    """A client that sends, waits until it is let go on, and sends the rest."""

    def __init__(self, first: bytes, rest: bytes) -> None:
        self.waits = asyncio.Event()
        self.goes_on = asyncio.Event()
        self._first, self._rest = first, rest

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for chunk in pieces(self._first, 64 * KIB):
            yield chunk
        self.waits.set()
        await self.goes_on.wait()
        for chunk in pieces(self._rest, 64 * KIB):
            yield chunk


@pytest.mark.parametrize(("first", "tears"), [(100, 3), (3 * MIB, 1), (9 * MIB, 1), (17 * MIB, 3)])
async def test_who_is_superseded_changes_nothing(
    store: Storage, place: Place, container: Container, first: int, tears: int
) -> None:
    """Straight to the store, as one whose process was asleep for a while."""
    size = 26 * MIB
    slow = [content(size, f"slow {number}") for number in range(tears)]
    fast = content(size, "fast")
    upload = await store.uploads.create(container, record(size))
    stuck = []
    for data in slow:
        node = await place.open()
        claimed = replace(
            upload,
            generation=upload.generation + 1,
            claimed=True,
            torn=upload.generation + 1 if upload.claimed else upload.torn,
        )
        upload = await store.uploads.swap(container, claimed)
        client = Stubborn(data[:first], data[first:])
        body = body_of(data, chunks=None)
        body = type(body)(aiter(client), length=size, algorithms=())
        late = asyncio.create_task(_append_late(node, container, upload, body))
        await client.waits.wait()
        stuck.append((client, late))
    rules = Uploads(store, expiry=EXPIRY)
    # Half before those that are late wake up, and half after them.
    half = 13 * MIB
    await rules.append(container, upload.id, piece(fast[:half]), offset=0)
    for client, late in stuck:
        client.goes_on.set()
        assert await late == 0
    upload = await rules.append(container, upload.id, piece(fast[half:]), offset=half)
    assert upload.state is UploadState.COMPLETE
    assert await read(store, container, "file") == fast
    await rules.aclose()


async def test_bytes_that_did_not_count_are_in_no_digest(
    store: Storage, place: Place, container: Container
) -> None:
    """Of an append whose last acknowledgement failed, since another one was faster."""
    half = 300 * KIB
    lost, data = content(half, "lost"), content(2 * half, "kept")
    upload = await store.uploads.create(container, record(2 * half))
    claimed = replace(upload, generation=upload.generation + 1, claimed=True)
    upload = await store.uploads.swap(container, claimed)
    storing = store.uploads.append(container, upload, body_of(lost), final=False)
    async with aclosing(storing):
        assert (await anext(storing)).last
    other, rules = (Uploads(each, expiry=EXPIRY) for each in (await place.open(), store))
    await other.append(container, upload.id, piece(data[:half]), offset=0)
    await rules.append(container, upload.id, piece(data[half:]), offset=half)
    assert await read(store, container, "file") == data
    info = await store.head(container, NAME)
    assert info.sha256 in (None, hashlib.sha256(data).digest())
    await other.aclose()
    await rules.aclose()


async def _append_late(node: Storage, container: Container, upload: Upload, body: object) -> int:
    """Append as one who does not know that it has been superseded; how often that was accepted."""
    accepted = 0
    with suppress(Superseded):
        storing = node.uploads.append(container, upload, body, final=False)  # type: ignore[arg-type]
        async with aclosing(storing):
            async for stored in storing:
                swapped = replace(
                    upload, offset=stored.offset, held=stored.held, claimed=not stored.last
                )
                upload = await node.uploads.swap(container, swapped)
                accepted += 1
    return accepted


async def test_an_append_that_hangs_is_taken_over(
    store: Storage, uploads: Uploads, other_node: Uploads, container: Container
) -> None:
    old, new = content(14 * MIB, "old"), content(14 * MIB, "new")
    upload_id = await begun(uploads, container, len(old))
    source = Source(pieces(old[: 9 * MIB], 64 * KIB), stall=True)
    hanging = asyncio.create_task(
        uploads.append(container, upload_id, Piece(source, len(old)), offset=0)
    )
    await source.stalled.wait()
    looked = await other_node.look(container, upload_id)
    await other_node.append(container, upload_id, piece(new[looked.offset :]), offset=looked.offset)
    with pytest.raises((BodyInterrupted, Superseded)):
        await asyncio.wait_for(hanging, 5)
    expected = old[: looked.offset] + new[looked.offset :]
    assert await read(store, container, "file") == expected


async def test_a_wrong_offset_changes_nothing(
    store: Storage, uploads: Uploads, container: Container
) -> None:
    upload_id = await begun(uploads, container, 10)
    await uploads.append(container, upload_id, piece(b"01234"), offset=0)
    for offset in (0, 4, 6):
        with pytest.raises(OffsetMismatch) as caught:
            await uploads.append(container, upload_id, piece(b"xxxx"), offset=offset)
        assert caught.value.expected == 5
    await uploads.append(container, upload_id, piece(b"56789"), offset=5)
    assert await read(store, container, "file") == b"0123456789"
