"""Between the event loop and the disk: bodies on their way in, contents on their way out."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable

from file_uploader.storage.local.threads import Threads
from file_uploader.transfer.body import ClientBody
from file_uploader.transfer.work_queue import WorkQueue

from .blobs import Blobs, NewBlob, OpenBlob

INLINE = 16 * 1024
"""Bytes up to which a content is kept in the index."""

WRITE_SIZE = 256 * 1024
"""Bytes gathered for one write; fewer cost more in switches than in writing."""

READ_SIZE = 256 * 1024
"""Bytes read, and yielded, at once."""

GATHER_BUDGET = 64 * 1024 * 1024
"""Bytes in memory of all uploads of a process, from which on each writes what it has at once."""


class Intake:
    """Receives bodies, into memory if they are small and else into a blob."""

    def __init__(self, blobs: Blobs, threads: Threads) -> None:
        self.gathered = 0
        """Bytes that are in memory now and are not written yet."""
        self.blobs = blobs
        self.threads = threads

    @property
    def enough(self) -> int:
        """Bytes that one upload gathers before it writes them."""
        return WRITE_SIZE if self.gathered < GATHER_BUDGET else INLINE

    def writing(self, write: Callable[[bytes], None]) -> Writing:
        """What has a thread ``write`` what is gathered, in its order, while more comes."""
        return Writing(self, self.threads.queue(write, self._let_go))

    def _let_go(self, data: bytes) -> None:
        self.gathered -= len(data)

    async def receive(self, body: ClientBody) -> bytes | NewBlob:
        """Pull the whole body. A blob is durable then, and the caller's to keep or discard.

        Of a body that is known to be large nothing is pulled before it is known to fit.
        """
        if body.length is not None and body.length > INLINE:
            return await self._receive_blob(body, b"")
        chunks: list[bytes] = []
        async for chunk in body:
            chunks.append(chunk)
            if body.received > INLINE:
                return await self._receive_blob(body, b"".join(chunks))
        return b"".join(chunks)

    async def _receive_blob(self, body: ClientBody, begun: bytes) -> NewBlob:
        blob = self.blobs.new()
        try:
            await self.threads.run(blob.create, body.length)
            writing = self.writing(blob.write)
            try:
                if begun:
                    await writing.add(begun)
                async for chunk in body:
                    await writing.add(chunk)
                await writing.finish()
            finally:
                writing.clear()
            await self.threads.run(blob.sync)
        except BaseException:
            # Waits in its thread for the call that a cancellation left running.
            self.threads.detach(blob.discard)
            raise
        return blob


class Writing:
    """Chunks on their way to the disk, counted in the intake until they are there.

    `clear` in any case when it is over.
    """

    def __init__(self, intake: Intake, queue: WorkQueue[bytes]) -> None:
        self._intake = intake
        self._queue = queue
        self._chunks: list[bytes] = []
        self._size = 0

    async def add(self, chunk: bytes) -> None:
        """Put a chunk behind the others. Raises `StorageError` of an earlier one."""
        self._chunks.append(chunk)
        self._size += len(chunk)
        self._intake.gathered += len(chunk)
        if self._size >= self._intake.enough:
            await self._queue.put(self._take())
            if self._intake.gathered >= GATHER_BUDGET:
                await self._queue.finish()

    async def finish(self) -> None:
        """Write all that was added. Raises `StorageError`."""
        if self._size:
            await self._queue.put(self._take())
        await self._queue.finish()

    def clear(self) -> None:
        """Let go of what was added and is not on its way yet."""
        self._intake.gathered -= self._size
        self._take()

    def _take(self) -> bytes:
        data = b"".join(self._chunks)
        self._chunks, self._size = [], 0
        return data


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
