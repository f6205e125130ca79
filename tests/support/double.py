"""A store over a dict, in which a test can make anything happen at any step."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from urllib.parse import quote, urlencode

from file_uploader.errors import NoSuchFile, PreconditionFailed
from file_uploader.model import storable
from file_uploader.model.conditions import UNCONDITIONAL, Precondition
from file_uploader.model.files import ByteRange, FileInfo, Metadata, Usage
from file_uploader.model.listing import ListedFile, ListedPrefix, ListEntry, ListQuery
from file_uploader.model.names import Container, FileName
from file_uploader.storage.base import Content
from file_uploader.storage.upkeep import Flaw, Proof, Sha256Proof, Swept
from file_uploader.transfer.body import ClientBody
from tests.support.double_uploads import UploadsDouble
from tests.support.listing import expected_entries

Hook = Callable[[], Awaitable[None]]

EPOCH = datetime(2024, 2, 29, 12, 30, 15, 250_000, tzinfo=UTC)
"""When the first file is written; each further write is a second later."""


def raise_(error: BaseException, *, at: int = 1) -> Hook:
    """A hook that raises the error, from its ``at``-th call on."""
    calls = 0

    async def hook() -> None:
        nonlocal calls
        calls += 1
        if calls >= at:
            raise error

    return hook


class StorageDouble:
    """A `file_uploader.storage.base.Storage` in memory.

    ``before[step]`` runs first at each of the steps: the methods by their names, ``commit``
    (between the last byte of a put and its effect), ``chunk`` (before each chunk of a download),
    ``page`` (before each page of a list). ``calls`` counts the steps. ``direct`` is where files
    can be had without us.
    """

    def __init__(self, *, page_size: int = 1000, chunk_size: int = 64 * 1024) -> None:
        self.files: dict[Container, dict[str, tuple[FileInfo, bytes]]] = {}
        self.direct: str | None = None
        self.before: dict[str, Hook] = {}
        self.calls: Counter[str] = Counter()
        self.page_size = page_size
        self.chunk_size = chunk_size
        self.now = EPOCH
        self.knows_sha256 = True
        self.countable = True
        self.open_files = 0
        self.key = b"k" * 32
        self.closed = False
        self.swept = Swept()
        self.uploads = UploadsDouble(self, self._step)

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
        del modified
        storable.check(name, metadata)
        await self._step("put")
        data = b"".join([chunk async for chunk in body])
        await self._step("commit")
        precondition.check(self.current(container, name))
        return self.store(container, name.value, data, metadata)

    def store(
        self, container: Container, name: str, data: bytes, metadata: Metadata | None = None
    ) -> FileInfo:
        """Put a file there without a client."""
        sha256 = hashlib.sha256(data).digest()
        info = FileInfo(
            name=FileName(name),
            size=len(data),
            etag=sha256.hex(),
            modified=self.now,
            metadata=metadata or Metadata(),
            sha256=sha256 if self.knows_sha256 else None,
        )
        self.files.setdefault(container, {})[name] = (info, data)
        self.now += timedelta(seconds=1)
        return info

    async def head(self, container: Container, name: FileName) -> FileInfo:
        await self._step("head")
        return self._existing(container, name)[0]

    @asynccontextmanager
    async def open(
        self,
        container: Container,
        name: FileName,
        *,
        etag: str | None = None,
        byte_range: ByteRange | None = None,
    ) -> AsyncIterator[Content]:
        await self._step("open")
        info, data = self._existing(container, name)
        if etag is not None and etag != info.etag:
            raise PreconditionFailed("The file has another version by now.")
        if byte_range is not None:
            assert byte_range.end < info.size, "a range that is not within the file"
            data = data[byte_range.start : byte_range.end + 1]
        self.open_files += 1
        try:
            yield Content(info, self._chunks(data))
        finally:
            self.open_files -= 1

    async def direct_url(
        self, container: Container, name: FileName, *, lifetime: timedelta, disposition: str
    ) -> str | None:
        if self.direct is None:
            return None
        seconds = lifetime.total_seconds()
        return f"{self.direct}/{quote(name.value)}?{urlencode({str(seconds): disposition})}"

    async def delete(
        self,
        container: Container,
        name: FileName,
        *,
        precondition: Precondition = UNCONDITIONAL,
    ) -> None:
        await self._step("delete")
        precondition.check(self.current(container, name))
        self._existing(container, name)
        del self.files[container][name.value]

    async def list(
        self, container: Container, query: ListQuery
    ) -> AsyncIterator[Sequence[ListEntry]]:
        await self._step("list")
        files = self.files.get(container, {})
        entries: list[ListEntry] = []
        for entry in expected_entries(files, query):
            name = entry.name.decode()
            if entry.is_prefix:
                entries.append(ListedPrefix(name))
            else:
                info = files[name][0]
                entries.append(ListedFile(name, info.size, info.etag, info.modified))
        for start in range(0, len(entries), self.page_size):
            await self._step("page")
            yield entries[start : start + self.page_size]

    async def usage(self, container: Container) -> Usage | None:
        await self._step("usage")
        if not self.countable:
            return None
        files = self.files.get(container, {}).values()
        return Usage(len(files), sum(info.size for info, _ in files))

    async def containers(self) -> AsyncIterator[Container]:
        for container in sorted(self.files, key=lambda container: container.name):
            yield container

    async def claim(self, container: Container) -> None:
        del container
        await self._step("claim")

    async def kept_key(self, new: bytes | None = None) -> bytes:
        del new
        await self._step("kept_key")
        return self.key

    async def vitals(self) -> dict[str, float]:
        await self._step("vitals")
        return {"disk_free_bytes": 1.0}

    async def ready(self) -> None:
        await self._step("ready")

    def proof(self, info: FileInfo) -> Proof:
        return Sha256Proof(info.sha256 or b"")

    async def examine(self) -> AsyncIterator[Flaw]:
        nothing: Sequence[Flaw] = ()
        for flaw in nothing:
            yield flaw

    async def sweep(self, *, dry: bool = False) -> Swept:
        del dry
        await self._step("sweep")
        return self.swept

    async def aclose(self) -> None:
        await self._step("aclose")
        self.closed = True

    async def _step(self, step: str) -> None:
        self.calls[step] += 1
        if hook := self.before.get(step):
            await hook()

    async def _chunks(self, data: bytes) -> AsyncIterator[bytes]:
        for start in range(0, len(data), self.chunk_size):
            await self._step("chunk")
            yield data[start : start + self.chunk_size]

    def current(self, container: Container, name: FileName) -> FileInfo | None:
        found = self.files.get(container, {}).get(name.value)
        return found[0] if found else None

    def _existing(self, container: Container, name: FileName) -> tuple[FileInfo, bytes]:
        found = self.files.get(container, {}).get(name.value)
        if found is None:
            raise NoSuchFile("There is no file of this name.")
        return found
