"""Cuts a body into parts, each as large as it should be."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Protocol

from file_uploader import metrics
from file_uploader.storage.s3.buffers.budget import Share
from file_uploader.storage.s3.buffers.part import Part
from file_uploader.storage.s3.buffers.sizes import PartSizes
from file_uploader.transfer.body import ClientBody


class Sender(Protocol):
    """What takes the parts before the one that is being gathered."""

    async def wait_for_one(self) -> None:
        """Return once a part is sent and its room is free. Raises what made one fail."""
        ...

    def check(self) -> None:
        """Raise what made a part fail, if one has."""
        ...


class Cutter:
    """Pulls a body, as fast as its parts find room and no faster."""

    def __init__(self, body: ClientBody, share: Share, sizes: PartSizes) -> None:
        self.ended = False
        self._chunks: AsyncIterator[bytes] = aiter(body)
        self._rest = memoryview(b"")
        self._share = share
        self._sizes = sizes
        self._number = 0

    async def next(self, sender: Sender | None = None) -> Part:
        """The next part, to be released by the caller; full, unless the body has ended with it.

        Without a sender it is the first part, for which there is room by guarantee.
        """
        self._number += 1
        size = self._size_of_next()
        part = Part(self._share)
        try:
            while part.size < size and await self._more():
                if sender is not None:
                    sender.check()
                # Room for the first part is guaranteed: only later ones come to wait.
                while not part.has_space() and sender is not None:
                    metrics.MEMORY_WAITS.inc()
                    await sender.wait_for_one()
                written = await part.write(self._rest[: size - part.size])
                self._rest = self._rest[written:]
            await self._more()  # learn whether this was the last one
        except BaseException:
            part.release()
            raise
        return part

    def _size_of_next(self) -> int:
        """The size that is due; where there is no room for a larger one, the size before."""
        due = self._sizes.due(self._number)
        if due > self._sizes.size and self._share.grow(due):
            self._sizes.size = due
        return self._sizes.size

    async def _more(self) -> bool:
        """Whether there are bytes left; pulls some if none are at hand."""
        if not self._rest and not self.ended:
            try:
                self._rest = memoryview(await anext(self._chunks))
            except StopAsyncIteration:
                self.ended = True
        return bool(self._rest)
