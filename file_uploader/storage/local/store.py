"""The embedded store: how its parts work together.

Follow one `LocalStorage.put`: the intake pulls the body, into memory or into a blob that is
durable before anything names it; group commit makes it the current version, in one transaction
with the precondition; the blob that it replaced, garbage from that transaction on, is removed
afterwards.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Self, TypeVar

from typing_extensions import override

from file_uploader.errors import PreconditionFailed, StorageFailed, StorageUnavailable
from file_uploader.model import storable
from file_uploader.model.conditions import UNCONDITIONAL, Precondition
from file_uploader.model.files import ByteRange, FileInfo, Metadata, Usage
from file_uploader.model.listing import ListEntry, ListQuery
from file_uploader.model.names import Container, FileName
from file_uploader.storage.base import Content, FilePosition, Storage
from file_uploader.storage.local.blobs.blobs import OpenBlob
from file_uploader.storage.local.blobs.intake import Intake
from file_uploader.storage.local.index.rows import (
    FIND,
    FIND_WITH_DATA,
    Draft,
    Stored,
    microseconds_of,
)
from file_uploader.storage.local.index.writer import Writer
from file_uploader.storage.local.upkeep.backup import back_up
from file_uploader.storage.local.upkeep.copies import Copied, Watcher
from file_uploader.storage.local.upkeep.examine import examine
from file_uploader.storage.local.upkeep.sweep import Sweep
from file_uploader.storage.observed import observed, observed_items, observed_opening
from file_uploader.storage.upkeep import Flaw, Proof, Sha256Proof, Swept
from file_uploader.transfer.body import ClientBody

from .changes import Changes
from .directory import DataDirectory
from .index import listing
from .link_key import kept_key
from .threads import Threads
from .uploads import LocalUploads

T = TypeVar("T")

PAGE_SIZE = 1_000
"""Entries of a list that are read at once."""

THREADS = 8
"""Threads for reading, and as many for writing, so that no read waits behind slow `fsync`s."""

_MOST_LOOKUPS = 100
"""Times that a reader looks again for a file that is replaced just then, before it gives up."""


class LocalStorage(Storage):
    """A `Storage` in one directory of a local file system, for any number of processes.

    Built with `connect`; `file_uploader.storage.base` says what it promises.
    """

    def __init__(self, directory: DataDirectory) -> None:
        self._directory = directory
        self._index = directory.index
        self._blobs = directory.blobs
        self._reading = Threads("storage-read", THREADS)
        self._writing = Threads("storage-write", THREADS)
        self._changes = Changes(directory, self._writing)
        self._intake = Intake(self._blobs, self._writing)
        self._sweep = Sweep(directory, self._changes, self._writing)
        self._uploads = LocalUploads(directory, self._changes, self._intake, self._reading)

    @classmethod
    async def connect(cls, data_dir: Path) -> Self:
        """Open the store in a directory, which is made where it is missing.

        Raises `ConfigurationError` if that directory cannot be made, written or understood.
        """
        return cls(await asyncio.to_thread(DataDirectory, data_dir))

    @property
    @override
    def uploads(self) -> LocalUploads:
        return self._uploads

    @override
    @observed("put")
    async def put(
        self,
        container: Container,
        name: FileName,
        body: ClientBody,
        *,
        metadata: Metadata,
        precondition: Precondition = UNCONDITIONAL,
        modified: datetime | None = None,
    ) -> FileInfo:
        storable.check(name, metadata)
        received = await self._intake.receive(body)
        data, blob = (received, None) if isinstance(received, bytes) else (None, received)
        draft = Draft(
            size=body.received,
            sha256=body.sha256,
            metadata=metadata,
            data=data,
            blob=None if blob is None else blob.id,
            modified=None if modified is None else microseconds_of(modified),
        )

        def put(writer: Writer) -> tuple[FileInfo, list[str]]:
            if draft.data is not None:
                writer.check_room(draft.size)
            return writer.put(container, name, draft, precondition)

        return await self._changes.make(put, blob)

    @override
    @observed("head")
    async def head(self, container: Container, name: FileName) -> FileInfo:
        stored = self._directory.lookup.find(container, name, FIND)
        if stored is None:
            stored = await self._reading.run(self._index.find, container, name, FIND)
        return stored.info

    @override
    @observed_opening("open")
    @asynccontextmanager
    async def open(
        self,
        container: Container,
        name: FileName,
        *,
        etag: str | None = None,
        byte_range: ByteRange | None = None,
    ) -> AsyncIterator[Content]:
        blob = OpenBlob(self._blobs)
        known = self._directory.lookup.find(container, name, FIND_WITH_DATA)
        inline = known is not None and known.data is not None
        try:
            if known is not None and inline:
                stored = known
            else:
                stored = await self._reading.run(self._open_version, container, name, blob, known)
                inline = stored.data is not None
            if etag is not None and etag != stored.info.etag:
                raise PreconditionFailed("The file has another version by now.")
            start, end = _bounds(stored.info, byte_range)
            if stored.data is not None:
                chunks, file = _in_memory(stored.data[start:end]), None
            else:
                chunks = blob.chunks(self._reading, start, end)
                file = FilePosition(blob.descriptor, start)
            async with aclosing(chunks):
                yield Content(stored.info, chunks, file)
        finally:
            if not inline:  # Then there may be a descriptor, or a thread that is about to get one.
                self._reading.detach(blob.close)

    @override
    async def direct_url(
        self, container: Container, name: FileName, *, lifetime: timedelta, disposition: str
    ) -> None:
        """There is none."""

    @override
    @observed("delete")
    async def delete(
        self, container: Container, name: FileName, *, precondition: Precondition = UNCONDITIONAL
    ) -> None:
        await self._changes.make(
            lambda writer: (None, writer.delete(container, name, precondition))
        )

    @override
    @observed_items("list")
    async def list(
        self, container: Container, query: ListQuery
    ) -> AsyncGenerator[Sequence[ListEntry], None]:
        start = listing.start_of(query)
        wanted = query.limit
        while start is not None and wanted != 0:
            size = PAGE_SIZE if wanted is None else min(PAGE_SIZE, wanted)
            entries, start = await self._reading.run(
                listing.page, self._index, container, query, start, size
            )
            if wanted is not None:
                wanted -= len(entries)
            if entries:
                yield entries

    @override
    @observed("usage")
    async def usage(self, container: Container) -> Usage:
        return await self._reading.run(self._index.usage, container)

    @override
    async def containers(self) -> AsyncIterator[Container]:
        after = ""
        while found := await self._reading.run(self._index.containers, after, PAGE_SIZE):
            for container in found:
                yield container
            after = found[-1].name

    @override
    @observed("claim")
    async def claim(self, container: Container) -> None:
        """Everything is ours."""

    @override
    async def kept_key(self, new: bytes | None = None) -> bytes:
        return await self._writing.run(kept_key, self._directory.path, new)

    @override
    @observed("ready")
    async def ready(self) -> None:
        await self._reading.run(self._directory.check)

    @override
    async def vitals(self) -> Mapping[str, float]:
        return await self._reading.run(self._directory.vitals)

    @override
    def proof(self, info: FileInfo) -> Proof:
        return Sha256Proof(info.sha256 or b"")

    @override
    def examine(self) -> AsyncIterator[Flaw]:
        return examine(self._directory, self._reading)

    @override
    @observed("sweep")
    async def sweep(self, *, dry: bool = False) -> Swept | None:
        return await self._sweep.run(dry=dry)

    async def back_up(self, target: Path, watcher: Watcher) -> Copied:
        """Copy the store as it is at one moment; see `backup.back_up`."""
        copied = await back_up(self._directory.path, target, watcher)
        await self.sweep()  # what nobody could remove meanwhile
        return copied

    @override
    async def aclose(self) -> None:
        await self._changes.drain()
        await self._writing.aclose()
        await self._changes.aclose()
        await self._reading.aclose()
        await asyncio.to_thread(self._directory.close)

    def _open_version(
        self, container: Container, name: FileName, blob: OpenBlob, known: Stored | None
    ) -> Stored:
        """Find the current version, and open its blob if it has one; ``known`` was it just now."""
        missing: str | None = None
        for _ in range(_MOST_LOOKUPS):
            stored, known = known or self._index.find(container, name, FIND_WITH_DATA), None
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


async def _in_memory(data: bytes) -> AsyncGenerator[bytes, None]:
    if data:
        yield data
