"""A claimed piece on its way into the store, and what each failure of it leaves."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from contextlib import aclosing
from dataclasses import replace

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

from .append import Append, Turn, appended
from .ends import Ends

WATCH = 1.0
"""Seconds between looks at the record while a client is silent."""

_log = logging.getLogger(__name__)


class Receiving:
    """One piece of an ``upload`` that this ``request`` has claimed.

    ``known`` is the upload's length as it was before: of a piece that is not the announced one, not
    even the length counts that came with it.
    """

    def __init__(
        self,
        storage: UploadStorage,
        ends: Ends,
        container: Container,
        upload: Upload,
        request: Append,
        *,
        turn: Turn,
        limits: TransferLimits,
        known: int | None,
    ) -> None:
        self._storage = storage
        self._ends = ends
        self._container = container
        self._upload = upload
        self._request = request
        self._turn = turn
        self._known = known
        limits = limits.within(upload.length)
        room = None if limits.max_size is None else limits.max_size - upload.offset
        self._body = ClientBody(
            turn,
            length=request.piece.length,
            limits=replace(limits, max_size=room),
            expected=request.piece.expected,
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
        if self._request.final and self._upload.state is UploadState.OPEN:
            raise InconsistentLength(
                f"The upload was said to have {self._upload.length} bytes and to end with byte"
                f" {self._upload.offset}; nothing is lost: send the rest."
            )
        return self._upload

    async def _store(self) -> None:
        final = self._request.final is True
        storing = self._storage.append(self._container, self._upload, self._body, final=final)
        async with aclosing(storing):
            async for stored in storing:
                complete = stored.last and self._request.completes(self._upload, stored, self._body)
                self._upload = await self._storage.swap(
                    self._container, appended(self._upload, stored, complete=complete)
                )
                await self._request.acknowledge(self._upload)

    async def _leave(self, error: FileUploaderError) -> FileUploaderError:
        """Leave the upload as a failure of its piece has it, and return what is told of that."""
        upload = self._upload
        came = self._request.offset + self._body.received
        if isinstance(error, FileTooLarge) and upload.length is not None and came > upload.length:
            # More than the upload has: it is worth nothing. With more than fits, it stays as it is.
            await self._ends.forget(self._container, upload)
            return InconsistentLength(
                f"More came than the {upload.length} bytes of this upload; it was cancelled."
            )
        if isinstance(error, NoSuchUpload):
            # The store has nothing of the upload any more: then we have not, either.
            _log.warning("the store has lost upload %s", upload.id)
            with contextlib.suppress(FileUploaderError):
                await self._ends.forget(self._container, upload)
        elif isinstance(error, DigestMismatch):
            # It is not the announced piece: nothing of it counts.
            await self._release(replace(upload, length=self._known))
            return PieceMismatch(
                "The digest of this piece is not the announced one; nothing of the piece was kept."
                " Send it again."
            )
        elif not isinstance(error, StorageError):
            # The client is gone, or another request came. What is kept may be all there is.
            await self._release(upload)
            if upload.state is UploadState.COMPLETING:
                with contextlib.suppress(FileUploaderError):
                    await self._ends.complete(self._container, upload)
        # After a failure of the store, what was on its way may still arrive. Whoever is next has to
        # know that: no release.
        return error

    async def _release(self, upload: Upload) -> None:
        """Say that nothing is being written any more."""
        if not upload.claimed:
            return
        with contextlib.suppress(Superseded, NoSuchUpload, StorageError):
            await self._storage.swap(self._container, replace(upload, claimed=False))

    async def _watch(self) -> None:
        """Interrupt an append whose client is silent once another generation has taken over."""
        generation, seen = self._upload.generation, -1
        while True:
            received = self._body.received
            if received == seen:
                with contextlib.suppress(StorageError):
                    try:
                        current = await self._storage.load(self._container, self._upload.id)
                    except NoSuchUpload:
                        current = None
                    if current is None or current.generation != generation:
                        self._turn.interrupt()
                        return
            seen = received
            await asyncio.sleep(WATCH)
