"""Promise 2: what was acknowledged is there for whoever opens the store next."""

from __future__ import annotations

import asyncio

import pytest

from file_uploader.errors import NoSuchFile
from file_uploader.model.files import Metadata
from file_uploader.model.names import Container, FileName
from file_uploader.storage.base import Storage
from tests.contract.kinds import EVERY_KIND
from tests.contract.stores import Place, clean
from tests.support.bodies import KIB, content
from tests.support.files import new_container, put, read
from tests.support.listing import names_in

pytestmark = pytest.mark.parametrize("place", EVERY_KIND, indirect=True)


async def test_files_are_there_after_reopening(
    place: Place, store: Storage, container: Container
) -> None:
    sizes = (0, 1, 16 * KIB, 300 * KIB, place.part_size + 1)
    metadata = Metadata(content_type="text/plain", custom={"a": "b"})
    stored = {}
    for size in sizes:
        info = await put(store, container, f"{size}", content(size), metadata=metadata)
        stored[size] = info.etag
    await put(store, container, "gone", b"1")
    await store.delete(container, FileName("gone"))

    store = await place.reopen(store)
    assert await names_in(store, container) == sorted(map(str, sizes))
    for size in sizes:
        assert await read(store, container, f"{size}", etag=stored[size]) == content(size)
        found = await store.head(container, FileName(f"{size}"))
        assert (found.size, found.metadata) == (size, metadata)
    with pytest.raises(NoSuchFile):
        await store.head(container, FileName("gone"))


async def test_a_sweep_takes_nothing_that_is_there(
    place: Place, store: Storage, container: Container
) -> None:
    other = new_container()
    live = {}
    for owner in (container, other):
        for size in (0, 300 * KIB, place.part_size + 1):
            await put(store, owner, f"d/{size}", content(size))
            live[owner, f"d/{size}"] = size
    store = await clean(place, store, live)
    for (owner, name), size in live.items():
        assert await read(store, owner, name) == content(size)


async def test_another_instance_sees_every_finished_write(
    place: Place, store: Storage, container: Container
) -> None:
    other = await place.open()
    for turn in range(5):
        for size in (10, 300 * KIB):
            data = content(size, turn)
            await put(store, container, f"{size}", data)
            assert await read(other, container, f"{size}") == data
            assert await names_in(other, container) == await names_in(store, container)
    await other.delete(container, FileName("10"))
    with pytest.raises(NoSuchFile):
        await read(store, container, "10")


async def test_closing_finishes_what_is_under_way(
    place: Place, store: Storage, container: Container
) -> None:
    """A commit that a cancellation left to itself is over, one way or the other, when closed."""
    old, new = content(300 * KIB, "old"), content(300 * KIB, "new")
    names = [f"{steps:02}" for steps in range(0, 60, 3)]
    for name in names:
        await put(store, container, name, old)
    for name in names:
        writing = asyncio.create_task(put(store, container, name, new))
        for _ in range(int(name)):
            await asyncio.sleep(0)
        writing.cancel()
        await asyncio.wait({writing})
    store = await place.reopen(store)
    settled = {name: await read(store, container, name) for name in names}
    assert set(settled.values()) <= {old, new}
    other = await place.open()
    for name in names:
        assert await read(other, container, name) == settled[name]
    await clean(place, store, {(container, name): 300 * KIB for name in names})


async def test_it_says_that_it_is_ready(store: Storage) -> None:
    await store.ready()


async def test_usage_follows_every_change(
    place: Place, store: Storage, container: Container
) -> None:
    async def usage() -> tuple[int, int]:
        found = await store.usage(container)
        assert found is not None
        return found.files, found.size

    assert await usage() == (0, 0)
    await put(store, container, "a", content(10))
    await put(store, container, "b/c", content(300 * KIB))
    await put(store, new_container(), "a", content(99))
    assert await usage() == (2, 10 + 300 * KIB)
    await put(store, container, "b/c", content(7))
    assert await usage() == (2, 17)
    await store.delete(container, FileName("a"))
    assert await usage() == (1, 7)
    store = await place.reopen(store)
    assert await usage() == (1, 7)
    await store.delete(container, FileName("b/c"))
    assert await usage() == (0, 0)
