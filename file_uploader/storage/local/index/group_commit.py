"""Group commit: one thread that writes to the index, many waiters for each of its transactions.

A commit costs an `fsync`, whether for one file or for a hundred. So whatever waits when the thread
is free is committed together, and nobody waits for others to come.
"""

from __future__ import annotations

import asyncio
import logging
import queue
import threading
from collections.abc import Callable
from typing import Any, Generic, TypeVar

import apsw

from file_uploader.errors import FileUploaderError, StorageFailed, StorageUnavailable
from file_uploader.storage.local.failures import failure
from file_uploader.storage.local.locks import Turnstile

from .writer import Writer

T = TypeVar("T")

MOST_AT_ONCE = 256
"""Operations in one transaction: some milliseconds, so that other processes get their turn."""

_log = logging.getLogger(__name__)


class _Waiting(Generic[T]):
    """An operation, and the future of whoever waits for it."""

    def __init__(self, operation: Callable[[Writer], T], future: asyncio.Future[T]) -> None:
        self._operation = operation
        self._future = future
        self._answer: Callable[[], object] = future.cancel

    def perform(self, writer: Writer) -> None:
        """Run the operation. A verdict (`FileUploaderError`) is its result as well."""
        try:
            result = self._operation(writer)
        except FileUploaderError as verdict:
            error = verdict
            self._answer = lambda: self._future.set_exception(error)
        else:
            self._answer = lambda: self._future.set_result(result)

    def fail(self, error: FileUploaderError, cause: Exception) -> None:
        """The whole transaction has failed. Every waiter gets an exception of its own."""
        own = type(error)(*error.args)
        own.__cause__ = cause
        self._answer = lambda: self._future.set_exception(own)

    def answer(self) -> None:
        """Tell the waiter, if it still waits; on its event loop."""
        if not self._future.done():
            self._answer()


class GroupCommit:
    """Runs operations on the index, many in one transaction. Used from one event loop.

    ``chore`` runs first in every transaction.
    """

    def __init__(
        self, writer: Writer, turnstile: Turnstile, chore: Callable[[Writer], None]
    ) -> None:
        self._writer = writer
        self._turnstile = turnstile
        self._chore = chore
        self._loop = asyncio.get_running_loop()
        self._queue: queue.SimpleQueue[_Waiting[Any] | None] = queue.SimpleQueue()
        self._closed = False
        self._thread = threading.Thread(target=self._serve, name="index-writer", daemon=True)
        self._thread.start()

    async def run(self, operation: Callable[[Writer], T]) -> T:
        """Run ``operation`` in a transaction and wait until that is durable.

        ``operation`` raises its verdict before it changes anything. Raises that verdict, or
        `StorageError` if the transaction failed: it is not known then whether it will be seen to
        have happened after a crash, until another one has succeeded.
        """
        if self._closed:
            raise StorageUnavailable("The store is closing.")
        future: asyncio.Future[T] = self._loop.create_future()
        self._queue.put(_Waiting(operation, future))
        return await future

    async def aclose(self) -> None:
        """Take no more operations, finish those that were taken and close the connection."""
        if not self._closed:
            self._closed = True
            self._queue.put(None)
        await asyncio.to_thread(self._thread.join)

    def _serve(self) -> None:
        more = True
        while more:
            batch, more = self._next()
            if batch:
                self._commit(batch)
                self._answer(batch)
        try:
            self._writer.close()
        except apsw.Error:
            _log.warning("the index could not be closed in order", exc_info=True)

    def _next(self) -> tuple[list[_Waiting[Any]], bool]:
        """Everything that waits, at least one; and whether more may come."""
        batch: list[_Waiting[Any]] = []
        try:
            waiting = self._queue.get()
            while waiting is not None:
                batch.append(waiting)
                if len(batch) == MOST_AT_ONCE:
                    return batch, True
                waiting = self._queue.get_nowait()
        except queue.Empty:
            return batch, True
        return batch, False

    def _commit(self, batch: list[_Waiting[Any]]) -> None:
        def work(writer: Writer) -> None:
            self._chore(writer)
            for waiting in batch:
                waiting.perform(writer)

        try:
            with self._turnstile.held():
                self._writer.transact(work)
        except Exception as cause:  # noqa: BLE001 - whatever it is, nobody may wait forever
            _log.exception("a transaction on the index failed")
            if isinstance(cause, apsw.Error | OSError):
                error = failure(cause, self._writer.system_errno)
            else:
                error = StorageFailed("The store could not commit this.")
            for waiting in batch:
                waiting.fail(error, cause)

    def _answer(self, batch: list[_Waiting[Any]]) -> None:
        def answer() -> None:
            for waiting in batch:
                waiting.answer()

        try:
            self._loop.call_soon_threadsafe(answer)
        except RuntimeError:  # The loop is closed: nobody is there to be told.
            _log.warning("a transaction ended after the event loop")
