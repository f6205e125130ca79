"""One append to an upload's blob: gathered, written, hashed, made durable."""

from __future__ import annotations

import time
from collections.abc import Callable

from typing_extensions import override

from file_uploader.model.uploads import Appended, Upload
from file_uploader.storage.local.blobs.intake import Gatherer, Intake
from file_uploader.storage.local.blobs.writable import WritableBlob
from file_uploader.storage.local.index.rows import blob_of
from file_uploader.storage.uploads import CHECKPOINT_SECONDS, CHECKPOINT_SIZE, Sink
from file_uploader.transfer.hashing import Hash, Hashing


class BlobSink(Sink):
    """Where the bytes of an append go; `begin` comes first, `end` last and in any case.

    ``running`` is the hash of all that the blob has, where it is known.
    """

    def __init__(
        self, intake: Intake, upload: Upload, guard: Callable[[], None], running: Hash | None
    ) -> None:
        blob_id = blob_of(upload) or ""
        self._blob = WritableBlob(
            intake.blobs, blob_id, upload.length, position=upload.offset, guard=guard
        )
        self._threads = intake.threads
        self._gatherer = Gatherer(intake, self._blob)
        self._hashing = Hashing({} if running is None else {"sha256": running})
        self._held = upload.held
        self._offset = self._acknowledged = upload.offset
        self._since = time.monotonic()

    async def begin(self) -> None:
        """Open the blob and cut it to the upload's offset. Raises `Superseded`."""
        await self._threads.run(self._blob.resume)

    @override
    async def add(self, chunk: bytes) -> None:
        """They are written while more come."""
        self._offset += len(chunk)
        await self._hashing.update(chunk)
        await self._gatherer.add(chunk)

    @override
    async def checkpoint(self, *, silent: bool) -> Appended | None:
        """Raises `Superseded` and `StorageError`."""
        size = self._offset - self._acknowledged
        late = time.monotonic() - self._since > CHECKPOINT_SECONDS
        due = size >= CHECKPOINT_SIZE or (size > 0 and (silent or late))
        return await self._flush(last=False) if due else None

    @override
    async def finish(self, *, final: bool) -> Appended:
        """A blob needs not to be told where its content ends. Raises as `checkpoint` does."""
        del final
        return await self._flush(last=True)

    @override
    def acknowledged(self) -> None:
        """A blob needs not to be told that either."""

    async def _flush(self, *, last: bool) -> Appended:
        await self._gatherer.finish()
        await self._hashing.finish()
        if self._offset > self._acknowledged:
            await self._threads.run(self._blob.sync)
        self._acknowledged = self._offset
        self._since = time.monotonic()
        return Appended(self._offset, self._held, last=last)

    def end(self) -> None:
        """Let go of the blob, once what a thread does with it has ended."""
        self._gatherer.close()
        self._threads.detach(self._blob.close)
