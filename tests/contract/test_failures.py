"""Promise 3: whatever fails leaves the old version, and nothing else."""

from __future__ import annotations

import asyncio
import time

import pytest

from file_uploader.errors import BodyTimeout, NoSuchFile, PreconditionFailed
from file_uploader.model.conditions import EntityTags, Precondition
from file_uploader.model.names import Container, FileName
from file_uploader.storage.base import Storage
from tests.contract.stores import Place, clean
from tests.support.bodies import (
    BREAKAGES,
    KIB,
    Breakage,
    Source,
    body_of,
    content,
    pieces,
    stalling,
)
from tests.support.files import put, read
from tests.support.listing import names_in
from tests.support.rounds import rounds

OLD = content(20 * KIB, "old")


def _writes(place: Place) -> list[tuple[str, int, int]]:
    """The name, how large a body is, and after how many bytes it breaks."""
    part = place.part_size
    small = [
        (2, 0),
        (place.inline_limit - 1, place.inline_limit // 2),
        (300 * KIB, 1),
        (300 * KIB, 280 * KIB),
    ]
    return [
        *((name, *each) for each in small for name in ("there", "new")),
        ("there", 2 * part + 1000, part + 1),
        ("new", 2 * part + 1000, 2 * part),
    ]


@pytest.mark.parametrize("breakage", BREAKAGES, ids=str)
async def test_a_broken_body_changes_nothing(
    place: Place, store: Storage, container: Container, breakage: Breakage
) -> None:
    old = await put(store, container, "there", OLD)
    for name, size, after in _writes(place):
        with pytest.raises(breakage.error):
            await put(store, container, name, breakage.body(content(size, "new"), after))
        assert await read(store, container, "there", etag=old.etag) == OLD
        assert await names_in(store, container) == ["there"]
        with pytest.raises(NoSuchFile):
            await store.head(container, FileName("new"))
    await clean(place, store, {(container, "there"): len(OLD)})


async def test_a_broken_body_leaves_nothing_of_a_container_that_never_was(
    place: Place, store: Storage, container: Container
) -> None:
    for breakage in BREAKAGES:
        with pytest.raises(breakage.error):
            await put(store, container, "new", breakage.body(content(300 * KIB), 100 * KIB))
    assert await names_in(store, container) == []
    await clean(place, store, {})


async def test_an_error_of_the_source_passes_through_unchanged(
    place: Place, store: Storage, container: Container
) -> None:
    class TestError(Exception):
        pass

    for size in (10, 300 * KIB, place.part_size + 1):
        error = TestError()
        body = body_of(b"")
        body = type(body)(Source(pieces(content(size), 64 * KIB), error=error))
        with pytest.raises(TestError) as caught:
            await put(store, container, "file", body)
        assert caught.value is error
    await clean(place, store, {})


async def test_cancelled_while_it_waits_for_the_client(
    place: Place, store: Storage, container: Container
) -> None:
    """Before the body is whole there is nothing to commit: the old version stays, always."""
    await put(store, container, "there", OLD)
    for name, size, after in _writes(place):
        body, source = stalling(content(size, "new"), after)
        writing = asyncio.create_task(put(store, container, name, body))
        await source.stalled.wait()
        writing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await writing
    assert await read(store, container, "there") == OLD
    assert await names_in(store, container) == ["there"]
    await clean(place, store, {(container, "there"): len(OLD)})


async def test_a_timeout_around_it_is_a_cancellation(
    place: Place, store: Storage, container: Container
) -> None:
    body, _ = stalling(content(300 * KIB), 200 * KIB)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await put(store, container, "new", body)
    await clean(place, store, {})


async def _cancelled_after(
    seconds: float, store: Storage, container: Container, name: str, data: bytes
) -> bool:
    """Begin to put, cancel at that time; whether the put came through nevertheless."""
    writing = asyncio.create_task(put(store, container, name, data))
    handle = asyncio.get_running_loop().call_later(seconds, writing.cancel)
    try:
        await writing
    except asyncio.CancelledError:
        return False
    finally:
        handle.cancel()
    return True


@pytest.mark.parametrize("size", [100, 300 * KIB, 17 * 1024 * KIB])
async def test_cancelled_at_any_time(
    place: Place, store: Storage, container: Container, size: int
) -> None:
    """A cancelled put is done or not done; which one, is settled when the store is closed."""
    points = rounds(3, 40) if size > place.part_size else rounds(20, 40)
    started = time.monotonic()
    old = content(size, "old")
    await put(store, container, "there-0", old)
    usual = time.monotonic() - started
    done = {}
    for point in range(points):
        await put(store, container, f"there-{point}", old)
        for name in (f"there-{point}", f"new-{point}"):
            after = usual * 1.2 * point / points
            done[name] = await _cancelled_after(after, store, container, name, content(size, point))
    store = await place.reopen(store)
    found = set(await names_in(store, container))
    for name, was_done in done.items():
        before = old if name.startswith("there") else None
        now = await read(store, container, name) if name in found else None
        assert now == content(size, int(name.partition("-")[2])) or (now == before and not was_done)
    await clean(place, store, {(container, name): size for name in found})


async def test_many_broken_bodies_at_once(
    place: Place, store: Storage, container: Container
) -> None:
    """Clients that break disturb neither one another nor those that do not."""

    async def one(number: int) -> object:
        data = content(100 * KIB, number)
        if number % 3 == 0:
            return await put(store, container, f"{number:02}", data)
        breakage = BREAKAGES[number % len(BREAKAGES)]
        with pytest.raises(breakage.error):
            await put(store, container, f"{number:02}", breakage.body(data, 50 * KIB))
        return None

    await asyncio.gather(*map(one, range(60)))
    kept = [f"{number:02}" for number in range(0, 60, 3)]
    assert await names_in(store, container) == kept
    for number in range(0, 60, 3):
        assert await read(store, container, f"{number:02}") == content(100 * KIB, number)
    await clean(place, store, {(container, name): 100 * KIB for name in kept})


async def test_a_failed_condition_leaves_nothing(
    place: Place, store: Storage, container: Container
) -> None:
    await put(store, container, "there", OLD)
    live = {(container, "there"): len(OLD)}
    for size in (10, 300 * KIB, place.part_size + 1):
        for name, precondition in (
            ("there", Precondition(if_none_match=EntityTags(any=True))),
            ("there", Precondition(if_match=EntityTags(frozenset({"other"})))),
            ("new", Precondition(if_match=EntityTags(any=True))),
        ):
            with pytest.raises(PreconditionFailed):
                await put(store, container, name, content(size), precondition=precondition)
    assert await read(store, container, "there") == OLD
    await clean(place, store, live)


async def test_the_store_works_on_after_failures(
    place: Place, store: Storage, container: Container
) -> None:
    """Nothing that a failed transfer held (memory, a slot, a lock) stays taken."""
    idle = next(breakage for breakage in BREAKAGES if breakage.error is BodyTimeout)
    for _ in range(20):
        with pytest.raises(BodyTimeout):
            await put(store, container, "file", idle.body(content(300 * KIB), 290 * KIB))
        body, source = stalling(content(300 * KIB), 290 * KIB, announced=False)
        writing = asyncio.create_task(put(store, container, "file", body))
        await source.stalled.wait()
        writing.cancel()
        await asyncio.gather(writing, return_exceptions=True)
    async with asyncio.timeout(20):
        await put(store, container, "file", content(place.part_size + 1))
    assert await read(store, container, "file") == content(place.part_size + 1)
