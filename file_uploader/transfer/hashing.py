"""Hashing a stream: large pieces in a thread, next to whoever uses them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from functools import partial
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
        self._hashes = dict(hashes)
        self._waiting: list[bytes] = []
        self._waiting_size = 0
        self._queue: WorkQueue[list[bytes]] | None = None

    async def update(self, chunk: bytes) -> None:
        """Take the next bytes. They may still be being hashed when this returns."""
        if not self._hashes:
            return
        self._waiting.append(chunk)
        self._waiting_size += len(chunk)
        idle = self._queue is None or self._queue.idle
        if idle and self._waiting_size < _INLINE:
            self._hash(self._take())
        elif idle or self._waiting_size >= HASH_BATCH:
            await self._hash_in_thread()

    async def finish(self) -> dict[str, bytes]:
        """The digests of all that came, by name; more may come afterwards."""
        if self._waiting:
            await self._hash_in_thread()
        if self._queue is not None:
            await self._queue.finish()
        return {name: made.digest() for name, made in self._hashes.items()}

    async def _hash_in_thread(self) -> None:
        if self._queue is None:
            loop = asyncio.get_running_loop()
            self._queue = WorkQueue(self._hash, partial(loop.run_in_executor, None))
        await self._queue.put(self._take())

    def _take(self) -> list[bytes]:
        chunks, self._waiting, self._waiting_size = self._waiting, [], 0
        return chunks

    def _hash(self, chunks: list[bytes]) -> None:
        for made in self._hashes.values():
            for chunk in chunks:
                made.update(chunk)
