"""Changes to the index, and what follows from each of them for the blobs."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import TypeVar

from file_uploader.errors import FileUploaderError, StorageError
from file_uploader.storage.local.blobs.blobs import Blobs, Removal
from file_uploader.storage.local.blobs.writable import WritableBlob
from file_uploader.storage.local.index.group_commit import GroupCommit
from file_uploader.storage.local.index.writer import Writer
from file_uploader.transfer.tasks import OwnedTasks

from .directory import DataDirectory
from .threads import Threads

T = TypeVar("T")


class Changes:
    """Commits operations on the index, in tasks that outlive whoever waits for them."""

    def __init__(self, directory: DataDirectory, threads: Threads) -> None:
        self._blobs: Blobs = directory.blobs
        self._threads = threads
        self._backup_lock = directory.backup_lock
        self._tasks = OwnedTasks()
        self._unlinked: deque[str] = deque()
        self.commits = GroupCommit(directory.writer, directory.turnstile, self._forget_unlinked)

    async def make(
        self,
        operation: Callable[[Writer], tuple[T, Sequence[str]]],
        new_blob: WritableBlob | None = None,
    ) -> T:
        """Commit an operation, which returns its result and the blobs that it made garbage.

        ``new_blob`` is one that it names; it is discarded if the operation fails. Raises the
        operation's verdict, or `StorageError`.
        """
        return await self._tasks.finish(self._make(operation, new_blob))

    async def condemn(self, suspects: list[str]) -> list[str]:
        """Make those of the blobs garbage that no row names; return them. None may be in flight."""
        return await self.commits.run(lambda writer: writer.condemn(suspects))

    async def unlink(self, garbage: Sequence[str]) -> Removal:
        """Remove the files of blobs that a transaction has made garbage, and forget them.

        None are removed while a backup needs them.
        """
        if not self._backup_lock.free:
            return Removal()
        removal = await self._threads.run(self._blobs.unlink_each, garbage)
        await self.commits.run(lambda writer: writer.forget(removal.gone))
        return removal

    async def drain(self) -> None:
        """Wait for the commits that are under way."""
        await self._tasks.drain()

    async def aclose(self) -> None:
        """Note the last removals, and end the thread that commits."""
        with suppress(StorageError):
            await self.commits.run(self._forget_unlinked)
        await self.commits.aclose()

    async def _make(
        self, operation: Callable[[Writer], tuple[T, Sequence[str]]], new_blob: WritableBlob | None
    ) -> T:
        try:
            result, garbage = await self.commits.run(operation)
        except StorageError:
            # A blob that a transaction has named may only go when it is certain that it failed.
            if new_blob is not None:
                self._blobs.in_flight.discard(new_blob.id)
                with suppress(StorageError):  # If this fails as well, the next sweep settles it.
                    await self.unlink(await self.condemn([new_blob.id]))
            raise
        except FileUploaderError:
            if new_blob is not None:
                self._threads.detach(new_blob.discard)
            raise
        if new_blob is not None:
            self._blobs.in_flight.discard(new_blob.id)
        for blob_id in garbage:
            self._threads.detach(partial(self._unlink, blob_id))
        return result

    def _unlink(self, blob_id: str) -> None:
        if self._backup_lock.free:  # Else the sweep after the backup does it.
            self._blobs.unlink(blob_id)
            self._unlinked.append(blob_id)

    def _forget_unlinked(self, writer: Writer) -> None:
        """Note in the index what `_unlink` has done; part of whichever transaction comes next."""
        gone = []
        while self._unlinked:
            gone.append(self._unlinked.popleft())
        writer.forget(gone)
