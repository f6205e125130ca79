"""One append to an upload: gathered into parts, sent, and what is left over kept as a tail.

Full parts go to S3 as parts of the multipart upload. Less than a part becomes an object of its
own, a tail, when the append ends, when its client falls silent and when it has waited for long.
The next full part begins with the tails. So every byte is sent once, or twice.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import groupby
from typing import Any

from typing_extensions import override

from file_uploader.errors import StorageError
from file_uploader.model.uploads import Appended
from file_uploader.storage.s3.buffers.budget import SLOT, Share
from file_uploader.storage.s3.buffers.part import Part
from file_uploader.storage.s3.buffers.sizes import MAX_PARTS, part_size
from file_uploader.storage.s3.read import streamed
from file_uploader.storage.s3.write.context import Context
from file_uploader.storage.s3.write.multipart import PartSender
from file_uploader.storage.uploads import CHECKPOINT_SECONDS, CHECKPOINT_SIZE, Sink

from .layout import WINDOW, StoredPart, Tail
from .stored import StoredUpload, delete

STALE = 10.0
"""Seconds that bytes may wait for their part to become full before they are kept as a tail."""

_TAILS_AT_ONCE = 16
"""Tails of up to a slot that are fetched at once."""


class S3Sink(Sink):
    """An append; `stop` comes last and in any case.

    Parts that are there are acknowledged after `CHECKPOINT_SECONDS`; that is also the least time
    between two tails that are written because the client is silent. ``begun`` is a multipart upload
    that this append has created, as long as no record is known to name it; ``told`` is whether one
    may.
    """

    def __init__(self, context: Context, stored: StoredUpload, share: Share) -> None:
        upload = stored.upload
        self._context = context
        self._stored = stored
        self._share = share
        self._length = upload.length
        self._layout = stored.layout.claimed(upload)
        self._named = len(self._layout.parts)
        self._offset = self._end = self._acknowledged = upload.offset
        self._gathered = Part(share)
        self._pending: dict[int, tuple[int, str | None]] = {}
        self._sender = PartSender(context.client)
        self.begun: str | None = None
        self.told = False
        self._objects = 0
        self._sized = min(self._number, MAX_PARTS)
        self._size = part_size(self._layout.length, self._sized)
        self._checked = time.monotonic()
        self._flushed = self._checked - CHECKPOINT_SECONDS
        self._merged: tuple[Tail, ...] = ()

    @override
    async def add(self, chunk: bytes) -> None:
        self._end += len(chunk)
        rest = memoryview(chunk)
        while rest:
            if self._sized != self._number:
                self._sized = self._number
                due = part_size(self._layout.length, self._sized)
                self._size = self._share.fitting(due, self._size, SLOT)
            rest = rest[await self._sender.write(self._gathered, rest[: self._missing]) :]
            if not self._missing:
                await self._send_part()

    @override
    async def checkpoint(self, *, silent: bool) -> Appended | None:
        now = time.monotonic()
        since = now - max(self._flushed, self._checked)
        if (silent and now - self._flushed >= CHECKPOINT_SECONDS) or since >= STALE:
            if self._gathered.size or self._pending or self._offset > self._acknowledged:
                return await self._flush()
        elif self._ready >= CHECKPOINT_SIZE or (
            self._ready and now - self._checked >= CHECKPOINT_SECONDS
        ):
            return self._appended()
        return None

    @override
    async def finish(self, *, final: bool) -> Appended:
        whole = self._end == self._length or (final and self._length is None)
        if not whole:
            return replace(await self._flush(), last=True)
        if self._gathered.size or self._layout.tails:
            await self._send_part()
        await self._sender.drain()
        return replace(self._appended(), last=True)

    @override
    def acknowledged(self) -> None:
        self.begun = None
        self._named = len(self._layout.parts)
        self._acknowledged = self._offset
        if self._merged:
            self._context.tasks.start(self._forget(self._merged))
        self._merged = ()

    async def drain(self) -> None:
        """Wait until nothing is on its way. Raises `StorageError`: then something may be."""
        await self._sender.drain()

    async def stop(self) -> None:
        """Let go of everything."""
        await self._sender.stop()
        self._gathered.release()

    @property
    def _number(self) -> int:
        """The number of the part that is being gathered."""
        return len(self._layout.parts) + len(self._pending) + 1

    @property
    def _missing(self) -> int:
        """Bytes until the part that is being gathered is full."""
        waiting = 0 if self._pending else self._layout.tail_size
        return self._size - waiting - self._gathered.size

    @property
    def _ready(self) -> int:
        """Bytes of the parts that are there, one after the other, and not acknowledged yet."""
        size = self._offset - self._acknowledged
        for number, (waiting, _) in self._pending.items():
            if number not in self._sender.etags:
                break
            size += waiting
        return size

    async def _flush(self) -> Appended:
        await self._sender.drain()
        self._take_pending()
        if self._gathered.size:
            part, self._gathered = self._gathered, Part(self._share)
            tail = Tail(part.size, self._new_name())
            address = self._stored.objects.address(tail.name)
            try:
                await self._context.client.call("put_object", part, **address)
            finally:
                part.release()
            self._layout = replace(self._layout, tails=(*self._layout.tails, tail))
            self._offset += tail.size
        self._flushed = time.monotonic()
        return self._appended()

    def _appended(self) -> Appended:
        self._take_pending()
        self.told = True
        self._checked = time.monotonic()
        return Appended(self._offset, self._layout.to_json())

    def _take_pending(self) -> None:
        """Enter the parts that are there into what is held, as far as none is missing before."""
        for number in list(self._pending):
            etag = self._sender.etags.get(number)
            if etag is None:
                return
            size, name = self._pending.pop(number)
            layout = self._layout
            part = StoredPart(size, None if name else etag, name)
            self._offset += size - layout.tail_size
            self._merged += layout.tails
            self._layout = replace(layout, parts=(*layout.parts, part), tails=())

    async def _send_part(self) -> None:
        """Begin to send what was gathered, with the tails before it, as a part."""
        number = self._number
        part, self._gathered = self._gathered, Part(self._share)
        try:
            if not self._pending and self._layout.tails:
                part = await self._with_tails(part)
            name, operation, request = await self._way(number)
        except BaseException:
            part.release()
            raise
        self._pending[number] = part.size, name
        await self._sender.start(number, part, operation, **request)

    async def _way(self, number: int) -> tuple[str | None, str, dict[str, Any]]:
        """How to send a part: as such, or as an object, where somebody may be late (`layout`).

        That is the object's name, and the request.
        """
        if not self._layout.contested < number <= self._named + WINDOW:
            name = self._new_name()
            return name, "put_object", self._stored.objects.address(name)
        if self._layout.multipart is None:
            self.begun = await self._stored.begin()
            self.told = False
            self._layout = replace(self._layout, multipart=self.begun)
        request = {"UploadId": self._layout.multipart, "PartNumber": number}
        return None, "upload_part", {**self._stored.address, **request}

    async def _with_tails(self, gathered: Part) -> Part:
        part = Part(self._share)
        try:
            async for data in self._tail_bytes():
                await part.add(data)
        except BaseException:
            part.release()
            raise
        part.extend(gathered)
        return part

    async def _tail_bytes(self) -> AsyncIterator[bytes]:
        """The bytes of the tails; small ones are fetched several at a time."""
        client, address = self._context.client, self._stored.objects.address
        for small, run in groupby(self._layout.tails, lambda tail: tail.size <= SLOT):
            tails = list(run)
            if small:
                for start in range(0, len(tails), _TAILS_AT_ONCE):
                    some = tails[start : start + _TAILS_AT_ONCE]
                    fetching = (client.fetch(**address(tail.name)) for tail in some)
                    for answer in await asyncio.gather(*fetching):
                        yield answer["Body"]
            else:
                for tail in tails:
                    async with streamed(client, address(tail.name), tail.size) as chunks:
                        async for data in chunks:
                            yield data

    async def _forget(self, merged: Sequence[Tail]) -> None:
        """Remove tails that a part has now; those that stay go with all the rest in the end."""
        with suppress(StorageError):
            objects = self._stored.objects
            await delete(self._context, objects, [tail.name for tail in merged])

    def _new_name(self) -> str:
        """The name of an object that only this append writes."""
        self._objects += 1
        return f"{self._layout.generation}.{self._objects}"
