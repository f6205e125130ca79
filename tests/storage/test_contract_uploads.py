"""Promise 6: uploads in several requests, each store with the rules that are common to all."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Iterable
from contextlib import aclosing, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from file_uploader.errors import (
    BodyInterrupted,
    ClientDisconnected,
    DigestMismatch,
    NoSuchFile,
    NoSuchUpload,
    OffsetMismatch,
    PieceMismatch,
    PreconditionFailed,
    Superseded,
)
from file_uploader.model import (
    Container,
    EntityTags,
    FileName,
    Metadata,
    Precondition,
    Upload,
    UploadPlan,
    UploadState,
    new_upload_id,
)
from file_uploader.storage.base import Storage
from file_uploader.storage.s3 import appending
from file_uploader.uploads import Piece, Uploads
from tests.storage.stores import Place, new_container, put, read
from tests.support.bodies import KIB, MIB, Source, body_of, content, pieces

NAME = FileName("file")
METADATA = Metadata(content_type="text/plain", custom={"colour": "blue_1"})
PLAN = UploadPlan(NAME, METADATA)
EXPIRY = timedelta(days=7)
CREATE = Precondition(if_none_match=EntityTags(any=True))


@pytest.fixture
async def uploads(store: Storage) -> AsyncIterator[Uploads]:
    made = Uploads(store, expiry=EXPIRY)
    yield made
    await made.aclose()


@pytest.fixture
async def other_node(place: Place) -> AsyncIterator[Uploads]:
    """The same place, as another process sees it."""
    made = Uploads(await place.open(), expiry=EXPIRY)
    yield made
    await made.aclose()


def piece(data: bytes, **more: dict[str, bytes]) -> Piece:
    return Piece(Source(pieces(data, 64 * KIB)), len(data), **more)


def cut(data: bytes, sent: int) -> Piece:
    """What arrives of ``data`` when its client goes away after ``sent`` bytes."""
    return Piece(Source(pieces(data[:sent], 64 * KIB), error=ClientDisconnected("gone")), len(data))


async def begun(
    uploads: Uploads, container: Container, length: int | None, plan: UploadPlan = PLAN
) -> str:
    return (await uploads.create(container, plan, length)).id


async def send(
    nodes: Iterable[Uploads], container: Container, upload_id: str, data: bytes, sizes: list[int]
) -> Upload:
    """Append ``data`` in pieces of these sizes, over and over, each to the next of the nodes."""
    nodes = list(nodes)
    offset = turn = 0
    upload = await nodes[0].peek(container, upload_id)
    while offset < len(data):
        part = data[offset : offset + sizes[turn % len(sizes)]]
        node = nodes[turn % len(nodes)]
        upload = await node.append(container, upload_id, piece(part), offset=offset)
        offset, turn = offset + len(part), turn + 1
        assert upload.offset == offset
    return upload


def record(length: int | None = 10, plan: UploadPlan = PLAN) -> Upload:
    now = datetime.now(UTC)
    return Upload(new_upload_id(now), plan, now, now + EXPIRY, length)


async def test_a_record_is_swapped_on_its_version(store: Storage, container: Container) -> None:
    created = await store.uploads.create(container, record())
    assert await store.uploads.load(container, created.id) == created
    one = await store.uploads.swap(container, replace(created, generation=1))
    assert one.version != created.version
    with pytest.raises(Superseded):
        await store.uploads.swap(container, replace(created, generation=2))
    assert await store.uploads.load(container, created.id) == one
    # A record that is what it was before has another version all the same.
    back = await store.uploads.swap(container, replace(one, generation=0))
    assert back.version not in (created.version, one.version)
    with pytest.raises(Superseded):
        await store.uploads.swap(container, replace(created, generation=3))


async def test_of_many_swaps_one_wins(store: Storage, place: Place, container: Container) -> None:
    if not place.swaps_atomically:
        pytest.skip("moto looks, and then writes")
    other = await place.open()
    upload = await store.uploads.create(container, record())
    for generation in range(1, 11):
        results = await asyncio.gather(
            *(
                each.uploads.swap(container, replace(upload, generation=generation, offset=number))
                for number, each in enumerate([store, other] * 4)
            ),
            return_exceptions=True,
        )
        [won] = [each for each in results if isinstance(each, Upload)]
        assert sum(isinstance(each, Superseded) for each in results) == 7
        upload = await store.uploads.load(container, upload.id)
        assert (upload, upload.version) == (won, won.version)


async def test_a_record_says_everything(store: Storage, container: Container) -> None:
    plan = UploadPlan(
        FileName("a/ü %2F"),
        replace(METADATA, cache_control="no-store", content_language="de"),
        Precondition(
            EntityTags(frozenset(["a", "b"])),
            EntityTags(any=True),
            datetime(2026, 1, 2, tzinfo=UTC),
        ),
        {"sha256": bytes(32)},
        tus_metadata="filename YQ==",
        tus_concat="partial",
    )
    created = await store.uploads.create(container, record(None, plan))
    assert (await store.uploads.load(container, created.id)).plan == plan


async def test_a_record_that_is_removed_stays_away(store: Storage, container: Container) -> None:
    upload = await store.uploads.create(container, record())
    cancelled = await store.uploads.swap(container, replace(upload, state=UploadState.CANCELLED))
    await store.uploads.remove(container, cancelled)
    for _ in range(2):
        with pytest.raises(NoSuchUpload):
            await store.uploads.load(container, upload.id)
        with pytest.raises(NoSuchUpload):
            await store.uploads.swap(container, cancelled)


async def test_a_list_is_in_the_order_of_creation(store: Storage, container: Container) -> None:
    made = []
    for number in range(20):
        made.append(await store.uploads.create(container, record(number)))
        await asyncio.sleep(0.002)  # an id tells the millisecond
    await store.uploads.create(new_container(), record())
    assert [upload async for upload in store.uploads.list(container)] == made
    assert [upload async for upload in store.uploads.list(new_container())] == []


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
    monkeypatch.setattr(appending, "WINDOW", 2)  # so that there are parts beyond it
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


@pytest.mark.parametrize(
    ("first", "tears"), [(100, 3), (3 * MIB, 1), (9 * MIB, 1), (17 * MIB, 1), (17 * MIB, 3)]
)
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


async def test_completing_again_and_at_once_writes_once(
    store: Storage, place: Place, uploads: Uploads, container: Container
) -> None:
    for size in (0, 100, 9 * MIB):
        for digests in ({}, {"sha256": hashlib.sha256(content(size)).digest()}):
            name = FileName(f"{size}-{len(digests)}")
            plan = UploadPlan(name, digests=digests)
            upload = await _completing(store, container, content(size), plan)
            nodes = [store, await place.open(), await place.open()]
            if place.kind == "moto":  # it fails where several do it at once
                done = [await node.uploads.complete(container, upload) for node in nodes]
            else:
                completing = (node.uploads.complete(container, upload) for node in nodes)
                done = await asyncio.gather(*completing)
            assert {each.state for each in done} == {UploadState.COMPLETE}
            assert await read(store, container, name.value) == content(size)
            await put(store, container, name.value, b"newer")
            again = await uploads.look(container, upload.id)
            assert again.state is UploadState.COMPLETE
            with suppress(NoSuchUpload, Superseded):
                await store.uploads.complete(container, upload)
            assert await read(store, container, name.value) == b"newer"


async def _completing(
    store: Storage, container: Container, data: bytes, plan: UploadPlan
) -> Upload:
    """An upload whose process died when it had all bytes."""
    upload = await store.uploads.create(container, record(len(data), plan))
    upload = await store.uploads.swap(container, replace(upload, generation=1, claimed=True))
    body = body_of(data)
    storing = store.uploads.append(container, upload, body, final=True)
    async with aclosing(storing):
        async for stored in storing:
            state = UploadState.COMPLETING if stored.last else UploadState.OPEN
            swapped = replace(
                upload, offset=stored.offset, held=stored.held, state=state, claimed=False
            )
            upload = await store.uploads.swap(container, swapped)
    return upload


async def test_whoever_comes_by_completes_it(
    store: Storage, other_node: Uploads, container: Container
) -> None:
    upload = await _completing(store, container, content(9 * MIB), PLAN)
    assert (await other_node.look(container, upload.id)).state is UploadState.COMPLETE
    assert await read(store, container, "file") == content(9 * MIB)


@pytest.mark.parametrize("size", [100, 9 * MIB])
@pytest.mark.parametrize("verified", [True, False], ids=["digest", "no-digest"])
async def test_conditions_are_those_at_the_end(
    store: Storage, uploads: Uploads, container: Container, size: int, verified: bool
) -> None:
    data = content(size)
    digests = {"sha256": hashlib.sha256(data).digest()} if verified else {}
    plan = UploadPlan(NAME, precondition=CREATE, digests=digests)
    one, other = [await begun(uploads, container, size, plan) for _ in range(2)]
    await uploads.append(container, one, piece(data), offset=0)
    with pytest.raises(PreconditionFailed):
        await uploads.append(container, other, piece(data), offset=0)
    assert await read(store, container, "file") == data
    with pytest.raises(NoSuchUpload):
        await uploads.look(container, other)
    with pytest.raises(PreconditionFailed):
        await begun(uploads, container, size, plan)


@pytest.mark.parametrize("size", [0, 100, 9 * MIB])
async def test_the_digest_of_the_whole(
    store: Storage, uploads: Uploads, other_node: Uploads, container: Container, size: int
) -> None:
    data = content(size)
    await put(store, container, "file", b"old")
    right = {"sha256": hashlib.sha256(data).digest(), "sha512": hashlib.sha512(data).digest()}
    wrong = await begun(
        uploads, container, size, replace(PLAN, digests={**right, "sha512": bytes(64)})
    )
    half = size // 2
    if half:
        await uploads.append(container, wrong, piece(data[:half]), offset=0)
    with pytest.raises(DigestMismatch):
        await other_node.append(container, wrong, piece(data[half:]), offset=half)
    assert await read(store, container, "file") == b"old"
    with pytest.raises(NoSuchUpload):
        await uploads.look(container, wrong)
    upload_id = await begun(uploads, container, size, replace(PLAN, digests=right))
    if half:
        await uploads.append(container, upload_id, piece(data[:half]), offset=0)
    await other_node.append(container, upload_id, piece(data[half:]), offset=half)
    info = await store.head(container, NAME)
    assert (info.sha256, info.metadata) == (right["sha256"], METADATA)
    assert await read(store, container, "file") == data


@pytest.mark.parametrize(
    "sizes",
    [[0], [100], [0, 100, 0], [5 * MIB, 6 * MIB], [1, 9 * MIB, 1, 1], [17 * MIB, 3 * MIB]],
    ids=lambda sizes: "+".join(map(str, sizes)),
)
async def test_concatenation(
    store: Storage, uploads: Uploads, other_node: Uploads, container: Container, sizes: list[int]
) -> None:
    sources = []
    for number, size in enumerate(sizes):
        part = await begun(uploads, container, size, UploadPlan(None))
        await uploads.append(container, part, piece(content(size, number)), offset=0)
        sources.append(part)
    whole = b"".join(content(size, number) for number, size in enumerate(sizes))
    for name in ("once", "twice"):
        plan = UploadPlan(
            FileName(name),
            METADATA,
            sources=tuple(sources),
            digests={"sha256": hashlib.sha256(whole).digest()} if name == "twice" else {},
        )
        upload = await other_node.concatenate(container, plan)
        assert (upload.state, upload.offset) == (UploadState.COMPLETE, len(whole))
        assert await read(store, container, name) == whole
    assert (await store.head(container, FileName("once"))).metadata == METADATA
    await uploads.cancel(container, sources[0])
    with pytest.raises(NoSuchUpload):
        await uploads.concatenate(container, plan)


async def test_nobody_reaches_the_upload_of_another(
    store: Storage, uploads: Uploads, container: Container
) -> None:
    upload_id = await begun(uploads, container, 10)
    stranger = new_container()
    with pytest.raises(NoSuchUpload):
        await uploads.look(stranger, upload_id)
    with pytest.raises(NoSuchUpload):
        await uploads.append(stranger, upload_id, piece(b"1"), offset=0)
    with pytest.raises(NoSuchUpload):
        await uploads.cancel(stranger, upload_id)
    with pytest.raises(NoSuchUpload):
        await store.uploads.swap(stranger, await store.uploads.load(container, upload_id))
    assert [each async for each in uploads.list(stranger)] == []
    assert (await uploads.look(container, upload_id)).offset == 0


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


async def test_cancelled_uploads_leave_nothing(
    store: Storage, place: Place, uploads: Uploads, container: Container
) -> None:
    plans = [PLAN, UploadPlan(None), replace(PLAN, digests={"sha256": bytes(32)})]
    for plan in plans:
        for sent in (0, 100, 9 * MIB, 20 * MIB):
            upload_id = await begun(uploads, container, 20 * MIB, plan)
            if sent < 20 * MIB or plan is plans[1]:
                await uploads.append(container, upload_id, piece(content(sent)), offset=0)
            await uploads.cancel(container, upload_id)
            with pytest.raises(NoSuchUpload):
                await uploads.cancel(container, upload_id)
    await uploads.aclose()
    store = await place.reopen(store)
    assert place.strays({}) == []


async def test_a_finished_upload_is_forgotten_and_its_file_is_not(
    store: Storage, place: Place, uploads: Uploads, container: Container
) -> None:
    for digests in ({}, {"sha256": hashlib.sha256(content(9 * MIB)).digest()}):
        upload_id = await begun(uploads, container, 9 * MIB, replace(PLAN, digests=digests))
        await send([uploads], container, upload_id, content(9 * MIB), [3 * MIB])
        await uploads.cancel(container, upload_id)
        with pytest.raises(NoSuchUpload):
            await uploads.look(container, upload_id)
    await uploads.aclose()
    store = await place.reopen(store)
    assert place.strays({(container, "file"): 9 * MIB}) == []
    assert await read(store, container, "file") == content(9 * MIB)


async def test_the_sweep_takes_what_has_expired_and_nothing_else(
    place: Place, container: Container
) -> None:
    short = timedelta(seconds=2)
    store = await place.open(upload_expiry=short)
    dying, staying = Uploads(store, expiry=short), Uploads(store, expiry=EXPIRY)
    live = await begun(staying, container, 20 * MIB, replace(PLAN, name=FileName("live")))
    await staying.append(container, live, piece(content(20 * MIB)[: 9 * MIB]), offset=0)
    for plan in (PLAN, UploadPlan(None), replace(PLAN, digests={"sha256": bytes(32)})):
        for sent in (0, 100, 9 * MIB):
            upload_id = await begun(dying, container, 20 * MIB, plan)
            await dying.append(container, upload_id, piece(content(sent)), offset=0)
        claimed = await store.uploads.load(container, upload_id)
        await store.uploads.swap(container, replace(claimed, claimed=True))
    done = await begun(dying, container, 9 * MIB, replace(PLAN, name=FileName("done")))
    await dying.append(container, done, piece(content(9 * MIB)), offset=0)
    if place.kind != "moto":  # by which every multipart upload was begun in 2010
        await store.sweep()
    assert (await staying.look(container, live)).offset == 9 * MIB
    await asyncio.sleep(short.total_seconds() + 1.5)
    await store.sweep()
    assert [each.id async for each in store.uploads.list(container)] == [live]
    await staying.append(container, live, piece(content(20 * MIB)[9 * MIB :]), offset=9 * MIB)
    assert await read(store, container, "live") == content(20 * MIB)
    await staying.cancel(container, live)
    for each in (dying, staying):
        await each.aclose()
    store = await place.reopen(store)
    await store.sweep()
    assert place.strays({(container, "done"): 9 * MIB, (container, "live"): 20 * MIB}) == []
