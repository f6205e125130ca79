"""What a store does for uploads in several requests (promise 6 of `file_uploader.storage.base`).

A store writes the bytes of an append into a `Sink` of its own; `appended` is how, on every store.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Protocol

from file_uploader.errors import BodyError
from file_uploader.model.names import Container
from file_uploader.model.uploads import Appended, Upload
from file_uploader.transfer.body import ClientBody

from .upkeep import Flaw

PAUSE = 1.0
"""Seconds of a client's silence after which what has arrived is made durable."""

CHECKPOINT_SIZE = 64 * 1024 * 1024
CHECKPOINT_SECONDS = 5.0
"""Bytes and seconds after which what has arrived is acknowledged."""


class UploadStorage(Protocol):
    """Records of uploads, each replaced by compare-and-swap only, and the bytes that they name.

    The rules of who may append when are not here but in `file_uploader.uploads.rules`; see
    `file_uploader.model.uploads.Upload` for what a record says.
    """

    async def create(self, container: Container, upload: Upload) -> Upload:
        """Write down a new upload and make ready for its bytes; return it with its version.

        Raises `ResumableUnsupported`, `InvalidName` and `InvalidHeader` for what may not be stored
        (`file_uploader.model.storable`), and what `check_fits` raises of its length.
        """
        ...

    async def load(self, container: Container, upload_id: str) -> Upload:
        """The record as it is now, whatever its state. Raises `NoSuchUpload`."""
        ...

    async def swap(self, container: Container, upload: Upload) -> Upload:
        """Replace the record, durably, if it still has ``upload.version``; return the new one.

        A reply that was lost on the way is no failure. Raises `Superseded` where the record is
        another one by now, and `NoSuchUpload` where there is none.
        """
        ...

    def list(self, container: Container) -> AsyncIterator[Upload | Flaw]:
        """The container's records in the order of their ids, which is that of their creation.

        One that cannot be read is a flaw, and ends nothing.
        """
        ...

    async def check_fits(self, upload: Upload, more: int) -> None:
        """Raise what would end an append that brings ``more`` bytes, as far as that is known now.

        That is `StorageFull`, and `FileTooLarge` where they, or ``upload.length``, are over what
        the store can hold. `create` and `Storage.put` look for the same before they pull anything.
        """
        ...

    def append(
        self, container: Container, upload: Upload, body: ClientBody, *, final: bool
    ) -> AsyncGenerator[Appended, None]:
        """Store a body from ``upload.offset`` on; the caller has claimed ``upload.generation``.

        Yields whenever more of it is durable, after 64 MiB or some seconds at the latest, and with
        ``last`` once, when nothing is written any more; the caller swaps that into the record
        before it goes on. A body that breaks (`BodyError`) is kept as far as it came: the error
        comes after the ``last``. Of a body that is all or nothing and breaks, and with any other
        error of the body, nothing more is kept. The content ends with this body if ``final``, or
        where it reaches ``upload.length``.

        Nothing is being written any more when the iteration has ended, in whichever way; nor is
        anything that was written ever mixed with what a later generation writes. Raises
        `StorageError`, `Overloaded` and `FileTooLarge` (over what the store can hold).
        """
        ...

    async def complete(self, container: Container, upload: Upload) -> Upload:
        """Make the file of an upload that is `UploadState.COMPLETING`; return the record after it.

        Any number of processes may do it at once, and again: the file is written once. What the
        plan demands is checked as part of it: promises 1, 2 and 5 hold as for `Storage.put`. A
        partial upload is made ready to be a source of others. The record afterwards is
        `UploadState.COMPLETE`, with its ``result`` and the ``expires`` that ``upload`` has here.

        Raises `PreconditionFailed`, `DigestMismatch`, `NoSuchUpload` (for a source),
        `FileTooLarge`, `InvalidName` and `InvalidHeader` where it never can be done, and
        `StorageError` or `Overloaded` where it can be tried again.
        """
        ...

    async def remove(self, container: Container, upload: Upload) -> None:
        """Remove the record of an upload that is `UploadState.CANCELLED`, and all that it holds."""
        ...


class Sink(Protocol):
    """Where the bytes of one append go."""

    async def add(self, chunk: bytes) -> None:
        """Take more bytes. Raises `StorageError`, and `FileTooLarge` past what a store holds."""
        ...

    async def checkpoint(self, *, silent: bool) -> Appended | None:
        """What is durable by now, if it is time to say so; ``silent``: the client is."""
        ...

    async def finish(self, *, final: bool) -> Appended:
        """Make durable all that was added; the content ends with it if ``final``."""
        ...

    def acknowledged(self) -> None:
        """Note that the record says what was returned last."""
        ...


async def appended(sink: Sink, body: ClientBody, *, final: bool) -> AsyncGenerator[Appended, None]:
    """Store a body: what `UploadStorage.append` yields, and when it raises what."""
    try:
        async with aclosing(_with_pauses(body)) as chunks:
            async for chunk in chunks:
                await sink.add(chunk)
                if body.all_or_nothing:
                    continue
                durable = await sink.checkpoint(silent=not chunk)
                if durable is not None:
                    yield durable
                    sink.acknowledged()
    except BodyError:
        if not body.all_or_nothing:
            yield await sink.finish(final=False)
            sink.acknowledged()
        raise
    yield await sink.finish(final=final)
    sink.acknowledged()


async def _with_pauses(body: ClientBody) -> AsyncGenerator[bytes, None]:
    """The chunks of a body, and ``b""`` for each `PAUSE` without one.

    So whoever stores a body can put in safety what has arrived before its client went silent. A
    chunk is pulled once the one before is done with: what is ahead of a busy store waits in the
    connection alone, so that many bodies at once stay small.
    """
    pulling = asyncio.create_task(body.__anext__())
    try:
        while True:
            done, _ = await asyncio.wait((pulling,), timeout=PAUSE)
            if not done:
                yield b""
                continue
            yield pulling.result()
            pulling = asyncio.create_task(body.__anext__())
    except StopAsyncIteration:
        return
    finally:
        if pulling.cancel():
            await asyncio.wait((pulling,))
        if not pulling.cancelled():
            pulling.exception()  # seen, also where nobody comes to hear of it
