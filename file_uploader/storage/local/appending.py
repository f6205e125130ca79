"""One append to an upload's blob: gathered, written, hashed, made durable."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Protocol

from file_uploader.model import Appended, Upload

from .blobs import Blobs, GrowingBlob
from .rows import blob_of
from .threads import Threads
from .transfer import Batch, Intake, seen

CHECKPOINT_SIZE = 64 * 1024 * 1024
CHECKPOINT_SECONDS = 5.0
"""Bytes and seconds after which what has arrived is made durable and acknowledged."""


class Hash(Protocol):
    """One of `hashlib`'s."""

    def update(self, data: bytes, /) -> None:
        """Hash more bytes."""

    def digest(self) -> bytes:
        """The digest of all bytes so far."""


class Appending:
    """An append; `begin`, then `add` and `flush` any number of times, `end` in any case.

    ``hash`` is the running one of all that the blob has, where it is known.
    """

    def __init__(
        self,
        blobs: Blobs,
        intake: Intake,
        threads: Threads,
        upload: Upload,
        guard: Callable[[], None],
    ) -> None:
        self.blob_id = blob_of(upload) or ""
        self.hash: Hash | None = None
        self._held = upload.held
        self._offset = upload.offset
        self._blob = GrowingBlob(blobs, self.blob_id, upload.offset, guard)
        self._intake = intake
        self._threads = threads
        self._batch = Batch(intake)
        self._writing: asyncio.Future[None] | None = None
        self._acknowledged = upload.offset
        self._since = time.monotonic()

    async def begin(self) -> None:
        """Open the blob and cut it to the upload's offset. Raises `Superseded`."""
        await self._threads.run(self._blob.open)

    async def add(self, chunk: bytes) -> None:
        """Take more bytes; one write runs while the next is gathered."""
        self._batch.add(chunk)
        self._offset += len(chunk)
        if self._batch.size >= self._intake.enough:
            await self._write()

    def due(self, *, silent: bool) -> bool:
        """Whether it is time to make durable what has arrived."""
        size = self._offset - self._acknowledged
        late = time.monotonic() - self._since > CHECKPOINT_SECONDS
        return size >= CHECKPOINT_SIZE or (size > 0 and (silent or late))

    async def flush(self, *, last: bool) -> Appended:
        """Make durable what has arrived. Raises `Superseded` and `StorageError`."""
        if self._batch.size:
            await self._write()
        if self._writing is not None:
            await self._writing
        if self._offset > self._acknowledged:
            await self._threads.run(self._blob.sync)
        self._acknowledged = self._offset
        self._since = time.monotonic()
        return Appended(self._offset, self._held, last=last)

    def end(self) -> None:
        """Let go of the blob, once what a thread does with it has ended."""
        self._batch.clear()
        self._threads.detach(self._blob.close)

    async def _write(self) -> None:
        if self._writing is not None:
            await self._writing
        self._writing = self._threads.start(self._write_now, self._batch.take())
        self._writing.add_done_callback(seen)

    def _write_now(self, data: bytes) -> None:
        self._blob.write(data)
        if self.hash is not None:
            self.hash.update(data)
