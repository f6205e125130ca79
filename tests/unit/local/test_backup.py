"""Backups of the embedded store: of one moment, whatever goes on beside, and complete or none."""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from file_uploader.errors import ConfigurationError, NoSuchFile
from file_uploader.model.names import Container, FileName
from file_uploader.storage.local import LocalStorage, restore
from file_uploader.storage.local.locks import FileLock
from tests.support.bodies import KIB, content
from tests.support.files import new_container, put, read
from tests.support.listing import names_in
from tests.support.local_disk import assert_sound, blobs_on, indexed, opened
from tests.support.rounds import rounds

LARGE = 200 * KIB


class Silent:
    """Wants to hear nothing."""

    def expect(self, size: int) -> None: ...

    def advance(self, size: int) -> None: ...


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[LocalStorage]:
    async with opened(tmp_path / "data") as store:
        yield store


@pytest.fixture
def container() -> Container:
    return new_container()


@asynccontextmanager
async def traffic(stores: list[LocalStorage], container: Container) -> AsyncIterator[None]:
    """Files are replaced, deleted and written anew all the time, and swept, in this block."""
    done, begun = asyncio.Event(), asyncio.Barrier(5)

    async def write(number: int) -> None:
        turn = 0
        while not done.is_set():
            turn += 1
            writer = stores[(number + turn) % len(stores)]
            name = f"{number}-{turn % 5}"
            await put(writer, container, name, content(LARGE, f"{name}/{turn}"))
            if turn == 1:
                await begun.wait()
            if turn % 4 == 0:
                with suppress(NoSuchFile):
                    await writer.delete(container, FileName(f"{number}-{(turn + 1) % 5}"))

    async def sweep(store: LocalStorage) -> None:
        while not done.is_set():
            await store.sweep()
            await asyncio.sleep(0.01)

    running = [asyncio.create_task(write(number)) for number in range(4)]
    running += [asyncio.create_task(sweep(store)) for store in stores]
    try:
        async with asyncio.timeout(30):
            await begun.wait()
        yield
    finally:
        done.set()
        await asyncio.gather(*running)


async def test_beside_traffic_and_sweeps_nothing_is_missing(
    store: LocalStorage, container: Container, tmp_path: Path
) -> None:
    """Not a single blob, in one backup after the other; into a new directory and an old one."""
    async with opened(tmp_path / "data") as other, traffic([store, other], container):
        for turn in range(rounds(2, 20)):
            target = tmp_path / ("once" if turn % 3 < 2 else f"backup-{turn}")
            copied = await store.back_up(target, Silent())
            assert copied.flaws == {}
            named, there = indexed(target), blobs_on(target)
            assert named
            assert there == set(named)
            restored = tmp_path / f"restored-{turn}"
            assert (await restore(target, restored, Silent())).flaws == {}
            async with opened(restored) as found:
                await found.sweep()  # It forgets what had been removed from the other store.
                for name in await names_in(found, container):
                    info = await found.head(container, FileName(name))
                    data = await read(found, container, name)
                    assert hashlib.sha256(data).digest() == info.sha256
            assert_sound(restored)
    await store.sweep()
    assert_sound(tmp_path / "data")


async def test_while_a_backup_needs_them_no_contents_are_removed(
    store: LocalStorage, container: Container, tmp_path: Path
) -> None:
    await put(store, container, "replaced", content(LARGE, 1))
    await put(store, container, "deleted", content(LARGE, 2))
    before = blobs_on(tmp_path / "data")
    lock = FileLock(tmp_path / "data" / "backup.lock")
    lock.acquire()
    await put(store, container, "replaced", b"small")
    await store.delete(container, FileName("deleted"))
    await store.sweep()
    await asyncio.sleep(0.1)
    assert blobs_on(tmp_path / "data") == before
    waiting = asyncio.create_task(store.back_up(tmp_path / "backup", Silent()))
    await asyncio.sleep(0.5)
    assert not waiting.done()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(waiting, 5)
    lock.close()
    await store.sweep()
    assert blobs_on(tmp_path / "data") == set()
    assert_sound(tmp_path / "data")


async def test_everything_is_durable_before_the_index_has_its_name(
    store: LocalStorage, container: Container, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(10):
        await put(store, container, f"{number}", content(LARGE, number))
    target = tmp_path / "backup"
    synced: set[Path] = set()
    published: list[bool] = []
    fsync, rename = os.fsync, Path.rename

    def noted_fsync(fd: int) -> None:
        synced.add(Path(f"/proc/self/fd/{fd}").readlink())
        fsync(fd)

    def noted_rename(path: Path, to: Path) -> Path:
        if to.name == "index.db":
            blobs = list((target / "blobs").glob("??/*"))
            needed = {*(each.parent for each in blobs), target / "blobs", target}
            needed |= {each.with_name(f"{each.name}.new") for each in blobs}
            published.append(len(blobs) == 10 and {*needed, path} <= synced)
            synced.clear()
        return rename(path, to)

    monkeypatch.setattr(os, "fsync", noted_fsync)
    monkeypatch.setattr(Path, "rename", noted_rename)
    await store.back_up(target, Silent())
    assert published == [True]
    assert target in synced


async def test_one_that_is_cancelled_leaves_the_older_one(
    store: LocalStorage, container: Container, tmp_path: Path
) -> None:
    target = tmp_path / "backup"
    await put(store, container, "old", content(LARGE))
    await store.back_up(target, Silent())
    for number in range(20):
        await put(store, container, f"{number}", content(LARGE, number))
    await store.delete(container, FileName("old"))
    for steps in range(0, 30, 3):
        making = asyncio.create_task(store.back_up(target, Silent()))
        await asyncio.sleep(steps / 1000)
        making.cancel()
        await asyncio.gather(making, return_exceptions=True)
        named = indexed(target)
        assert set(named) <= blobs_on(target)
        if making.cancelled():
            continue
        assert len(named) == 20
    await store.back_up(target, Silent())
    assert set(indexed(target)) == blobs_on(target)
    assert len(indexed(target)) == 20


async def test_a_backup_that_is_served_is_none_any_more(
    store: LocalStorage, container: Container, tmp_path: Path
) -> None:
    backup = tmp_path / "backup"
    await put(store, container, "a", b"x")
    await store.back_up(backup, Silent())
    async with opened(backup):
        with pytest.raises(ConfigurationError, match="is served as a store"):
            await store.back_up(backup, Silent())
        with pytest.raises(ConfigurationError, match="is served as a store"):
            await restore(backup, tmp_path / "again", Silent())
