"""A claimed piece on its way into the store, and what each failure of it leaves."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from contextlib import aclosing
from dataclasses import dataclass, replace

from file_uploader.errors import (
    DigestMismatch,
    FileTooLarge,
    FileUploaderError,
    InconsistentLength,
    NoSuchUpload,
    PieceMismatch,
    StorageError,
    Superseded,
)
from file_uploader.model.files import TransferLimits
from file_uploader.model.names import Container
from file_uploader.model.uploads import Upload, UploadState
from file_uploader.storage.uploads import UploadStorage
from file_uploader.transfer.body import ClientBody

from .append import Append, Turn
from .ends import Ends

WATCH = 1.0
"""Seconds between looks at the record while a client is silent."""

_log = logging.getLogger(__name__)


@dataclass(kw_only=True)
class Receiving:
    """One piece of an ``upload`` that this ``request`` has claimed.

    ``known`` is the upload's length as it was before: of a piece that is not the announced one, not
    even the length counts that came with it.
    """

    storage: UploadStorage
    ends: Ends
    container: Container
    upload: Upload
    request: Append
    turn: Turn
    limits: TransferLimits
    known: int | None

    def __post_init__(self) -> None:
        limits = self.limits.within(self.upload.length)
        room = None if limits.max_size is None else limits.max_size - self.upload.offset
        self.body = ClientBody(
            self.turn,
            length=self.request.piece.length,
            limits=replace(limits, max_size=room),
            expected=self.request.piece.expected,
            algorithms=(),
        )

    async def run(self) -> Upload:
        """Store the piece; return the upload after it, no longer claimed."""
        watching = asyncio.create_task(self._watch())
        try:
            await self._store()
        except FileUploaderError as error:
            told = await self._leave(error)
            if told is error:
                raise
            raise told from None
        finally:
            watching.cancel()
            await asyncio.wait([watching])
        if self.request.final and self.upload.state is UploadState.OPEN:
            raise InconsistentLength(
                f"The upload was said to have {self.upload.length} bytes and to end with byte"
                f" {self.upload.offset}; nothing is lost: send the rest."
            )
        return self.upload

    async def _store(self) -> None:
        final = self.request.final is True
        storing = self.storage.append(self.container, self.upload, self.body, final=final)
        async with aclosing(storing):
            async for stored in storing:
                record = replace(
                    self.upload,
                    offset=stored.offset,
                    held=stored.held,
                    claimed=not stored.last,
                )
                if stored.last and self.request.completes(self.upload, stored, self.body):
                    record = replace(record, state=UploadState.COMPLETING, length=stored.offset)
                self.upload = await self.storage.swap(self.container, record)
                if self.request.acknowledge is not None:
                    await self.request.acknowledge(self.upload)

    async def _leave(self, error: FileUploaderError) -> FileUploaderError:
        """Leave the upload as a failure of its piece has it, and return what is told of that."""
        upload = self.upload
        came = self.request.offset + self.body.received
        if isinstance(error, FileTooLarge) and upload.length is not None and came > upload.length:
            # More than the upload has: it is worth nothing. With more than fits, it stays as it is.
            await self.ends.forget(self.container, upload)
            return InconsistentLength(
                f"More came than the {upload.length} bytes of this upload; it was cancelled."
            )
        if isinstance(error, NoSuchUpload):
            # The store has nothing of the upload any more: then we have not, either.
            _log.warning("the store has lost upload %s", upload.id)
            with contextlib.suppress(FileUploaderError):
                await self.ends.forget(self.container, upload)
        elif isinstance(error, DigestMismatch):
            # It is not the announced piece: nothing of it counts.
            await self._release(replace(upload, length=self.known))
            return PieceMismatch(
                "The digest of this piece is not the announced one; nothing of the piece was kept."
                " Send it again."
            )
        elif not isinstance(error, StorageError):
            # The client is gone, or another request came. What is kept may be all there is.
            await self._release(upload)
            if upload.state is UploadState.COMPLETING:
                with contextlib.suppress(FileUploaderError):
                    await self.ends.complete(self.container, upload)
        # After a failure of the store, what was on its way may still arrive. Whoever is next has to
        # know that: no release.
        return error

    async def _release(self, upload: Upload) -> None:
        """Say that nothing is being written any more."""
        if not upload.claimed:
            return
        with contextlib.suppress(Superseded, NoSuchUpload, StorageError):
            await self.storage.swap(self.container, replace(upload, claimed=False))

    async def _watch(self) -> None:
        """Interrupt an append whose client is silent once another generation has taken over."""
        generation, seen = self.upload.generation, -1
        while True:
            received = self.body.received
            if received == seen:
                with contextlib.suppress(StorageError):
                    try:
                        current = await self.storage.load(self.container, self.upload.id)
                    except NoSuchUpload:
                        current = None
                    if current is None or current.generation != generation:
                        self.turn.interrupt()
                        return
            seen = received
            await asyncio.sleep(WATCH)
