"""One part of a body: held in slots, so that it can be sent, and sent again.

It goes to the wire without ever being whole in one piece: `PartPayload` is what aiohttp asks for
its bytes, one slot at a time.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib

from aiohttp.abc import AbstractStreamWriter
from aiohttp.payload import Payload

from .budget import SLOT, Share

_HASH_INLINE = 16 * 1024
"""What is hashed on the event loop: a few microseconds, less than a thread switch."""


class Part:
    """Bytes in slots of an upload's share; `release` gives them back, and may be called again."""

    def __init__(self, share: Share) -> None:
        self.budget = share.budget
        self.size = 0
        self._share = share
        self._slots: list[int] = []
        self._filled: list[int] = []

    async def write(self, data: memoryview) -> int:
        """Append as much as the current slot takes, or else a new one; return how much that was.

        That is nothing where this upload's own parts have to be sent first.
        """
        if not self._filled or self._filled[-1] == SLOT:
            slot = self._share.take()
            if slot is None:
                return 0
            self._slots.append(slot)
            self._filled.append(0)
        offset = self._filled[-1]
        taken = min(len(data), SLOT - offset)
        await self.budget.write(self._slots[-1], offset, data[:taken])
        self._filled[-1] += taken
        self.size += taken
        return taken

    async def add(self, data: bytes) -> None:
        """Append it all; there is room for it by guarantee."""
        rest = memoryview(data)
        while rest:
            written = await self.write(rest)
            if not written:
                raise RuntimeError("there is no room for what was guaranteed room")
            rest = rest[written:]

    def extend(self, other: Part) -> None:
        """Append all of another part of the same upload, which has nothing any more."""
        self._slots += other._slots
        self._filled += other._filled
        self.size += other.size
        other._slots, other._filled, other.size = [], [], 0

    def pieces(self) -> list[tuple[int, int]]:
        """Slots and how many bytes are in each."""
        return list(zip(self._slots, self._filled, strict=True))

    async def md5(self) -> str:
        """The ``Content-MD5`` of the part (RFC 1864): covers the wire from end to end."""
        scratch = memoryview(bytearray(min(SLOT, self.size)))
        if self.size <= _HASH_INLINE and not self.budget.spooled:
            return self._md5(scratch)
        return await self.budget.in_thread(self._md5, scratch)

    def _md5(self, scratch: memoryview) -> str:
        digest = hashlib.md5(usedforsecurity=False)
        for slot, size in self.pieces():
            digest.update(self.budget.peek(slot, scratch[:size]))
        return base64.b64encode(digest.digest()).decode()

    def release(self) -> None:
        """Give the slots back; nothing reads the part any more."""
        slots, self._slots, self._filled = self._slots, [], []
        self._share.give_back(slots)


class PartPayload(Payload):
    """A `Part` as aiohttp sends it: a copy of one slot at a time is all that is in the buffers.

    ``read`` and ``len`` are there for botocore, which takes only what looks like a file, and asks
    its length; it never reads, since the client is told not to sign payloads.
    """

    _autoclose = True

    def __init__(self, part: Part, *, write_timeout: float) -> None:
        super().__init__(part, content_type="application/octet-stream")
        self._part = part
        self._size = part.size
        self._write_timeout = write_timeout

    def __len__(self) -> int:
        return self._part.size

    @property
    def consumed(self) -> bool:
        """True, so that aiohttp never sends it a second time by itself: who repeats has to know."""
        return True

    def read(self, size: int = -1) -> bytes:
        """Never called; botocore looks whether it exists."""
        raise NotImplementedError

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        """Never called: nobody prints a part."""
        raise NotImplementedError

    async def write(self, writer: AbstractStreamWriter) -> None:
        """Send the part from its start: each attempt calls this anew.

        Raises `TimeoutError` when the peer takes nothing for ``write_timeout`` seconds, for which
        aiohttp has no limit of its own.
        """
        for slot, size in self._part.pieces():
            data = await self._part.budget.read(slot, size)
            async with asyncio.timeout(self._write_timeout):
                await writer.write(data)
