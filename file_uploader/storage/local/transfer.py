"""Between the event loop and the disk: bodies on their way in, contents on their way out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

from file_uploader.body import ClientBody

from .blobs import Blobs, NewBlob, OpenBlob
from .threads import Threads

INLINE = 16 * 1024
"""Bytes up to which a content is kept in the index."""

WRITE_SIZE = 256 * 1024
"""Bytes gathered for one write; fewer cost more in switches than in writing."""

READ_SIZE = 256 * 1024
"""Bytes read, and yielded, at once."""

GATHER_BUDGET = 64 * 1024 * 1024
"""Bytes gathered by all uploads of a process, from which on each writes what it has at once."""


class Intake:
    """Receives bodies, into memory if they are small and else into a blob."""

    def __init__(self, blobs: Blobs, threads: Threads) -> None:
        self.gathered = 0
        """Bytes that are in memory now and wait to be written."""
        self._blobs = blobs
        self._threads = threads

    @property
    def enough(self) -> int:
        """Bytes that one upload gathers before it writes them."""
        return WRITE_SIZE if self.gathered < GATHER_BUDGET else INLINE

    async def receive(self, body: ClientBody) -> bytes | NewBlob:
        """Pull the whole body. A blob is durable then, and the caller's to keep or discard."""
        batch = Batch(self)
        try:
            async for chunk in body:
                batch.add(chunk)
                if batch.size > INLINE:
                    return await self._receive_blob(body, batch)
            return batch.take()
        finally:
            batch.clear()

    async def _receive_blob(self, body: ClientBody, batch: Batch) -> NewBlob:
        blob = self._blobs.new()
        try:
            await self._threads.run(blob.create, body.length)
            await self._write(body, batch, blob)
            await self._threads.run(blob.sync)
        except BaseException:
            # Waits in its thread for the call that a cancellation left running.
            self._threads.detach(blob.discard)
            raise
        return blob

    async def _write(self, body: ClientBody, batch: Batch, blob: NewBlob) -> None:
        """Write the batch and the rest of the body; one write runs while the next is gathered."""
        writing: asyncio.Future[None] | None = None
        async for chunk in body:
            batch.add(chunk)
            if batch.size >= self.enough:
                if writing is not None:
                    await writing
                writing = self._threads.start(blob.write, [batch.take()])
                writing.add_done_callback(seen)
        if writing is not None:
            await writing
        if batch.size:
            await self._threads.run(blob.write, [batch.take()])


class Batch:
    """Chunks that wait to be written, counted in the intake as long as they do; ``size`` bytes."""

    def __init__(self, intake: Intake) -> None:
        self.size = 0
        self._chunks: list[bytes] = []
        self._intake = intake

    def add(self, chunk: bytes) -> None:
        """Put a chunk behind the others."""
        self._chunks.append(chunk)
        self.size += len(chunk)
        self._intake.gathered += len(chunk)

    def take(self) -> bytes:
        """All that waits, in one piece."""
        data = b"".join(self._chunks)
        self.clear()
        return data

    def clear(self) -> None:
        """Let go of what waits."""
        self._intake.gathered -= self.size
        self.size = 0
        self._chunks = []


def seen(future: asyncio.Future[None]) -> None:
    """Take note of a failure that nobody waits for any more, because the body broke as well."""
    if not future.cancelled():
        future.exception()


async def blob_chunks(
    threads: Threads, blob: OpenBlob, start: int, end: int
) -> AsyncGenerator[bytes, None]:
    """The bytes of an open blob from ``start`` up to but not including ``end``."""
    while start < end:
        size = min(READ_SIZE, end - start)
        yield await threads.run(blob.read, start, size)
        start += size


async def data_chunks(data: bytes) -> AsyncGenerator[bytes, None]:
    """A content that is in memory."""
    if data:
        yield data
