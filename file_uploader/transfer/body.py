"""The incoming body: counted, limited, timed and hashed as it is pulled.

A store pulls a `ClientBody` and needs to check nothing: the iteration ends normally only when the
body is whole, has the announced length and matches every announced digest. Whatever the client
does wrong comes out as an `errors.BodyError` or `errors.InvalidInput`, so that a store can tell a
broken client from a broken disk.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import AsyncIterator, Iterable, Mapping
from typing import Self

from file_uploader.errors import BodyLengthMismatch, BodyTimeout
from file_uploader.model.files import NO_LIMITS, TransferLimits

from .hashing import Hashing, check_digests


class ClientBody:
    """The bytes of one request: an asynchronous iterator, to be used once.

    Yields non-empty ``bytes`` of whatever size arrives. ``length`` is the announced number of
    bytes, or None. ``expected`` maps names of `hashlib` algorithms to the digests that the whole
    body must have; those named in ``algorithms`` are computed besides.

    Iterating raises `FileTooLarge` as soon as a limit is passed, `BodyTimeout` when the client
    stops or is too slow, `BodyLengthMismatch` and `DigestMismatch` at the end, and whatever
    ``source`` raises (`ClientDisconnected`). Building it raises `FileTooLarge` if the announced
    length is over the limit.
    """

    def __init__(
        self,
        source: AsyncIterator[bytes],
        *,
        length: int | None = None,
        limits: TransferLimits = NO_LIMITS,
        expected: Mapping[str, bytes] | None = None,
        algorithms: Iterable[str] = ("sha256",),
    ) -> None:
        self.length = length
        self.received = 0
        self._limits = limits
        self._expected = dict(expected or {})
        self._hashing = Hashing(
            {
                name: hashlib.new(name, usedforsecurity=False)
                for name in {*self._expected, *algorithms}
            }
        )
        self._source = source
        self._idle = limits.idle_timeout.total_seconds()
        self._window = limits.rate_window.total_seconds()
        self._waited = 0.0
        self._arrived = 0
        self._digests: Mapping[str, bytes] | None = None
        if length is not None:
            limits.check_size(length)

    @property
    def digests(self) -> Mapping[str, bytes]:
        """Digests of the whole body by algorithm; only once the iteration has ended normally."""
        if self._digests is None:
            raise RuntimeError("the body has not been read to its end")
        return self._digests

    @property
    def sha256(self) -> bytes:
        """SHA-256 of the whole body (32 bytes); only once the iteration has ended normally."""
        return self.digests["sha256"]

    @property
    def ended(self) -> bool:
        """Whether the iteration has ended normally: the body was whole and as announced."""
        return self._digests is not None

    @property
    def all_or_nothing(self) -> bool:
        """Whether a digest was announced, so that no byte may count before the last is there."""
        return bool(self._expected)

    @property
    def announced_sha256(self) -> bytes | None:
        """The SHA-256 that the client announced; it holds once the iteration ended normally."""
        return self._expected.get("sha256")

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        chunk = await self._pull()
        if not chunk:
            await self._finish()
            raise StopAsyncIteration
        self.received += len(chunk)
        self._limits.check_size(self.received)
        if self.length is not None and self.received > self.length:
            raise BodyLengthMismatch(f"More than the announced {self.length} bytes arrived.")
        await self._hashing.update(chunk)
        return chunk

    async def _pull(self) -> bytes:
        """The next non-empty chunk, or ``b""`` at the end.

        A client may keep us waiting only so long; the time spent elsewhere does not count.
        """
        started = time.monotonic()
        chunk = b""
        try:
            async with asyncio.timeout(self._idle):
                while not chunk:
                    chunk = await anext(self._source)
        except StopAsyncIteration:
            return b""
        except TimeoutError:
            raise BodyTimeout(
                f"No byte of the body arrived for {self._idle:g} s; send it without pauses."
            ) from None
        self._waited += time.monotonic() - started
        self._arrived += len(chunk)
        if self._waited >= self._window:
            rate = self._limits.min_rate
            if self._arrived < rate * self._waited:
                raise BodyTimeout(f"The body arrives at less than {rate} bytes a second.")
            self._waited, self._arrived = 0.0, 0
        return chunk

    async def _finish(self) -> None:
        if self.length is not None and self.received != self.length:
            raise BodyLengthMismatch(
                f"{self.length} bytes were announced and {self.received} arrived."
            )
        found = await self._hashing.finish()
        if self._expected:
            check_digests(found, self._expected, self.received)
        self._digests = found
