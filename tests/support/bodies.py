"""Bodies as clients send them: whole, in pieces, and broken in every way there is."""

from __future__ import annotations

import asyncio
import hashlib
import random
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from typing import Self

from file_uploader.errors import (
    BodyLengthMismatch,
    BodyTimeout,
    ClientDisconnected,
    DigestMismatch,
    FileTooLarge,
)
from file_uploader.model.files import NO_LIMITS, TransferLimits
from file_uploader.transfer.body import ClientBody

KIB = 1024
MIB = 1024 * KIB


@lru_cache(maxsize=4)
def content(size: int, seed: object = 0) -> bytes:
    """Bytes that are the same for the same size and seed and do not repeat within."""
    return random.Random(f"{seed}/{size}").randbytes(size)


def pieces(data: bytes, size: int) -> Iterator[bytes]:
    """``data`` in chunks of ``size`` bytes."""
    return (data[start : start + size] for start in range(0, len(data), size))


def ragged(data: bytes, seed: int, largest: int = MIB) -> Iterator[bytes]:
    """``data`` in chunks from 1 byte to ``largest``, of every order of magnitude."""
    chance = random.Random(seed)
    start = 0
    while start < len(data):
        size = 1 + int(largest ** chance.random())
        yield data[start : start + size]
        start += size


class Source:
    """A client: sends ``chunks``, then ends, or fails with ``error``, or with ``stall`` just stops.

    ``sent`` counts its bytes; ``stalled`` is set when it stops for good.
    """

    def __init__(
        self, chunks: Iterable[bytes], *, error: Exception | None = None, stall: bool = False
    ) -> None:
        self._chunks = iter(chunks)
        self._error = error
        self._stall = stall
        self.sent = 0
        self.stalled = asyncio.Event()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        await asyncio.sleep(0)  # others get their turn, as they do while a socket is read
        for chunk in self._chunks:
            self.sent += len(chunk)
            return chunk
        if self._stall:
            self.stalled.set()
            await asyncio.Event().wait()
        if self._error is not None:
            raise self._error
        raise StopAsyncIteration


def body_of(
    data: bytes,
    *,
    chunk: int = 64 * KIB,
    chunks: Iterable[bytes] | None = None,
    announced: bool = True,
    expected: Mapping[str, bytes] | None = None,
    limits: TransferLimits = NO_LIMITS,
) -> ClientBody:
    """A client that sends ``data`` as it should, in pieces of ``chunk`` bytes or as ``chunks``."""
    return ClientBody(
        Source(pieces(data, chunk) if chunks is None else chunks),
        length=len(data) if announced else None,
        expected=expected,
        limits=limits,
    )


def stalling(data: bytes, after: int, *, announced: bool = True) -> tuple[ClientBody, Source]:
    """A client that sends ``after`` bytes of ``data`` and then nothing, without going away."""
    source = Source(pieces(data[:after], 64 * KIB), stall=True)
    return ClientBody(source, length=len(data) if announced else None), source


@dataclass(frozen=True)
class Breakage:
    """One way for a body to go wrong: builds the body, from its data and where it breaks."""

    name: str
    error: type[Exception]
    body: Callable[[bytes, int], ClientBody]

    def __str__(self) -> str:
        return self.name


def _disconnecting(data: bytes, after: int, length: int | None) -> ClientBody:
    source = Source(pieces(data[:after], 64 * KIB), error=ClientDisconnected("The client left."))
    return ClientBody(source, length=length)


def _too_slow(data: bytes, after: int) -> ClientBody:
    limits = TransferLimits(idle_timeout=timedelta(milliseconds=30))
    source = Source(pieces(data[:after], 64 * KIB), stall=True)
    return ClientBody(source, length=len(data), limits=limits)


def _with_wrong(algorithm: str) -> Callable[[bytes, int], ClientBody]:
    def build(data: bytes, _after: int) -> ClientBody:
        other = hashlib.new(algorithm, data + b"!", usedforsecurity=False).digest()
        return body_of(data, expected={algorithm: other})

    return build


BREAKAGES = [
    Breakage("disconnects", ClientDisconnected, lambda d, n: _disconnecting(d, n, len(d))),
    Breakage("disconnects-chunked", ClientDisconnected, lambda d, n: _disconnecting(d, n, None)),
    Breakage(
        "fewer-than-announced",
        BodyLengthMismatch,
        lambda d, n: ClientBody(Source(pieces(d[:n], 64 * KIB)), length=len(d)),
    ),
    Breakage(
        "more-than-announced",
        BodyLengthMismatch,
        lambda d, _: ClientBody(Source(pieces(d, 64 * KIB)), length=max(0, len(d) - 1)),
    ),
    Breakage("wrong-sha256", DigestMismatch, _with_wrong("sha256")),
    Breakage("wrong-md5", DigestMismatch, _with_wrong("md5")),
    Breakage("wrong-sha512", DigestMismatch, _with_wrong("sha512")),
    Breakage(
        "too-large",
        FileTooLarge,
        lambda d, n: body_of(d, announced=False, limits=TransferLimits(max_size=n)),
    ),
    Breakage("idle", BodyTimeout, _too_slow),
]
"""Everything but cancellation. The data has to have at least one byte more than the break."""
