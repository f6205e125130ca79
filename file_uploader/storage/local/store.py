"""The embedded store: how its parts work together.

Follow one `LocalStorage.put`: the intake pulls the body, into memory or into a blob that is
durable before anything names it; group commit makes it the current version, in one transaction
with the precondition; the blob that it replaced, garbage from that transaction on, is removed
afterwards.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import aclosing, asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Self, TypeVar

from file_uploader.body import ClientBody
from file_uploader.errors import (
    FileUploaderError,
    PreconditionFailed,
    StorageError,
    StorageFailed,
    StorageUnavailable,
)
from file_uploader.model import (
    UNCONDITIONAL,
    ByteRange,
    Container,
    FileInfo,
    FileName,
    ListEntry,
    ListQuery,
    Metadata,
    Precondition,
    Usage,
)
from file_uploader.owned import OwnedTasks
from file_uploader.storage.base import Content

from . import listing
from .blobs import NewBlob, OpenBlob
from .commits import GroupCommit
from .directory import DataDirectory
from .rows import Draft, Stored
from .sweep import Sweep
from .threads import Threads
from .transfer import Intake, blob_chunks, data_chunks
from .writer import Writer

T = TypeVar("T")

PAGE_SIZE = 1_000
"""Entries of a list that are read at once."""

THREADS = 8
"""Threads for reading, and as many for writing, so that no read waits behind slow `fsync`s."""

_MOST_LOOKUPS = 100
"""Times that a reader looks again for a file that is replaced just then, before it gives up."""


class LocalStorage:
    """A `Storage` in one directory of a local file system, for any number of processes.

    Built with `connect`; `file_uploader.storage.base` says what it promises.
    """

    def __init__(self, directory: DataDirectory) -> None:
        self._directory = directory
        self._index = directory.index
        self._blobs = directory.blobs
        self._reading = Threads("storage-read", THREADS)
        self._writing = Threads("storage-write", THREADS)
        self._tasks = OwnedTasks()
        self._unlinked: deque[str] = deque()
        self._commits = GroupCommit(directory.writer, directory.turnstile, self._forget_unlinked)
        self._intake = Intake(self._blobs, self._writing)
        self._sweep = Sweep(directory, self._commits, self._writing)

    @classmethod
    async def connect(cls, data_dir: Path) -> Self:
        """Open the store in a directory, which is made where it is missing.

        Raises `ConfigurationError` if that directory cannot be made, written or understood.
        """
        return cls(await asyncio.to_thread(DataDirectory.open, data_dir))

    async def put(
        self,
        container: Container,
        name: FileName,
        body: ClientBody,
        *,
        metadata: Metadata,
        precondition: Precondition = UNCONDITIONAL,
    ) -> FileInfo:
        """See `Storage.put`."""
        received = await self._intake.receive(body)
        blob = received if isinstance(received, NewBlob) else None
        draft = Draft(
            size=body.received,
            sha256=body.sha256,
            metadata=metadata,
            data=None if isinstance(received, NewBlob) else received,
            blob=None if blob is None else blob.id,
        )

        def operation(writer: Writer) -> tuple[FileInfo, str | None]:
            return writer.put(container, name, draft, precondition)

        return await self._tasks.finish(self._commit(operation, blob))

    async def head(self, container: Container, name: FileName) -> FileInfo:
        """See `Storage.head`."""
        stored = await self._reading.run(self._index.find, container, name)
        return stored.info

    @asynccontextmanager
    async def open(
        self,
        container: Container,
        name: FileName,
        *,
        etag: str | None = None,
        byte_range: ByteRange | None = None,
    ) -> AsyncIterator[Content]:
        """See `Storage.open`."""
        blob = OpenBlob(self._blobs)
        inline = False
        try:
            stored = await self._reading.run(self._open_version, container, name, etag, blob)
            inline = stored.data is not None
            start, end = _bounds(stored.info, byte_range)
            if stored.data is not None:
                chunks = data_chunks(stored.data[start:end])
            else:
                chunks = blob_chunks(self._reading, blob, start, end)
            async with aclosing(chunks):
                yield Content(stored.info, chunks)
        finally:
            if not inline:  # Then there may be a descriptor, or a thread that is about to get one.
                self._reading.detach(blob.close)

    async def delete(
        self,
        container: Container,
        name: FileName,
        *,
        precondition: Precondition = UNCONDITIONAL,
    ) -> None:
        """See `Storage.delete`."""

        def operation(writer: Writer) -> tuple[None, str | None]:
            return None, writer.delete(container, name, precondition)

        await self._tasks.finish(self._commit(operation))

    async def list(
        self, container: Container, query: ListQuery
    ) -> AsyncIterator[Sequence[ListEntry]]:
        """See `Storage.list`."""
        start = listing.start_of(query)
        wanted = query.limit
        while start is not None and wanted != 0:
            size = PAGE_SIZE if wanted is None else min(PAGE_SIZE, wanted)
            entries, start = await self._reading.run(
                self._index.page, container, query, start, size
            )
            if wanted is not None:
                wanted -= len(entries)
            if entries:
                yield entries

    async def usage(self, container: Container) -> Usage:
        """See `Storage.usage`."""
        return await self._reading.run(self._index.usage, container)

    async def ready(self) -> None:
        """See `Storage.ready`."""
        await self._reading.run(self._directory.check)

    async def sweep(self) -> None:
        """See `Storage.sweep`; does nothing while another process sweeps."""
        await self._sweep.run()

    async def aclose(self) -> None:
        """See `Storage.aclose`."""
        await self._tasks.drain()
        await self._writing.aclose()
        with suppress(StorageError):
            await self._commits.run(self._forget_unlinked)
        await self._commits.aclose()
        await self._reading.aclose()
        await asyncio.to_thread(self._directory.close)

    async def _commit(
        self, operation: Callable[[Writer], tuple[T, str | None]], blob: NewBlob | None = None
    ) -> T:
        """Commit an operation, and do with the new and the replaced blob what follows from it.

        The operation returns its result and the blob that it made garbage.
        """
        try:
            result, garbage = await self._commits.run(operation)
        except StorageError:
            # A blob that a transaction has named may only go when it is certain that it failed.
            if blob is not None:
                self._blobs.in_flight.discard(blob.id)
                with suppress(StorageError):  # If this fails as well, the next sweep settles it.
                    await self._sweep.remove([blob.id])
            raise
        except FileUploaderError:
            if blob is not None:
                self._writing.detach(blob.discard)
            raise
        if blob is not None:
            self._blobs.in_flight.discard(blob.id)
        if garbage is not None:
            self._writing.detach(partial(self._unlink, garbage))
        return result

    def _unlink(self, blob_id: str) -> None:
        self._blobs.unlink(blob_id)
        self._unlinked.append(blob_id)

    def _forget_unlinked(self, writer: Writer) -> None:
        """Note in the index what `_unlink` has done; part of whichever transaction comes next."""
        gone = []
        while self._unlinked:
            gone.append(self._unlinked.popleft())
        writer.forget(gone)

    def _open_version(
        self, container: Container, name: FileName, etag: str | None, blob: OpenBlob
    ) -> Stored:
        """Find the current version, and open its blob if it has one."""
        missing: str | None = None
        for _ in range(_MOST_LOOKUPS):
            stored = self._index.find_with_data(container, name)
            if etag is not None and etag != stored.info.etag:
                raise PreconditionFailed("The file has another version by now.")
            if stored.blob is None:
                return stored
            if stored.blob == missing:
                raise StorageFailed("The stored content of this file is missing.")
            try:
                blob.open(stored.blob, stored.info.size)
            except FileNotFoundError:  # Replaced since the lookup, as a rule.
                missing = stored.blob
            else:
                return stored
        raise StorageUnavailable("The file is being replaced all the time; try again later.")


def _bounds(info: FileInfo, byte_range: ByteRange | None) -> tuple[int, int]:
    """First byte, and the one after the last."""
    if byte_range is None:
        return 0, info.size
    if byte_range.end >= info.size:
        raise PreconditionFailed("The file has changed and has no such range any more.")
    return byte_range.start, byte_range.end + 1
