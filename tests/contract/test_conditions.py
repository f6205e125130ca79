"""Promise 5: conditions are decided with the commit, and no update is lost."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from itertools import product

import pytest

from file_uploader.errors import NoSuchFile, PreconditionFailed
from file_uploader.model.conditions import EntityTags, Precondition
from file_uploader.model.names import Container, FileName
from file_uploader.storage.base import Storage
from file_uploader.transfer.body import ClientBody
from tests.contract.stores import Place, clean
from tests.support.bodies import KIB, Source, content, pieces
from tests.support.files import put, read
from tests.support.listing import names_in

CREATE = Precondition(if_none_match=EntityTags(any=True))
EXISTING = Precondition(if_match=EntityTags(any=True))
NAME = FileName("file")


def only(*etags: str) -> Precondition:
    return Precondition(if_match=EntityTags(frozenset(etags)))


def none_of(*etags: str) -> Precondition:
    return Precondition(if_none_match=EntityTags(frozenset(etags)))


SIZES = [100, 300 * KIB]


async def _etag(store: Storage, container: Container) -> str | None:
    try:
        return (await store.head(container, NAME)).etag
    except NoSuchFile:
        return None


@pytest.mark.parametrize("size", SIZES)
async def test_conditions_on_put(store: Storage, container: Container, size: int) -> None:
    data = content(size)

    async def holds(precondition: Precondition) -> bool:
        before = await _etag(store, container)
        try:
            stored = await put(store, container, "file", data, precondition=precondition)
        except PreconditionFailed:
            assert await _etag(store, container) == before
            return False
        assert await _etag(store, container) == stored.etag
        return True

    assert not await holds(EXISTING)
    assert not await holds(only("x"))
    assert await holds(none_of("x"))
    await store.delete(container, NAME)
    assert await holds(CREATE)
    assert not await holds(CREATE)
    assert await holds(EXISTING)
    etag = await _etag(store, container)
    assert etag is not None
    assert not await holds(only("x"))
    assert not await holds(none_of(etag))
    assert not await holds(none_of("x", etag))
    assert await holds(only("x", etag))
    etag = await _etag(store, container)
    assert etag is not None
    assert await holds(only(etag))
    assert await holds(none_of("x"))
    assert not await holds(only(etag.upper() + "0"))


async def test_a_time_as_condition(store: Storage, container: Container) -> None:
    past, future = (datetime.now(UTC).replace(microsecond=0) + timedelta(hours=h) for h in (-1, 1))
    await put(store, container, "file", b"1", precondition=Precondition(if_unmodified_since=past))
    with pytest.raises(PreconditionFailed):
        await put(
            store, container, "file", b"2", precondition=Precondition(if_unmodified_since=past)
        )
    with pytest.raises(PreconditionFailed):
        await store.delete(container, NAME, precondition=Precondition(if_unmodified_since=past))
    assert await read(store, container, "file") == b"1"
    ok = Precondition(if_unmodified_since=future)
    await put(store, container, "file", b"3", precondition=ok)
    assert await read(store, container, "file") == b"3"
    await store.delete(container, NAME, precondition=ok)


async def test_conditions_on_delete(store: Storage, container: Container) -> None:
    for size in SIZES:
        old = await put(store, container, "file", content(size, "old"))
        new = await put(store, container, "file", content(size, "new"))
        for failing in (only(old.etag), only("x"), none_of(new.etag), CREATE):
            with pytest.raises(PreconditionFailed):
                await store.delete(container, NAME, precondition=failing)
        assert await read(store, container, "file") == content(size, "new")
        await store.delete(container, NAME, precondition=only(new.etag))
        with pytest.raises(NoSuchFile):
            await store.delete(container, NAME)
        with pytest.raises(NoSuchFile):
            await store.delete(container, NAME, precondition=only(new.etag))


def _held_back(data: bytes, go: asyncio.Event) -> tuple[ClientBody, asyncio.Event]:
    """A body whose last byte waits for ``go``; the event tells that all but it has been pulled."""
    reached = asyncio.Event()

    class Held(Source):
        async def __anext__(self) -> bytes:
            if self.sent == len(data) - 1 and not reached.is_set():
                reached.set()
                await go.wait()
            return await super().__anext__()

    chunks = [*pieces(data[:-1], 64 * KIB), data[-1:]]
    return ClientBody(Held(chunks), length=len(data)), reached


@pytest.mark.parametrize("size", SIZES)
async def test_a_condition_that_ceases_to_hold_while_the_body_arrives(
    place: Place, store: Storage, container: Container, size: int
) -> None:
    """It is looked at again at the moment of commit."""
    other = await place.open()

    async def overtaken(precondition: Precondition, act: Callable[[], Awaitable[object]]) -> None:
        go = asyncio.Event()
        body, reached = _held_back(content(size, "slow"), go)
        slow = asyncio.create_task(put(store, container, "file", body, precondition=precondition))
        reaching = asyncio.create_task(reached.wait())
        await asyncio.wait({slow, reaching}, return_when=asyncio.FIRST_COMPLETED)
        assert reached.is_set(), "it was decided before the body was whole"
        await act()
        go.set()
        with pytest.raises(PreconditionFailed):
            await slow

    fast = content(size, "fast")
    await overtaken(CREATE, lambda: put(other, container, "file", fast))
    assert await read(store, container, "file") == fast
    current = await store.head(container, NAME)
    newer = content(size, "newer")
    await overtaken(only(current.etag), lambda: put(other, container, "file", newer))
    assert await read(store, container, "file") == newer
    await overtaken(EXISTING, lambda: other.delete(container, NAME))
    assert await names_in(store, container) == []
    await clean(place, store, {})


@pytest.mark.parametrize("size", SIZES)
async def test_of_many_creators_exactly_one_wins(
    place: Place, store: Storage, container: Container, size: int
) -> None:
    stores = [store, await place.open()]
    for turn in range(5):
        name = f"file-{turn}"

        async def create(number: int, name: str = name) -> int | None:
            data = content(size, number)
            try:
                await put(stores[number % 2], container, name, data, precondition=CREATE)
            except PreconditionFailed:
                return None
            return number

        tried = await asyncio.gather(*map(create, range(16)))
        won = [number for number in tried if number is not None]
        if place.swaps_atomically:
            assert len(won) == 1
            assert await read(store, container, name) == content(size, won[0])
        else:
            assert won
            assert await read(store, container, name) in [content(size, n) for n in won]


async def test_no_update_is_lost(place: Place, store: Storage, container: Container) -> None:
    """A counter that many raise at once by reading it, adding one and swapping it in."""
    if not place.swaps_atomically:
        pytest.skip(f"{place.kind} does not decide If-Match atomically")
    stores = [store, await place.open()]
    await put(store, container, "file", b"0")
    workers, raises = 8, 5

    async def work(number: int) -> None:
        mine = stores[number % 2]
        for _ in range(raises):
            while True:
                current = await mine.head(container, NAME)
                try:
                    value = int(await read(mine, container, "file", etag=current.etag))
                    await put(
                        mine,
                        container,
                        "file",
                        b"%d" % (value + 1),
                        precondition=only(current.etag),
                    )
                    break
                except PreconditionFailed:
                    continue

    await asyncio.gather(*map(work, range(workers)))
    assert await read(store, container, "file") == b"%d" % (workers * raises)


async def test_of_many_deleters_of_one_version_exactly_one_wins(
    place: Place, store: Storage, container: Container
) -> None:
    if place.kind != "local":
        pytest.skip("S3 answers every DELETE alike, whether there was something or not")
    stores = [store, await place.open()]
    for size in SIZES:
        stored = await put(store, container, "file", content(size))

        async def delete(number: int, etag: str = stored.etag) -> bool:
            try:
                await stores[number % 2].delete(container, NAME, precondition=only(etag))
            except (NoSuchFile, PreconditionFailed):
                return False
            return True

        assert sum(await asyncio.gather(*map(delete, range(16)))) == 1
    await clean(place, store, {})


@pytest.mark.parametrize("size", [200, 40 * KIB])
async def test_readers_among_a_hundred_writers_see_whole_versions(
    place: Place, store: Storage, container: Container, size: int
) -> None:
    """Every read in between is exactly one written version, and one of them is there at the end."""
    stores = [store, await place.open()]
    versions = {content(size + number % 3, number) for number in range(100)}
    await put(store, container, "file", content(size, 0))
    writing = True
    reads = 0

    async def write(number: int) -> None:
        await put(stores[number % 2], container, "file", content(size + number % 3, number))

    async def keep_reading(mine: Storage) -> None:
        nonlocal reads
        while writing:
            await asyncio.sleep(0)  # a store that has the answer at hand does not wait for anything
            async with mine.open(container, NAME) as found:
                got = b"".join([chunk async for chunk in found.chunks])
            assert got in versions
            assert found.info.size == len(got)
            assert (await mine.head(container, NAME)).size in {size, size + 1, size + 2}
            reads += 1

    readers = [asyncio.create_task(keep_reading(each)) for each, _ in product(stores, range(2))]
    await asyncio.gather(*map(write, range(100)))
    writing = False
    await asyncio.gather(*readers)
    assert reads >= len(readers)
    last = await read(store, container, "file")
    assert last in versions
    assert await names_in(store, container) == ["file"]
    await clean(place, store, {(container, "file"): len(last)})


async def test_large_files_replaced_under_readers_are_never_mixed(
    place: Place, store: Storage, container: Container
) -> None:
    size = place.part_size + 1000
    versions = {content(size, number) for number in range(4)}
    await put(store, container, "file", content(size, 0))
    writing = True

    async def keep_reading() -> None:
        while writing:
            current = await store.head(container, NAME)
            try:
                got = await read(store, container, "file", etag=current.etag)
            except PreconditionFailed:
                continue
            assert got in versions

    reader = asyncio.create_task(keep_reading())
    for turn in range(4):
        await put(store, container, "file", content(size, turn))
    await asyncio.gather(
        *(put(store, container, "file", content(size, number)) for number in range(4))
    )
    writing = False
    await reader
    assert await read(store, container, "file") in versions
    await clean(place, store, {(container, "file"): size})
