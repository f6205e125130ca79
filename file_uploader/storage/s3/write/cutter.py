"""Cuts a body into parts, each as large as it should be."""

from __future__ import annotations

from collections.abc import AsyncIterator

from file_uploader.storage.s3.buffers.budget import Share
from file_uploader.storage.s3.buffers.part import Part
from file_uploader.storage.s3.buffers.sizes import part_size
from file_uploader.transfer.body import ClientBody

from .sender import PartSender


class Cutter:
    """Pulls a body, as fast as its parts find room and no faster.

    Room for the first part is guaranteed: only later ones come to wait until one is sent.
    """

    def __init__(self, body: ClientBody, share: Share, sender: PartSender) -> None:
        self.ended = False
        self._chunks: AsyncIterator[bytes] = aiter(body)
        self._rest = memoryview(b"")
        self._share = share
        self._sender = sender
        self._length = body.length
        self._number = 0
        self._size = 0

    async def next(self) -> Part:
        """The next part, to be released by the caller; full, unless the body has ended with it."""
        self._number += 1
        self._size = self._share.fitting(part_size(self._length, self._number), self._size)
        part = Part(self._share)
        try:
            while part.size < self._size and await self._more():
                written = await self._sender.write(part, self._rest[: self._size - part.size])
                self._rest = self._rest[written:]
            await self._more()  # learn whether this was the last one
        except BaseException:
            part.release()
            raise
        return part

    async def _more(self) -> bool:
        """Whether there are bytes left; pulls some if none are at hand."""
        if not self._rest and not self.ended:
            try:
                self._rest = memoryview(await anext(self._chunks))
            except StopAsyncIteration:
                self.ended = True
        return bool(self._rest)
