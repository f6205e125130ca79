"""The embedded store's sweep takes what nobody will finish, and nothing else."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from file_uploader.errors import StorageFailed
from file_uploader.model.names import Container, FileName
from file_uploader.storage.local import LocalStorage
from file_uploader.storage.local.locks import FileLock, Session, is_dead
from tests.support.bodies import KIB, content, stalling
from tests.support.files import new_container, put, read
from tests.support.local_disk import assert_sound, blobs_on, indexed, opened
from tests.support.waiting import happens

LARGE = 300 * KIB
DEAD = "0" * 16


@pytest.fixture
async def local(tmp_path: Path) -> AsyncIterator[LocalStorage]:
    async with opened(tmp_path) as store:
        yield store


@pytest.fixture
def container() -> Container:
    return new_container()


def leave_blob(directory: Path, session: str, shard: str = "ab") -> Path:
    """A blob that no row names, as a process that died leaves it."""
    path = directory / "blobs" / shard / f"{shard}{os.urandom(7).hex()}-{session}"
    path.write_bytes(b"x" * 100)
    return path


async def test_it_takes_the_blobs_of_the_dead(tmp_path: Path, local: LocalStorage) -> None:
    (tmp_path / "sessions" / DEAD).touch()
    dead = [leave_blob(tmp_path, DEAD, shard) for shard in ("00", "7f", "ff")]
    never_seen = leave_blob(tmp_path, "1" * 16)
    living = Session(tmp_path / "sessions")
    unfinished = leave_blob(tmp_path, living.id)
    foreign = tmp_path / "blobs" / "ab" / "README"
    foreign.touch()
    await local.sweep()
    assert not any(path.exists() for path in [*dead, never_seen, tmp_path / "sessions" / DEAD])
    assert unfinished.exists()
    assert foreign.exists()
    living.end()
    await local.sweep()
    assert not unfinished.exists()


async def test_it_leaves_what_is_in_flight(
    tmp_path: Path, local: LocalStorage, container: Container
) -> None:
    """Its own process's and another's."""
    async with opened(tmp_path) as other:
        writing, sources = [], []
        for number, store in enumerate((local, other)):
            body, source = stalling(content(LARGE), LARGE - 1)
            writing.append(asyncio.create_task(put(store, container, f"{number}", body)))
            sources.append(source)
        for source in sources:
            await happens(source.stalled, "what the client sends is taken")
        assert len(blobs_on(tmp_path)) == 2
        await local.sweep()
        await other.sweep()
        assert len(blobs_on(tmp_path)) == 2
        for task in writing:
            task.cancel()
        await asyncio.gather(*writing, return_exceptions=True)
    await local.aclose()
    assert blobs_on(tmp_path) == set()


async def test_it_takes_what_its_own_process_gave_up(tmp_path: Path, local: LocalStorage) -> None:
    left = leave_blob(tmp_path, local._directory.session.id)
    await local.sweep()
    assert not left.exists()


async def test_it_finishes_the_garbage(
    tmp_path: Path, local: LocalStorage, container: Container, monkeypatch: pytest.MonkeyPatch
) -> None:
    await put(local, container, "file", content(LARGE, "old"))
    [old] = blobs_on(tmp_path)
    with monkeypatch.context() as patched:
        patched.setattr(os, "unlink", _failing)
        await put(local, container, "file", content(LARGE, "new"))
        await local.delete(container, FileName("file"))
        await local.sweep()
        assert old in blobs_on(tmp_path)
    await local.sweep()
    assert blobs_on(tmp_path) == set()
    assert_sound(tmp_path)


def _failing(*_args: object, **_more: object) -> None:
    raise OSError(5, "Input/output error")


async def test_one_sweep_at_a_time(tmp_path: Path, local: LocalStorage) -> None:
    left = leave_blob(tmp_path, DEAD)
    elsewhere = FileLock(tmp_path / "sweep.lock")
    assert elsewhere.try_acquire()
    await local.sweep()
    assert left.exists()
    elsewhere.close()
    await asyncio.gather(local.sweep(), local.sweep())
    assert not left.exists()


async def test_a_cancelled_sweep_lets_go(tmp_path: Path, local: LocalStorage) -> None:
    for shard in range(256):
        leave_blob(tmp_path, DEAD, f"{shard:02x}")
    for steps in range(0, 40, 2):
        sweeping = asyncio.create_task(local.sweep())
        for _ in range(steps):
            await asyncio.sleep(0.001)
        sweeping.cancel()
        await asyncio.gather(sweeping, return_exceptions=True)
    await local.sweep()
    assert blobs_on(tmp_path) == set()


async def test_sweeps_beside_traffic(tmp_path: Path, container: Container) -> None:
    """Every acknowledged file stays whole while three stores write, replace and sweep."""
    async with opened(tmp_path) as one, opened(tmp_path) as two, opened(tmp_path) as three:
        stores = [one, two, three]
        done = asyncio.Event()

        async def sweep(store: LocalStorage) -> None:
            while not done.is_set():
                await store.sweep()
                await asyncio.sleep(0.01)

        async def write(number: int) -> None:
            for turn in range(8):
                name, data = f"{number}", content(LARGE, turn % 3)
                await put(stores[(number + turn) % 3], container, name, data)
                found = await read(stores[(number + turn + 1) % 3], container, name)
                assert found == data

        sweeping = [asyncio.create_task(sweep(store)) for store in stores]
        try:
            await asyncio.gather(*map(write, range(6)))
        finally:
            done.set()
            await asyncio.gather(*sweeping)
        assert set(indexed(tmp_path)) <= blobs_on(tmp_path)
    async with opened(tmp_path) as store:
        await store.sweep()
    assert_sound(tmp_path)


def test_a_session_whose_file_is_taken_before_its_lock_begins_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    acquire = FileLock.acquire
    taken: list[str] = []

    def late(lock: FileLock) -> None:
        if not taken:
            [path] = tmp_path.iterdir()
            taken.append(path.name)
            assert is_dead(tmp_path, path.name)
        acquire(lock)

    monkeypatch.setattr(FileLock, "acquire", late)
    session = Session(tmp_path)
    assert session.id not in taken
    assert not is_dead(tmp_path, session.id)
    session.end()
    assert is_dead(tmp_path, session.id)


async def test_a_lost_blob_is_an_error_and_not_an_empty_file(
    tmp_path: Path, local: LocalStorage, container: Container
) -> None:
    await put(local, container, "file", content(LARGE))
    [path] = (tmp_path / "blobs").glob("??/*")
    os.truncate(path, LARGE - 1)
    with pytest.raises(StorageFailed):
        await read(local, container, "file")
    path.unlink()
    with pytest.raises(StorageFailed):
        await read(local, container, "file")
