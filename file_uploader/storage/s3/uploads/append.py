"""One append to an upload: gathered into parts, sent, and what is left over kept as a tail.

Full parts go to S3 as parts of the multipart upload. Less than a part becomes an object of its
own, a tail, when the append ends, when its client falls silent and when it has waited for long.
The next full part begins with the tails. So every byte is sent once, or twice.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import replace

from typing_extensions import override

from file_uploader.model.uploads import Appended, Upload
from file_uploader.storage.s3.buffers.budget import SLOT, Share
from file_uploader.storage.s3.buffers.part import Part
from file_uploader.storage.s3.buffers.sizes import MAX_PARTS, upload_part_size
from file_uploader.storage.s3.client.client import Client
from file_uploader.storage.s3.keys import Ledger
from file_uploader.storage.s3.read import streamed
from file_uploader.storage.s3.write.multipart import Address, send_part
from file_uploader.storage.s3.write.sender import PartSender, Send
from file_uploader.storage.uploads import CHECKPOINT_SECONDS, CHECKPOINT_SIZE, Sink

from .layout import WINDOW, StoredPart, Tail, UploadLayout, contested_by

STALE = 10.0
"""Seconds that bytes may wait for their part to become full before they are kept as a tail."""

_TAILS_AT_ONCE = 16
"""Tails of up to a slot that are fetched at once."""

Begin = Callable[[], Awaitable[str]]
"""Creates the multipart upload and returns its id."""


class S3Sink(Sink):
    """An append; `stop` comes last and in any case.

    Parts that are there are acknowledged after `CHECKPOINT_SECONDS`; that is also the least time
    between two tails that are written because the client is silent. ``target`` is the object that
    the multipart upload makes. ``begun`` is one that this append has created, as long as no record
    is known to name it; ``told`` is whether one may. ``forget`` takes tails that nothing needs now.
    """

    def __init__(
        self,
        client: Client,
        ledger: Ledger,
        upload: Upload,
        share: Share,
        *,
        target: Address,
        begin: Begin,
        forget: Callable[[Sequence[Tail]], None],
    ) -> None:
        held = UploadLayout.of(upload)
        self._client = client
        self._ledger = ledger
        self._share = share
        self._target = target
        self._begin = begin
        self._forget = forget
        self._length = upload.length
        self._held = replace(
            held, contested=contested_by(upload, held), generation=upload.generation
        )
        self._named = len(held.parts)
        self._offset = self._end = upload.offset
        self._gathered = Part(share)
        self._pending: dict[int, tuple[int, str | None]] = {}
        self._sender = PartSender()
        self.begun: str | None = None
        self.told = False
        self._objects = 0
        self._sized = min(self._number, MAX_PARTS)
        self._size = upload_part_size(held.length, self._sized)
        self._acknowledged = self._offset
        self._checked = time.monotonic()
        self._flushed = self._checked - CHECKPOINT_SECONDS
        self._merged: tuple[Tail, ...] = ()

    @override
    async def add(self, chunk: bytes) -> None:
        self._end += len(chunk)
        rest = memoryview(chunk)
        while rest:
            self._sender.check()
            if self._sized != self._number:
                self._sized, self._size = self._number, self._due()
            rest = rest[await self._write(self._gathered, rest[: self._missing]) :]
            if not self._missing:
                await self._send_part()

    @override
    async def checkpoint(self, *, silent: bool) -> Appended | None:
        now = time.monotonic()
        since = now - max(self._flushed, self._checked)
        if (silent and now - self._flushed >= CHECKPOINT_SECONDS) or since >= STALE:
            if self._unnamed:
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
        if self._gathered.size or self._held.tails:
            await self._send_part()
        await self._sender.drain()
        return replace(self._appended(), last=True)

    @override
    def acknowledged(self) -> None:
        self.begun = None
        self._named = len(self._held.parts)
        self._acknowledged = self._offset
        merged, self._merged = self._merged, ()
        self._forget(merged)

    async def settle(self) -> None:
        """Wait until nothing is on its way. Raises `StorageError`: then something may be."""
        await self._sender.drain()

    async def stop(self) -> None:
        """Let go of everything."""
        await self._sender.stop()
        self._gathered.release()

    @property
    def _number(self) -> int:
        """The number of the part that is being gathered."""
        return len(self._held.parts) + len(self._pending) + 1

    @property
    def _missing(self) -> int:
        """Bytes until the part that is being gathered is full."""
        waiting = 0 if self._pending else self._held.tail_size
        return self._size - waiting - self._gathered.size

    @property
    def _unnamed(self) -> bool:
        return bool(self._gathered.size or self._pending or self._offset > self._acknowledged)

    @property
    def _ready(self) -> int:
        """Bytes of the parts that are there, one after the other, and not acknowledged yet."""
        size = self._offset - self._acknowledged
        for number, (part_size, _) in self._pending.items():
            if number not in self._sender.etags:
                break
            size += part_size
        return size

    async def _flush(self) -> Appended:
        await self._sender.drain()
        self._take_pending()
        if self._gathered.size:
            part, self._gathered = self._gathered, Part(self._share)
            tail = Tail(part.size, self._new_name())
            try:
                await self._client.send("put_object", part, **self._ledger.address(tail.name))
            finally:
                part.release()
            self._held = replace(self._held, tails=(*self._held.tails, tail))
            self._offset += tail.size
        self._flushed = time.monotonic()
        return self._appended()

    def _appended(self) -> Appended:
        self._take_pending()
        self.told = True
        self._checked = time.monotonic()
        return Appended(self._offset, self._held.to_json())

    def _take_pending(self) -> None:
        """Enter the parts that are there into what is held, as far as none is missing before."""
        for number in list(self._pending):
            etag = self._sender.etags.get(number)
            if etag is None:
                return
            size, name = self._pending.pop(number)
            held = self._held
            part = StoredPart(size, None if name else etag, name)
            self._offset += size - held.tail_size
            self._merged += held.tails
            self._held = replace(held, parts=(*held.parts, part), tails=())

    async def _send_part(self) -> None:
        """Begin to send what was gathered, with the tails before it, as a part."""
        number = self._number
        part, self._gathered = self._gathered, Part(self._share)
        try:
            if not self._pending and self._held.tails:
                part = await self._with_tails(part)
            send, name = await self._way(number)
        except BaseException:
            part.release()
            raise
        self._pending[number] = part.size, name
        await self._sender.start(number, part, send)

    def _due(self) -> int:
        """The size of the next part: that of the one before where there is no room for more."""
        due = upload_part_size(self._held.length, self._number)
        return due if due <= self._size or self._share.grow(due + SLOT) else self._size

    async def _way(self, number: int) -> tuple[Send, str | None]:
        """How to send a part: as such, or as an object, where somebody may be late (`held`)."""
        if self._held.contested < number <= self._named + WINDOW:
            address = {**self._target, "UploadId": await self._upload_id()}

            async def send(part: Part) -> str:
                return await send_part(self._client, address, number, part)

            return send, None
        name = self._new_name()

        async def put(part: Part) -> str:
            answer = await self._client.send("put_object", part, **self._ledger.address(name))
            return str(answer["ETag"])

        return put, name

    async def _upload_id(self) -> str:
        upload_id = self._held.multipart
        if upload_id is None:
            upload_id = self.begun = await self._begin()
            self.told = False
            self._held = replace(self._held, multipart=upload_id)
        return upload_id

    async def _with_tails(self, gathered: Part) -> Part:
        part = Part(self._share)
        try:
            async for data in self._tail_bytes(self._held.tails):
                rest = memoryview(data)
                while rest:
                    rest = rest[await self._write(part, rest) :]
        except BaseException:
            part.release()
            raise
        part.extend(gathered)
        return part

    async def _tail_bytes(self, tails: Sequence[Tail]) -> AsyncIterator[bytes]:
        """The bytes of the tails; small ones are fetched several at a time."""
        waiting: list[Tail] = []
        for tail in tails:
            if tail.size <= SLOT and len(waiting) < _TAILS_AT_ONCE:
                waiting.append(tail)
                continue
            for data in await self._fetch(waiting):
                yield data
            waiting = []
            if tail.size <= SLOT:
                waiting.append(tail)
                continue
            address = self._ledger.address(tail.name)
            async with streamed(self._client, address, tail.size) as chunks:
                async for data in chunks:
                    yield data
        for data in await self._fetch(waiting):
            yield data

    async def _fetch(self, tails: Sequence[Tail]) -> list[bytes]:
        fetching = (self._client.fetch(**self._ledger.address(tail.name)) for tail in tails)
        return [data for _, data in await asyncio.gather(*fetching)]

    async def _write(self, part: Part, data: memoryview) -> int:
        """Write as much as fits into a slot, and return how much that was."""
        while not part.has_space():
            await self._sender.wait_for_one()
        return await part.write(data)

    def _new_name(self) -> str:
        """The name of an object that only this append writes."""
        self._objects += 1
        return f"{self._held.generation}.{self._objects}"
