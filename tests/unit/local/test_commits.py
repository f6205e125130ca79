"""Group commit in the embedded store: few transactions, fair turns, no lost waiter."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from file_uploader.errors import NoSuchFile, PreconditionFailed, StorageError, StorageFailed
from file_uploader.model.conditions import EntityTags, Precondition
from file_uploader.model.listing import ListQuery
from file_uploader.model.names import Container, FileName
from file_uploader.storage.local import LocalStorage
from file_uploader.storage.local.index import checkpoints
from file_uploader.storage.local.index.rows import PAGE, WAL_LIMIT
from file_uploader.storage.local.index.writer import Writer
from file_uploader.storage.local.locks import FileLock
from tests.support.bodies import KIB, content
from tests.support.files import new_container, put, read
from tests.support.listing import names_in
from tests.support.local_disk import assert_sound, opened

CREATE = Precondition(if_none_match=EntityTags(any=True))


@pytest.fixture
async def local(tmp_path: Path) -> AsyncIterator[LocalStorage]:
    async with opened(tmp_path) as store:
        yield store


@pytest.fixture
def container() -> Container:
    return new_container()


@pytest.fixture
def transactions(monkeypatch: pytest.MonkeyPatch) -> list[None]:
    """As many entries as there were transactions."""
    seen: list[None] = []
    real = Writer.transaction

    def transaction(self: Writer) -> AbstractContextManager[None]:
        seen.append(None)
        return real(self)

    monkeypatch.setattr(Writer, "transaction", transaction)
    return seen


async def test_what_waits_is_committed_together(
    tmp_path: Path, local: LocalStorage, container: Container, transactions: list[None]
) -> None:
    busy = FileLock(tmp_path / "write.lock")
    busy.acquire()
    writing = [asyncio.create_task(put(local, container, f"{n:03}", b"1")) for n in range(200)]
    writing += [
        asyncio.create_task(put(local, container, "000", b"2", precondition=CREATE))
        for _ in range(5)
    ]
    await asyncio.sleep(0.1)
    assert not any(task.done() for task in writing)
    busy.close()
    done = await asyncio.gather(*writing, return_exceptions=True)
    assert [isinstance(each, PreconditionFailed) for each in done] == [False] * 200 + [True] * 5
    assert len(transactions) <= 3
    assert len(await names_in(local, container)) == 200


async def test_a_thread_that_cannot_be_started_keeps_nobody_waiting(
    local: LocalStorage, container: Container, monkeypatch: pytest.MonkeyPatch
) -> None:
    await put(local, container, "a", content(300 * KIB))

    def refuse(*_arguments: object) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(ThreadPoolExecutor, "submit", refuse)
        async with asyncio.timeout(10):
            await asyncio.gather(*(put(local, container, name, b"1") for name in "bac"))
    assert await names_in(local, container) == ["a", "b", "c"]


async def test_reading_goes_on_while_another_process_writes(
    tmp_path: Path, local: LocalStorage, container: Container
) -> None:
    await put(local, container, "file", b"1")
    busy = FileLock(tmp_path / "write.lock")
    busy.acquire()
    writing = asyncio.create_task(put(local, container, "file", b"2"))
    async with asyncio.timeout(5):
        for _ in range(20):
            assert await read(local, container, "file") == b"1"
            assert await names_in(local, container) == ["file"]
            await local.ready()
    assert not writing.done()
    busy.close()
    await writing
    assert await read(local, container, "file") == b"2"


@pytest.mark.parametrize("size", [10, 300 * KIB])
async def test_a_commit_goes_on_when_its_client_is_gone(
    tmp_path: Path, container: Container, size: int
) -> None:
    old, new = content(size, "old"), content(size, "new")
    async with opened(tmp_path) as store:
        await put(store, container, "file", old)
        await put(store, container, "gone", old)
        busy = FileLock(tmp_path / "write.lock")
        busy.acquire()
        doing = [
            asyncio.create_task(put(store, container, "file", new)),
            asyncio.create_task(put(store, container, "gone", new, precondition=CREATE)),
            asyncio.create_task(put(store, container, "new", new)),
        ]
        await asyncio.sleep(0.3)
        for task in doing:
            task.cancel()
        await asyncio.gather(*doing, return_exceptions=True)
        assert all(task.cancelled() for task in doing)
        asyncio.get_running_loop().call_later(0.1, busy.close)
    async with opened(tmp_path) as store:
        assert await read(store, container, "file") == new
        assert await read(store, container, "new") == new
        assert await read(store, container, "gone") == old
        await store.sweep()
    assert_sound(tmp_path)


async def test_an_operation_with_a_fault_takes_no_other_down(
    local: LocalStorage, container: Container
) -> None:
    def faulty(writer: Writer) -> tuple[None, list[str]]:
        raise ZeroDivisionError

    with pytest.raises(StorageFailed) as caught:
        await local._changes.make(faulty)
    assert isinstance(caught.value.__cause__, ZeroDivisionError)
    await put(local, container, "file", b"1")


async def test_cancelled_waiters_and_closing(tmp_path: Path, container: Container) -> None:
    async with opened(tmp_path) as store:
        for _ in range(50):
            waiting = [
                asyncio.create_task(store._changes.make(lambda writer: (None, ())))
                for _ in range(5)
            ]
            await asyncio.sleep(0)
            for task in waiting[:3]:
                task.cancel()
            done = await asyncio.gather(*waiting, return_exceptions=True)
            assert [type(each) for each in done[3:]] == [type(None)] * 2
        last = asyncio.create_task(put(store, container, "file", b"1"))
        await asyncio.sleep(0)
        await store.aclose()
        with pytest.raises(StorageError):
            await store.head(container, FileName("file"))
        await asyncio.gather(last, return_exceptions=True)
    async with opened(tmp_path) as store:
        found = await asyncio.gather(
            store.head(container, FileName("file")), return_exceptions=True
        )
        assert isinstance(found[0], NoSuchFile) == (last.exception() is not None)


async def test_the_log_stays_short_beside_readers(
    tmp_path: Path, local: LocalStorage, container: Container, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Lists that are never finished hold nothing back, whatever is written meanwhile."""
    limit = WAL_LIMIT * 3 // 8
    monkeypatch.setattr(checkpoints, "WAL_LIMIT", limit)
    monkeypatch.setattr(checkpoints, "RESTART_PAGES", limit // 4 // PAGE)
    for number in range(20):
        await put(local, container, f"first/{number}", b"1")
    lists = [local.list(container, ListQuery(limit=None)) for _ in range(5)]
    monkeypatch.setattr("file_uploader.storage.local.store.PAGE_SIZE", 3)
    for each in lists:
        await anext(each)
    data = content(16 * KIB)
    for _ in range(12):  # 51 MiB of pages, if nothing started the WAL afresh.
        await asyncio.gather(*(put(local, container, f"{n}", data) for n in range(200)))
    assert (tmp_path / "index.db-wal").stat().st_size <= limit
