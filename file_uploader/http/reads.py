"""How much is read from a socket at once: much of a few bodies, little of each of many."""

from __future__ import annotations

import asyncio
from typing import Protocol

MOST = 1024 * 1024
"""Bytes read at once while few bodies arrive: so much takes little more than a packet does."""

LEAST = 64 * 1024
"""Bytes read at once while many bodies arrive; each of them holds on to two such reads."""

BUDGET = 16 * 1024 * 1024
"""Bytes that all bodies together may be read by at once, as long as each gets `LEAST`."""


class Reads:
    """One buffer for all connections of an event loop: it is copied from before the next read."""

    def __init__(self) -> None:
        self._buffer = memoryview(bytearray(MOST))
        self._bodies: set[object] = set()

    @property
    def buffer(self) -> memoryview:
        """Where the next bytes go."""
        fair = BUDGET // max(1, len(self._bodies))
        return self._buffer[: max(LEAST, min(MOST, fair))]

    def begin(self, body: object) -> None:
        """Say that a body begins to arrive."""
        self._bodies.add(body)

    def end(self, body: object) -> None:
        """Say that it has arrived, or will not; may be said again."""
        self._bodies.discard(body)


class Reader(Protocol):
    """The protocol of a connection, as far as it is fed."""

    connection_made: object
    connection_lost: object
    eof_received: object
    pause_writing: object
    resume_writing: object

    def data_received(self, data: memoryview) -> None:
        """Take bytes that are overwritten afterwards."""
        ...


class BufferedReads(asyncio.BufferedProtocol):
    """Feeds a connection from the buffer."""

    def __init__(self, connection: Reader, reads: Reads) -> None:
        self._connection = connection
        self._reads = reads
        self._buffer = reads.buffer
        for name in (
            *("connection_made", "connection_lost", "eof_received"),
            *("pause_writing", "resume_writing"),
        ):
            setattr(self, name, getattr(connection, name))

    def get_buffer(self, _sizehint: int) -> memoryview:
        """Where the next bytes go."""
        self._buffer = self._reads.buffer
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Pass them on."""
        self._connection.data_received(self._buffer[:nbytes])
