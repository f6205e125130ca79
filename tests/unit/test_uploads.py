"""The rules of uploads in several requests, over a store in memory; no HTTP."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256

import pytest

from file_uploader.errors import (
    BodyInterrupted,
    BodyLengthMismatch,
    ClientDisconnected,
    DigestMismatch,
    FileTooLarge,
    InconsistentLength,
    NoSuchUpload,
    NotAppendable,
    NotConcatenable,
    OffsetMismatch,
    PreconditionFailed,
    StorageFailed,
    StorageUnavailable,
    Superseded,
)
from file_uploader.model.conditions import EntityTags, Precondition
from file_uploader.model.files import Metadata, TransferLimits
from file_uploader.model.names import FileName
from file_uploader.model.uploads import Upload, UploadPlan, UploadState
from file_uploader.uploads.append import REST, Piece, Turn
from file_uploader.uploads.receive import WATCH
from file_uploader.uploads.rules import HANDOVER, Uploads
from tests.support.double import StorageDouble, raise_
from tests.support.files import new_container
from tests.support.waiting import happens

CONTAINER = new_container()
PLAN = UploadPlan(FileName("a/b"), Metadata(content_type="text/plain"))
EXPIRY = timedelta(days=7)


class Clock:
    def __init__(self) -> None:
        self.now = datetime(2025, 1, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


class Silent:
    """A client that sends some bytes and then nothing; ``quiet`` is set once it does."""

    def __init__(self, data: bytes) -> None:
        self.quiet = asyncio.Event()
        self._data = data

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield self._data
        self.quiet.set()
        await asyncio.Event().wait()


async def _chunks(data: bytes, error: Exception | None = None) -> AsyncIterator[bytes]:
    for start in range(0, len(data), 4):
        yield data[start : start + 4]
    if error is not None:
        raise error


def piece(data: bytes, **more: object) -> Piece:
    return Piece(_chunks(data), len(data), **more)  # type: ignore[arg-type]


def cut(data: bytes, length: int | None = None) -> Piece:
    return Piece(_chunks(data, ClientDisconnected("cut")), length)


@pytest.fixture
def store() -> StorageDouble:
    return StorageDouble()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def uploads(store: StorageDouble, clock: Clock) -> AsyncIterator[Uploads]:
    made = Uploads(store, expiry=EXPIRY, limits=TransferLimits(max_size=100), now=clock)
    yield made
    await made.aclose()


@pytest.fixture
def other_node(store: StorageDouble, clock: Clock) -> Uploads:
    return Uploads(store, expiry=EXPIRY, now=clock)


async def begun(uploads: Uploads, length: int | None = 10, plan: UploadPlan = PLAN) -> str:
    return (await uploads.create(CONTAINER, plan, length)).id


async def refused(uploads: Uploads, upload_id: str) -> None:
    with pytest.raises(NoSuchUpload):
        await uploads.look(CONTAINER, upload_id)


async def test_in_pieces_to_the_end(uploads: Uploads, store: StorageDouble) -> None:
    upload_id = await begun(uploads)
    upload = await uploads.append(CONTAINER, upload_id, piece(b"01234"), offset=0)
    assert (upload.offset, upload.state) == (5, UploadState.OPEN)
    assert not store.files
    upload = await uploads.append(CONTAINER, upload_id, piece(b"56789"), offset=5)
    info, content = store.files[CONTAINER]["a/b"]
    assert content == b"0123456789"
    assert info.metadata == PLAN.metadata
    assert (upload.state, upload.result) == (UploadState.COMPLETE, info)


async def test_what_came_before_a_cut_counts(uploads: Uploads) -> None:
    upload_id = await begun(uploads)
    with pytest.raises(ClientDisconnected):
        await uploads.append(CONTAINER, upload_id, cut(b"012345", 10), offset=0)
    upload = await uploads.look(CONTAINER, upload_id)
    assert (upload.offset, upload.claimed, upload.torn) == (6, False, 0)


async def test_a_cut_at_the_announced_end_completes(uploads: Uploads, store: StorageDouble) -> None:
    """A client that is told an offset which is the length goes away and takes it for done."""
    upload_id = await begun(uploads)
    with pytest.raises(ClientDisconnected):
        await uploads.append(CONTAINER, upload_id, cut(b"0123456789"), offset=0)
    assert store.files[CONTAINER]["a/b"][1] == b"0123456789"
    assert (await uploads.look(CONTAINER, upload_id)).state is UploadState.COMPLETE


async def test_a_cut_at_an_end_that_was_not_announced_completes_nothing(
    uploads: Uploads, store: StorageDouble
) -> None:
    """A chunked body ends with its last chunk only."""
    upload_id = await begun(uploads, None)
    with pytest.raises(ClientDisconnected):
        await uploads.append(CONTAINER, upload_id, cut(b"0123456789"), offset=0, final=True)
    assert not store.files
    assert (await uploads.look(CONTAINER, upload_id)).state is UploadState.OPEN
    await uploads.append(CONTAINER, upload_id, piece(b""), offset=10, final=True)
    assert store.files[CONTAINER]["a/b"][1] == b"0123456789"


async def test_an_announced_digest_is_all_or_nothing(uploads: Uploads) -> None:
    upload_id = await begun(uploads)
    wrong = {"sha256": sha256(b"else").digest()}
    with pytest.raises(DigestMismatch):
        await uploads.append(CONTAINER, upload_id, piece(b"0123", expected=wrong), offset=0)
    broken = Piece(_chunks(b"0123", ClientDisconnected("cut")), 10, wrong)
    with pytest.raises(ClientDisconnected):
        await uploads.append(CONTAINER, upload_id, broken, offset=0)
    assert (await uploads.look(CONTAINER, upload_id)).offset == 0
    right = {"sha256": sha256(b"0123").digest()}
    upload = await uploads.append(CONTAINER, upload_id, piece(b"0123", expected=right), offset=0)
    assert upload.offset == 4


@pytest.mark.parametrize("offset", [0, 4, 6, 99])
async def test_another_offset_changes_nothing(
    uploads: Uploads, store: StorageDouble, offset: int
) -> None:
    upload_id = await begun(uploads)
    await uploads.append(CONTAINER, upload_id, piece(b"01234"), offset=0)
    before = dict(store.uploads.records)
    with pytest.raises(OffsetMismatch) as found:
        await uploads.append(CONTAINER, upload_id, piece(b"x"), offset=offset)
    assert (found.value.expected, found.value.provided) == (5, offset)
    assert store.uploads.records == before


@pytest.mark.parametrize(
    ("known", "said", "final", "data"),
    [
        (10, 11, None, b"0"),  # said otherwise
        (10, None, True, b"0123"),  # ends too early
        (10, None, None, b"0" * 11),  # goes beyond
        (None, 3, None, b"0123"),
        (None, 5, True, b"0123"),  # two lengths in one request
    ],
)
async def test_lengths_that_contradict(
    uploads: Uploads, known: int | None, said: int | None, final: bool | None, data: bytes
) -> None:
    upload_id = await begun(uploads, known)
    with pytest.raises(InconsistentLength):
        await uploads.append(CONTAINER, upload_id, piece(data), offset=0, length=said, final=final)
    upload = await uploads.look(CONTAINER, upload_id)
    assert (upload.offset, upload.length) == (0, known)


async def test_a_length_below_the_offset(uploads: Uploads) -> None:
    upload_id = await begun(uploads, None)
    await uploads.append(CONTAINER, upload_id, piece(b"01234"), offset=0)
    with pytest.raises(InconsistentLength):
        await uploads.append(CONTAINER, upload_id, piece(b""), offset=5, length=4)


async def test_a_length_said_later_stays(uploads: Uploads, store: StorageDouble) -> None:
    upload_id = await begun(uploads, None)
    await uploads.append(CONTAINER, upload_id, piece(b"01"), offset=0, length=4)
    with pytest.raises(InconsistentLength):
        await uploads.append(CONTAINER, upload_id, piece(b""), offset=2, length=5)
    await uploads.append(CONTAINER, upload_id, piece(b"23"), offset=2)
    assert store.files[CONTAINER]["a/b"][1] == b"0123"


async def test_more_than_the_length_cancels(uploads: Uploads) -> None:
    """Draft, Upload Append, Server Behavior: a known length is not only checked beforehand."""
    upload_id = await begun(uploads, 3)
    with pytest.raises(InconsistentLength):
        await uploads.append(CONTAINER, upload_id, Piece(_chunks(b"01234567")), offset=0)
    await refused(uploads, upload_id)


async def test_an_end_that_is_said_too_early_loses_nothing(uploads: Uploads) -> None:
    upload_id = await begun(uploads, 10)
    with pytest.raises(InconsistentLength):
        await uploads.append(CONTAINER, upload_id, Piece(_chunks(b"0123")), offset=0, final=True)
    upload = await uploads.look(CONTAINER, upload_id)
    assert (upload.offset, upload.state) == (4, UploadState.OPEN)


async def test_the_largest_size(uploads: Uploads) -> None:
    with pytest.raises(FileTooLarge):
        await uploads.create(CONTAINER, PLAN, 101)
    upload_id = await begun(uploads, None)
    with pytest.raises(FileTooLarge):
        await uploads.append(CONTAINER, upload_id, piece(bytes(101)), offset=0)
    with pytest.raises(FileTooLarge):
        await uploads.append(CONTAINER, upload_id, Piece(_chunks(bytes(101))), offset=0)
    with pytest.raises(FileTooLarge):
        await uploads.append(CONTAINER, upload_id, piece(b""), offset=0, length=101)


async def test_without_a_known_end_only_the_client_ends_it(
    uploads: Uploads, store: StorageDouble
) -> None:
    upload_id = await begun(uploads, 4)
    upload = await uploads.append(CONTAINER, upload_id, piece(b"0123"), offset=0, final=False)
    assert upload.state is UploadState.OPEN
    assert not store.files
    upload = await uploads.append(CONTAINER, upload_id, piece(b""), offset=4, final=True)
    assert upload.state is UploadState.COMPLETE


async def test_the_last_answer_can_be_had_again(uploads: Uploads) -> None:
    upload_id = await begun(uploads, 4)
    done = await uploads.append(CONTAINER, upload_id, piece(b"0123"), offset=0)
    assert await uploads.append(CONTAINER, upload_id, piece(b""), offset=4) == done
    assert await uploads.look(CONTAINER, upload_id) == done
    with pytest.raises(OffsetMismatch):
        await uploads.append(CONTAINER, upload_id, piece(b"0123"), offset=0)


async def test_a_silent_client_is_left_for_a_new_one(uploads: Uploads) -> None:
    upload_id = await begun(uploads)
    silent = Silent(b"0123")
    older = asyncio.create_task(
        uploads.append(CONTAINER, upload_id, Piece(aiter(silent), 10), offset=0)
    )
    await happens(silent.quiet, "what the client sends is taken")
    started = time.monotonic()
    upload = await uploads.look(CONTAINER, upload_id)
    assert time.monotonic() - started < HANDOVER
    assert upload.offset == 4, "what it had sent is safe"
    with pytest.raises(BodyInterrupted):
        await older


async def test_what_has_arrived_is_stored_before_whoever_asks_is_told(
    uploads: Uploads, store: StorageDouble
) -> None:
    """Also where nothing of it has been taken yet: its client may have gone long ago."""
    upload_id = await begun(uploads)
    held, asked = asyncio.Event(), asyncio.Event()

    async def hold() -> None:
        store.before.pop("upload-swap")
        held.set()
        await asked.wait()

    store.before["upload-swap"] = hold
    older = asyncio.create_task(uploads.append(CONTAINER, upload_id, cut(b"01234567"), offset=0))
    await happens(held, "the append claims the upload")
    looking = asyncio.create_task(uploads.look(CONTAINER, upload_id))
    await asyncio.sleep(0.01)
    asked.set()
    assert (await looking).offset == 8
    with pytest.raises(ClientDisconnected):
        await older


async def test_an_interrupted_append_takes_no_more_than_what_has_arrived() -> None:
    """Of a client that goes on sending, as much as fits in a connection."""

    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield bytes(1000)

    for source, least in ((endless(), REST), (aiter(Silent(bytes(1000))), 1000)):
        turn = Turn(source)
        turn.interrupt(REST)
        taken = 0
        with suppress(BodyInterrupted):
            async for chunk in turn:
                taken += len(chunk)
        assert least <= taken < least + 1000
        with pytest.raises(BodyInterrupted):
            await anext(turn)


async def test_an_append_that_may_not_go_on_takes_nothing_that_has_arrived() -> None:
    """Whoever asked has been told another offset."""
    turn = Turn(_chunks(b"01234567"))
    assert await anext(turn) == b"0123"
    turn.interrupt()
    turn.interrupt(REST)
    with pytest.raises(BodyInterrupted):
        await anext(turn)


async def test_a_silent_client_on_another_node_is_left_too(
    uploads: Uploads, other_node: Uploads
) -> None:
    upload_id = await begun(uploads)
    silent = Silent(b"0123")
    older = asyncio.create_task(
        uploads.append(CONTAINER, upload_id, Piece(aiter(silent), 10), offset=0)
    )
    await happens(silent.quiet, "what the client sends is taken")
    upload = await other_node.append(CONTAINER, upload_id, piece(b"abcd"), offset=0)
    assert (upload.offset, upload.torn) == (4, 2)
    async with asyncio.timeout(3 * WATCH):
        with pytest.raises((BodyInterrupted, Superseded)):
            await older
    upload = await other_node.append(CONTAINER, upload_id, piece(b"efghij"), offset=4)
    assert upload.state is UploadState.COMPLETE


async def test_an_append_that_has_claimed_nothing_yet_cannot_follow_a_look(
    uploads: Uploads, store: StorageDouble
) -> None:
    """The offset that was just told has to be the one that the next append may use."""
    upload_id = await begun(uploads)
    swapping, swap = asyncio.Event(), asyncio.Event()

    async def hold() -> None:
        swapping.set()
        await swap.wait()

    store.before["upload-swap"] = hold
    looking = asyncio.create_task(uploads.look(CONTAINER, upload_id))
    await happens(swapping, "the look claims the upload")
    loading, load = asyncio.Event(), asyncio.Event()

    async def hold_too() -> None:
        loading.set()
        await load.wait()

    store.before["upload-load"] = hold_too
    older = asyncio.create_task(uploads.append(CONTAINER, upload_id, piece(b"0123"), offset=0))
    await happens(loading, "the append looks at the upload")
    store.before.clear()
    swap.set()
    offset = (await looking).offset
    load.set()
    with pytest.raises(BodyInterrupted):
        await older
    upload = await uploads.append(CONTAINER, upload_id, piece(b"abcd"), offset=offset)
    assert upload.offset == 4


async def test_whoever_loses_the_claim_has_lost(
    uploads: Uploads, other_node: Uploads, store: StorageDouble
) -> None:
    upload_id = await begun(uploads)
    both = asyncio.Barrier(2)

    async def meet() -> None:
        await both.wait()
        store.before.clear()

    store.before["upload-swap"] = meet
    found = await asyncio.gather(
        uploads.append(CONTAINER, upload_id, piece(b"0000"), offset=0),
        other_node.append(CONTAINER, upload_id, piece(b"1111"), offset=0),
        return_exceptions=True,
    )
    assert {type(each) for each in found} == {Upload, Superseded}


async def test_who_only_asks_meanwhile_takes_nothing_away(
    uploads: Uploads, other_node: Uploads, store: StorageDouble
) -> None:
    """The answer is the offset at which the append then begins, as if it had come afterwards."""
    upload_id = await begun(uploads)

    async def asked_elsewhere() -> None:
        store.before.clear()
        assert (await other_node.look(CONTAINER, upload_id)).offset == 0

    store.before["upload-swap"] = asked_elsewhere
    upload = await uploads.append(CONTAINER, upload_id, piece(b"0000"), offset=0)
    assert upload.offset == 4
    assert (await other_node.look(CONTAINER, upload_id)).offset == 4


async def test_a_cancelled_caller_does_not_lose_what_was_sent(uploads: Uploads) -> None:
    upload_id = await begun(uploads)
    gone = asyncio.Event()

    async def leaving() -> AsyncIterator[bytes]:
        yield b"0123"
        await gone.wait()
        raise ClientDisconnected("gone")

    appending = asyncio.create_task(
        uploads.append(CONTAINER, upload_id, Piece(leaving(), 10), offset=0)
    )
    await asyncio.sleep(0.01)
    appending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await appending
    gone.set()
    assert (await uploads.look(CONTAINER, upload_id)).offset == 4


async def test_closing_keeps_what_was_sent(
    store: StorageDouble, clock: Clock, uploads: Uploads
) -> None:
    stopping = Uploads(store, expiry=EXPIRY, now=clock)
    upload_id = await begun(stopping)
    silent = Silent(b"0123")
    appending = asyncio.create_task(
        stopping.append(CONTAINER, upload_id, Piece(aiter(silent), 10), offset=0)
    )
    await happens(silent.quiet, "what the client sends is taken")
    await stopping.aclose()
    with pytest.raises(BodyInterrupted):
        await appending
    assert (await uploads.look(CONTAINER, upload_id)).offset == 4


async def test_after_a_broken_store_the_next_one_takes_over(
    uploads: Uploads, store: StorageDouble
) -> None:
    """What was on its way to a store that failed may still arrive: that is a tear."""
    upload_id = await begun(uploads)
    store.before["upload-chunk"] = raise_(StorageFailed("broken"))
    with pytest.raises(StorageFailed):
        await uploads.append(CONTAINER, upload_id, piece(b"0123"), offset=0)
    store.before.clear()
    upload = await uploads.append(CONTAINER, upload_id, piece(b"0123"), offset=0)
    assert (upload.offset, upload.torn) == (4, 2)


async def test_whoever_finds_it_completing_completes_it(
    uploads: Uploads, other_node: Uploads, store: StorageDouble
) -> None:
    upload_id = await begun(uploads, 4)
    store.before["upload-complete"] = raise_(StorageFailed("not now"))
    with pytest.raises(StorageFailed):
        await uploads.append(CONTAINER, upload_id, piece(b"0123"), offset=0)
    assert not store.files
    with pytest.raises(StorageFailed):
        await other_node.look(CONTAINER, upload_id)
    store.before.clear()
    upload = await other_node.look(CONTAINER, upload_id)
    assert (upload.offset, upload.state) == (4, UploadState.COMPLETE)
    assert store.files[CONTAINER]["a/b"][1] == b"0123"


async def test_a_condition_counts_at_once_and_at_the_end(
    uploads: Uploads, store: StorageDouble
) -> None:
    once = replace(PLAN, precondition=Precondition(if_none_match=EntityTags(any=True)))
    upload_id = await begun(uploads, 4, once)
    store.store(CONTAINER, "a/b", b"meanwhile")
    with pytest.raises(PreconditionFailed):
        await uploads.append(CONTAINER, upload_id, piece(b"0123"), offset=0)
    assert store.files[CONTAINER]["a/b"][1] == b"meanwhile"
    await refused(uploads, upload_id)
    assert not store.uploads.records
    with pytest.raises(PreconditionFailed):
        await uploads.create(CONTAINER, once, 4)


async def test_a_digest_of_the_whole_is_checked_at_the_end(
    uploads: Uploads, store: StorageDouble
) -> None:
    plan = replace(PLAN, digests={"sha256": sha256(b"0123").digest()})
    upload_id = await begun(uploads, 4, plan)
    await uploads.append(CONTAINER, upload_id, piece(b"01"), offset=0)
    with pytest.raises(DigestMismatch):
        await uploads.append(CONTAINER, upload_id, piece(b"2x"), offset=2)
    assert not store.files
    await refused(uploads, upload_id)


async def test_cancelling(uploads: Uploads, store: StorageDouble) -> None:
    upload_id = await begun(uploads)
    await uploads.append(CONTAINER, upload_id, piece(b"01"), offset=0)
    await uploads.cancel(CONTAINER, upload_id)
    assert not store.uploads.records
    await refused(uploads, upload_id)
    with pytest.raises(NoSuchUpload):
        await uploads.append(CONTAINER, upload_id, piece(b"23"), offset=2)
    with pytest.raises(NoSuchUpload):
        await uploads.cancel(CONTAINER, upload_id)


async def test_cancelling_ends_an_append(uploads: Uploads) -> None:
    upload_id = await begun(uploads)
    silent = Silent(b"0123")
    appending = asyncio.create_task(
        uploads.append(CONTAINER, upload_id, Piece(aiter(silent), 10), offset=0)
    )
    await happens(silent.quiet, "what the client sends is taken")
    await uploads.cancel(CONTAINER, upload_id)
    with pytest.raises(BodyInterrupted):
        await appending


async def test_what_cannot_be_removed_is_gone_all_the_same(
    uploads: Uploads, store: StorageDouble
) -> None:
    upload_id = await begun(uploads)
    store.before["upload-remove"] = raise_(StorageFailed("not now"))
    await uploads.cancel(CONTAINER, upload_id)
    [left] = store.uploads.records.values()
    assert left.state is UploadState.CANCELLED
    await refused(uploads, upload_id)


async def test_cancelling_what_others_change_all_the_time_is_no_success(
    uploads: Uploads, store: StorageDouble
) -> None:
    upload_id = await begun(uploads)
    store.before["upload-swap"] = raise_(Superseded("another was faster"))
    with pytest.raises(StorageUnavailable):
        await uploads.cancel(CONTAINER, upload_id)
    store.before.clear()
    assert (await uploads.look(CONTAINER, upload_id)).offset == 0


async def test_cancelling_a_finished_upload_leaves_the_file(
    uploads: Uploads, store: StorageDouble
) -> None:
    upload_id = await begun(uploads, 4)
    await uploads.append(CONTAINER, upload_id, piece(b"0123"), offset=0)
    await uploads.cancel(CONTAINER, upload_id)
    await refused(uploads, upload_id)
    assert store.files[CONTAINER]["a/b"][1] == b"0123"


async def test_cancelling_what_could_not_be_completed_completes_nothing(
    uploads: Uploads, store: StorageDouble
) -> None:
    upload_id = await begun(uploads, 4)
    store.before["upload-complete"] = raise_(StorageFailed("not now"))
    with pytest.raises(StorageFailed):
        await uploads.append(CONTAINER, upload_id, piece(b"0123"), offset=0)
    store.before.clear()
    await uploads.cancel(CONTAINER, upload_id)
    assert not store.files
    assert not store.uploads.records


async def test_expiry(uploads: Uploads, clock: Clock) -> None:
    upload_id = await begun(uploads, 4)
    clock.now += EXPIRY - timedelta(seconds=1)
    done = await uploads.append(CONTAINER, upload_id, piece(b"0123"), offset=0)
    assert done.expires == clock.now + timedelta(days=1), "a finished one is kept for a day"
    clock.now = done.expires
    await refused(uploads, upload_id)


async def test_the_list_shows_what_is_unfinished_and_disturbs_nobody(
    uploads: Uploads, clock: Clock, store: StorageDouble
) -> None:
    ids = []
    for _ in range(3):
        clock.now += timedelta(seconds=1)
        ids.append(await begun(uploads, 4))
    await uploads.append(CONTAINER, ids[1], piece(b"0123"), offset=0)
    before = dict(store.uploads.records)
    assert [each.id async for each in uploads.list(CONTAINER)] == [ids[0], ids[2]]
    assert [each async for each in uploads.list(new_container())] == []
    assert store.uploads.records == before
    clock.now += EXPIRY
    assert [each async for each in uploads.list(CONTAINER)] == []


PARTIAL = UploadPlan(None, notes={"tus_concat": "partial"})


async def partial(uploads: Uploads, data: bytes) -> str:
    upload_id = await begun(uploads, len(data), PARTIAL)
    await uploads.append(CONTAINER, upload_id, piece(data), offset=0)
    return upload_id


async def test_concatenation(uploads: Uploads, store: StorageDouble) -> None:
    one, two = await partial(uploads, b"one"), await partial(uploads, b"two!")
    assert not store.files, "a partial upload is no file"
    upload = await uploads.concatenate(CONTAINER, replace(PLAN, sources=(two, one, two)))
    assert (upload.offset, upload.length, upload.state) == (11, 11, UploadState.COMPLETE)
    assert store.files[CONTAINER]["a/b"][1] == b"two!onetwo!"
    with pytest.raises(NotAppendable):
        await uploads.append(CONTAINER, upload.id, piece(b"x"), offset=11)


async def test_what_cannot_be_concatenated(uploads: Uploads, store: StorageDouble) -> None:
    whole = await begun(uploads, 1)
    unfinished = await begun(uploads, 5, PARTIAL)
    large = await partial(uploads, bytes(60))
    for sources, error in (
        ([whole], NotConcatenable),
        ([unfinished], NotConcatenable),
        (["0" * 32], NoSuchUpload),
        ([large, large], FileTooLarge),
    ):
        with pytest.raises(error):
            await uploads.concatenate(CONTAINER, replace(PLAN, sources=tuple(sources)))
    with pytest.raises(NoSuchUpload):
        await uploads.concatenate(new_container(), replace(PLAN, sources=(large,)))
    assert not store.files


async def test_a_short_body_keeps_what_came(uploads: Uploads) -> None:
    upload_id = await begun(uploads)
    with pytest.raises(BodyLengthMismatch):
        await uploads.append(CONTAINER, upload_id, Piece(_chunks(b"0123"), 6), offset=0)
    assert (await uploads.look(CONTAINER, upload_id)).offset == 4


async def test_every_acknowledgement_is_told(uploads: Uploads, store: StorageDouble) -> None:
    store.uploads.checkpoint = 4
    upload_id = await begun(uploads)
    told: list[int] = []

    async def acknowledge(upload: Upload) -> None:
        assert store.uploads.records[CONTAINER, upload_id].offset == upload.offset
        told.append(upload.offset)

    await uploads.append(
        CONTAINER, upload_id, piece(b"0123456789"), offset=0, acknowledge=acknowledge
    )
    assert told == [4, 8, 10]
