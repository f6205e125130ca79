"""Hashing a stream: large pieces in a thread, next to whoever uses them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Protocol

from file_uploader.errors import DigestMismatch

from .work_queue import WorkQueue

HASH_BATCH = 64 * 1024
"""Bytes that are gathered for a thread that is busy hashing."""

_INLINE = 16 * 1024
"""What is hashed on the event loop: a few microseconds, below the cost of a thread switch."""


class Hash(Protocol):
    """One of `hashlib`'s."""

    def update(self, data: bytes, /) -> None:
        """Hash more bytes."""

    def digest(self) -> bytes:
        """The digest of all bytes so far."""


def check_digests(found: Mapping[str, bytes], expected: Mapping[str, bytes], size: int) -> None:
    """Raise `DigestMismatch` where ``size`` bytes have another digest than the announced one."""
    for algorithm, digest in expected.items():
        if found[algorithm] != digest:
            raise DigestMismatch(
                f"The {algorithm} digest of the {size} bytes that arrived is not the announced"
                " one; nothing was stored. Send the file again."
            )


class Hashing:
    """Some hashes, by name, over one stream; nobody else updates them meanwhile."""

    def __init__(self, hashes: Mapping[str, Hash]) -> None:
        self._hashes = hashes
        self._chunks: list[bytes] = []
        self._size = 0
        self._queue = WorkQueue(self._hash, _start)

    async def update(self, chunk: bytes) -> None:
        """Take the next bytes. They may still be being hashed when this returns."""
        if not self._hashes:
            return
        self._chunks.append(chunk)
        self._size += len(chunk)
        if self._queue.pending and self._size < HASH_BATCH:
            return
        chunks, self._chunks, size, self._size = self._chunks, [], self._size, 0
        if size < _INLINE:
            self._hash(chunks)
        else:
            await self._queue.put(chunks)

    async def finish(self) -> dict[str, bytes]:
        """The digests of all that came, by name; more may come afterwards."""
        if self._chunks:
            chunks, self._chunks, self._size = self._chunks, [], 0
            await self._queue.put(chunks)
        await self._queue.finish()
        return {name: made.digest() for name, made in self._hashes.items()}

    def _hash(self, chunks: list[bytes]) -> None:
        for made in self._hashes.values():
            for chunk in chunks:
                made.update(chunk)


def _start(function: Callable[[], None]) -> None:
    asyncio.get_running_loop().run_in_executor(None, function)
