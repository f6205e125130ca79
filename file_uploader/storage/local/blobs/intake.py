"""Between the event loop and the disk: bodies on their way in."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing

from file_uploader.storage.local.failures import translated
from file_uploader.storage.local.threads import Threads
from file_uploader.transfer.body import ClientBody
from file_uploader.transfer.work_queue import WorkQueue

from .blobs import Blobs
from .writable import WritableBlob

INLINE = 16 * 1024
"""Bytes up to which a content is kept in the index."""

WRITE_SIZE = 256 * 1024
"""Bytes gathered for one write; fewer cost more in switches than in writing."""

GATHER_BUDGET = 64 * 1024 * 1024
"""Bytes in memory of all uploads of a process, from which on each writes what it has at once."""


class Intake:
    """Receives bodies, into memory if they are small and else into a blob."""

    def __init__(self, blobs: Blobs, threads: Threads) -> None:
        self.gathered = 0
        """Bytes that are in memory now and are not written yet."""
        self.blobs = blobs
        self.threads = threads

    async def receive(self, body: ClientBody) -> bytes | WritableBlob:
        """Pull the whole body. A blob is durable then, and the caller's to keep or discard.

        Of a body that is known to be large nothing is pulled before it is known to fit.
        """
        begun: list[bytes] = []
        if body.length is None or body.length <= INLINE:
            async for chunk in body:
                begun.append(chunk)
                if body.received > INLINE:
                    break
            else:
                return b"".join(begun)
        async with self.new_blob(body.length) as blob:
            with closing(Gatherer(self, blob)) as gatherer:
                for chunk in begun:
                    await gatherer.add(chunk)
                async for chunk in body:
                    await gatherer.add(chunk)
                await gatherer.finish()
        return blob

    @asynccontextmanager
    async def new_blob(self, length: int | None) -> AsyncIterator[WritableBlob]:
        """A blob to be filled in this block; it is durable then, or discarded if that failed."""
        blob = WritableBlob(self.blobs, self.blobs.new_id(), length)
        try:
            await self.threads.run(blob.create)
            yield blob
            await self.threads.run(blob.sync)
        except BaseException:
            # Waits in its thread for the call that a cancellation left running.
            self.threads.detach(blob.discard)
            raise


class Gatherer:
    """Gathers the chunks of one body, and has a thread write them to a blob while more come.

    They count in the intake until they are written. `close` in any case when it is over.
    """

    def __init__(self, intake: Intake, blob: WritableBlob) -> None:
        self._intake = intake
        self._queue = WorkQueue(
            lambda data: translated(blob.write, data), intake.threads.run, self._written
        )
        self._chunks: list[bytes] = []
        self._size = 0

    async def add(self, chunk: bytes) -> None:
        """Put a chunk behind the others. Raises `StorageError` of an earlier one."""
        self._chunks.append(chunk)
        self._size += len(chunk)
        self._intake.gathered += len(chunk)
        enough = WRITE_SIZE if self._intake.gathered < GATHER_BUDGET else INLINE
        if self._size >= enough:
            await self._pass_on()
            if self._intake.gathered >= GATHER_BUDGET:
                await self._queue.finish()

    async def finish(self) -> None:
        """Write all that was added. Raises `StorageError`."""
        if self._size:
            await self._pass_on()
        await self._queue.finish()

    def close(self) -> None:
        """Let go of what was added and is not on its way yet."""
        self._intake.gathered -= self._size
        self._chunks, self._size = [], 0

    async def _pass_on(self) -> None:
        data = b"".join(self._chunks)
        self._chunks, self._size = [], 0
        await self._queue.put(data)

    def _written(self, data: bytes) -> None:
        self._intake.gathered -= len(data)
