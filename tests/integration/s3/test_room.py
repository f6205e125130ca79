"""The memory budget and the spool: what is guaranteed, counted and given back."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from file_uploader.errors import ConfigurationError, Overloaded
from file_uploader.model.names import Container
from file_uploader.storage.s3.buffers.budget import SLOT, Budget, Share
from file_uploader.storage.s3.buffers.part import Part
from file_uploader.storage.s3.store import OVERHEAD
from tests.contract.stores import S3Place
from tests.support.bodies import KIB, MIB, Source, body_of, content, stalling
from tests.support.files import put, read
from tests.support.s3_servers import S3Server


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Budget]:
    made = Budget(memory=4 * SLOT, spool=4 * SLOT, spool_dir=tmp_path)
    yield made
    assert (made.reserved, made.held) == (0, 0)
    made.close()
    assert list(tmp_path.iterdir()) == []


def test_a_guarantee_is_given_or_refused_at_once(room: Budget) -> None:
    with room.admit(5 * SLOT), room.admit(3 * SLOT), pytest.raises(Overloaded), room.admit(1):
        pass
    with room.admit(8 * SLOT):
        pass
    with room.admit(0), room.admit(8 * SLOT), room.admit(0):
        pass


def test_beyond_its_guarantee_an_upload_gets_memory_that_nobody_may_claim(room: Budget) -> None:
    with room.admit(SLOT) as one, room.admit(SLOT):
        got = []
        while (slot := one.take()) is not None:
            got.append(slot)
        assert len(got) == 3, "four slots of memory, and one of them is the other's"
        assert room.reserved == 4 * SLOT
        one.give_back(got)


def test_what_an_upload_holds_besides_is_taken_from_the_memory(tmp_path: Path) -> None:
    room = Budget(memory=4 * SLOT, spool=8 * SLOT, spool_dir=tmp_path, overhead=SLOT)
    with room.admit(2 * SLOT) as one, room.admit(2 * SLOT) as other:
        slots = [(share, share.take()) for share in (one, one, other, other)]
        assert (room.held, room.spooled) == (4 * SLOT, 2 * SLOT)
        assert one.take() is None
        assert room.reserved == 6 * SLOT
        for share, slot in slots:
            assert slot is not None
            share.give_back([slot])
    with room.admit(0), room.admit(0), room.admit(0), room.admit(0):
        with pytest.raises(Overloaded), room.admit(0):
            pass
        assert room.reserved == 4 * SLOT
    with pytest.raises(Overloaded), room.admit(12 * SLOT):
        pass
    assert (room.reserved, room.held) == (0, 0)
    room.close()


def test_what_is_held_after_the_end_stays_counted(room: Budget) -> None:
    with room.admit(2 * SLOT) as share:
        slots = [share.take(), share.take()]
    assert room.reserved == 2 * SLOT
    share.give_back([slot for slot in slots if slot is not None])


def test_growing_needs_room_and_changes_nothing_without(room: Budget) -> None:
    with room.admit(SLOT) as one, room.admit(4 * SLOT):
        assert not one.grow(5 * SLOT)
        assert room.reserved == 5 * SLOT
        assert one.grow(4 * SLOT)


def test_without_room_to_grow_the_size_of_parts_stays(room: Budget) -> None:
    with room.admit(SLOT) as one, room.admit(4 * SLOT):
        assert one.fitting(5 * SLOT, SLOT) == SLOT
        assert one.fitting(SLOT, 5 * SLOT) == SLOT
        assert one.fitting(4 * SLOT, SLOT) == 4 * SLOT
        assert one.fitting(3 * SLOT, SLOT, SLOT) == 3 * SLOT


def test_any_sequence_keeps_the_promise(room: Budget) -> None:
    """Whatever uploads do, one below its guarantee gets a slot, and the counts come out even."""
    chance = random.Random(1)
    with contextlib.ExitStack() as stack:
        shares: list[tuple[Share, int, list[int]]] = []
        for _ in range(5000):
            action = chance.random()
            if action < 0.1 and len(shares) < 6:
                guarantee = chance.randrange(0, 4)
                with contextlib.suppress(Overloaded):
                    share = stack.enter_context(room.admit(guarantee * SLOT))
                    shares.append((share, guarantee, []))
            elif shares:
                share, guarantee, slots = chance.choice(shares)
                if action < 0.7:
                    slot = share.take()
                    assert slot is not None or len(slots) >= guarantee
                    slots += [] if slot is None else [slot]
                elif slots:
                    share.give_back([slots.pop()])
            held = [slot for _, _, slots in shares for slot in slots]
            assert len(held) == len(set(held)) == room.held // SLOT
            assert room.reserved == SLOT * sum(max(g, len(s)) for _, g, s in shares)
            assert room.reserved <= 8 * SLOT
        for share, _, slots in shares:
            share.give_back(slots)


async def test_bytes_come_back_from_memory_and_from_the_spool(room: Budget) -> None:
    data = content(8 * SLOT - 100)
    with room.admit(len(data)) as share:
        part = Part(share)
        rest = memoryview(data)
        while rest:
            rest = rest[await part.write(rest[:50_000]) :]
        assert room.spooled == 4 * SLOT
        pieces = [await room.read(slot, size) for slot, size in part.pieces()]
        assert b"".join(pieces) == data
        assert await part.md5() == base64.b64encode(hashlib.md5(data).digest()).decode()
        part.release()
        part.release()


async def test_a_cancelled_write_ends_before_its_slot_is_given_back(room: Budget) -> None:
    with room.admit(8 * SLOT) as share:
        slots = [slot for _ in range(8) if (slot := share.take()) is not None]
        for _ in range(50):
            task = asyncio.create_task(room.write(7, 0, memoryview(bytes(SLOT))))
            await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        share.give_back(slots)


def test_a_spool_that_cannot_be_is_a_setting_that_cannot_work(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="SPOOL_DIR"):
        Budget(memory=SLOT, spool=SLOT, spool_dir=tmp_path / "missing")


async def test_settings_too_small_for_one_part(moto: S3Server) -> None:
    place = S3Place(moto, moto.fresh_bucket(), own_buckets=False)
    with pytest.raises(ConfigurationError, match="MEMORY_BUDGET"):
        await place.open(memory_budget=MIB, spool_limit=MIB)


async def test_the_smallest_room_serves_one_upload_after_the_other(
    moto: S3Server, container: Container
) -> None:
    """One part's room, and larger bodies, announced or not: slow, but nothing ever hangs."""
    place = S3Place(moto, moto.fresh_bucket(), own_buckets=False)
    store = await place.open(memory_budget=MIB, spool_limit=7 * MIB + OVERHEAD)
    data = content(18 * MIB)
    async with asyncio.timeout(60):
        for announced in (True, False):
            await put(store, container, "file", body_of(data, announced=announced))
            assert await read(store, container, "file") == data
    await place.close()


async def test_many_uploads_in_little_room_all_end(moto: S3Server, container: Container) -> None:
    place = S3Place(moto, moto.fresh_bucket(), own_buckets=False)
    store = await place.open(memory_budget=4 * MIB, spool_limit=96 * MIB)
    data = content(9 * MIB)
    async with asyncio.timeout(90):
        await asyncio.gather(
            *(put(store, container, f"{number}", body_of(data)) for number in range(12))
        )
    assert await read(store, container, "11") == data
    await place.close()


async def test_overloaded_before_the_first_byte(moto: S3Server, container: Container) -> None:
    place = S3Place(moto, moto.fresh_bucket(), own_buckets=False)
    store = await place.open(memory_budget=8 * MIB + OVERHEAD, spool_limit=0)
    slow, source = stalling(content(8 * MIB), 64 * KIB)
    waiting = asyncio.create_task(put(store, container, "slow", slow))
    await source.stalled.wait()
    refused = Source(iter([b"x"]))
    with pytest.raises(Overloaded):
        await put(store, container, "other", type(slow)(refused))
    assert refused.sent == 0
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    await put(store, container, "other", b"x")
    await place.close()
