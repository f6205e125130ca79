"""Changes to the index, many in one transaction, and what follows from each of them for the blobs.

Group commit: a commit costs an `fsync`, whether for one file or for a hundred. So whatever waits
when the thread is free is committed together, and nobody waits for others to come.
"""

from __future__ import annotations

import asyncio
import logging
import queue
import threading
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, TypeVar

import apsw

from file_uploader.errors import (
    FileUploaderError,
    StorageError,
    StorageFailed,
    StorageUnavailable,
)
from file_uploader.storage.local.blobs.writable import WritableBlob
from file_uploader.storage.local.index.writer import Writer
from file_uploader.transfer.tasks import OwnedTasks

from .directory import DataDirectory
from .failures import failure
from .threads import Threads

T = TypeVar("T")

MOST_AT_ONCE = 256
"""Operations in one transaction: some milliseconds, so that other processes get their turn."""

_log = logging.getLogger(__name__)


@dataclass(slots=True, eq=False)
class _Change(Generic[T]):
    """An operation, what came of it, and the future of whoever waits for it."""

    operation: Callable[[Writer], tuple[T, Sequence[str]]]
    new_blob: WritableBlob | None
    future: asyncio.Future[T]
    outcome: tuple[T, Sequence[str]] | FileUploaderError | None = None


class Changes:
    """Commits operations on the index, whatever happens to whoever waits for them.

    Used from one event loop; a thread of its own writes to the index.
    """

    def __init__(self, directory: DataDirectory, threads: Threads) -> None:
        self._blobs = directory.blobs
        self._backup_lock = directory.backup_lock
        self._writer = directory.writer
        self._turnstile = directory.turnstile
        self._threads = threads
        self._loop = asyncio.get_running_loop()
        self._tasks = OwnedTasks()
        self._pending: set[asyncio.Future[Any]] = set()
        self._unlinked: deque[str] = deque()
        self._queue: queue.SimpleQueue[_Change[Any] | None] = queue.SimpleQueue()
        self._closed = False
        self._thread = threading.Thread(target=self._serve, name="index-writer", daemon=True)
        self._thread.start()

    async def make(
        self,
        operation: Callable[[Writer], tuple[T, Sequence[str]]],
        new_blob: WritableBlob | None = None,
    ) -> T:
        """Commit an operation, which returns its result and the blobs that it made garbage.

        It raises its verdict before it changes anything. ``new_blob`` is one that it names; it is
        discarded if the operation fails. Raises the verdict, or `StorageError` if the transaction
        failed: it is not known then whether it will be seen to have happened after a crash, until
        another one has succeeded.
        """
        if self._closed:
            raise StorageUnavailable("The store is closing.")
        future: asyncio.Future[T] = self._loop.create_future()
        self._pending.add(future)
        future.add_done_callback(self._settled)
        self._queue.put(_Change(operation, new_blob, future))
        return await asyncio.shield(future)

    async def condemn(self, suspects: list[str]) -> list[str]:
        """Make those of the blobs garbage that no row names; return them. None may be in flight."""
        return await self.make(lambda writer: (writer.condemn(suspects), ()))

    async def unlink(self, garbage: Sequence[str]) -> dict[str, str | None]:
        """Remove the files of blobs that a transaction has made garbage, and forget them.

        Returns those that are still there, and why; None: a backup needs them.
        """
        if not self._backup_lock.free:
            return dict.fromkeys(garbage)
        failed = await self._threads.run(self._blobs.unlink_each, garbage)
        self._unlinked += [blob_id for blob_id in garbage if blob_id not in failed]
        await self.make(lambda _: (None, ()))
        return {**failed}

    async def drain(self) -> None:
        """Wait for the changes that are under way."""
        while self._pending:
            await asyncio.wait(set(self._pending))

    async def aclose(self) -> None:
        """Note the last removals, take no more changes and close the connection."""
        with suppress(StorageError):
            await self.make(lambda _: (None, ()))
        self._closed = True
        self._queue.put(None)
        await asyncio.to_thread(self._thread.join)

    def _settled(self, future: asyncio.Future[Any]) -> None:
        self._pending.discard(future)
        future.exception()  # Seen, also where nobody waits any more.

    def _serve(self) -> None:
        while batch := self._next():
            self._commit(batch)
            try:
                self._loop.call_soon_threadsafe(self._answer, batch)
            except RuntimeError:  # The loop is closed: nobody is there to be told.
                _log.warning("a transaction ended after the event loop")
        try:
            self._writer.close()
        except apsw.Error:
            _log.warning("the index could not be closed in order", exc_info=True)

    def _next(self) -> list[_Change[Any]]:
        """Everything that waits, at least one; nothing where no more may come."""
        batch: list[_Change[Any]] = []
        while not batch or (len(batch) < MOST_AT_ONCE and not self._queue.empty()):
            change = self._queue.get()
            if change is None:
                self._queue.put(None)  # For the next call.
                break
            batch.append(change)
        return batch

    def _commit(self, batch: list[_Change[Any]]) -> None:
        try:
            with self._turnstile.held(), self._writer.transaction():
                if count := len(self._unlinked):
                    self._writer.forget(self._unlinked.popleft() for _ in range(count))
                for change in batch:
                    try:
                        change.outcome = change.operation(self._writer)
                    except FileUploaderError as verdict:
                        change.outcome = verdict
        except Exception as cause:  # noqa: BLE001 - whatever it is, nobody may wait forever
            _log.exception("a transaction on the index failed")
            for change in batch:  # Every waiter gets an exception of its own.
                if isinstance(cause, apsw.Error | OSError):
                    change.outcome = failure(cause, self._writer.system_errno)
                else:
                    change.outcome = StorageFailed("The store could not commit this.")
                change.outcome.__cause__ = cause

    def _answer(self, batch: list[_Change[Any]]) -> None:
        for change in batch:
            new, outcome = change.new_blob, change.outcome
            if isinstance(outcome, StorageError) and new is not None:
                self._tasks.start(self._give_up(new, change.future, outcome))
            elif isinstance(outcome, FileUploaderError):
                if new is not None:
                    self._threads.detach(new.discard)
                change.future.set_exception(outcome)
            elif outcome is not None:
                result, garbage = outcome
                if new is not None:
                    self._blobs.in_flight.discard(new.id)
                for blob_id in garbage:
                    self._threads.detach(partial(self._unlink, blob_id))
                change.future.set_result(result)
        batch.clear()  # A verdict's traceback holds on to it, and it to all their bytes.

    async def _give_up(
        self, blob: WritableBlob, future: asyncio.Future[Any], error: StorageError
    ) -> None:
        """Remove the blob of a transaction that failed, as soon as that is certain."""
        self._blobs.in_flight.discard(blob.id)
        try:
            with suppress(StorageError):  # If this fails as well, the next sweep settles it.
                await self.unlink(await self.condemn([blob.id]))
        finally:
            future.set_exception(error)

    def _unlink(self, blob_id: str) -> None:
        if self._backup_lock.free:  # Else the sweep after the backup does it.
            self._blobs.unlink(blob_id)
            self._unlinked.append(blob_id)
