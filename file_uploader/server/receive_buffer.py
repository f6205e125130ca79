"""How much is read from a socket at once: much of a few bodies, little of each of many.

Never more than what is left of a body, or `LEAST`: of what comes behind a request that is being
answered, gunicorn's parser keeps so much and closes the connection for more.
"""

from __future__ import annotations

import asyncio
from typing import Any

MOST = 1024 * 1024
"""Bytes read at once of one of a few bodies: so much takes little more work than a packet does."""

LEAST = 64 * 1024
"""Bytes read at once of anything, and of one of many bodies; each holds on to two such reads."""

BUDGET = 4 * 1024 * 1024
"""Bytes of all bodies together that are read at once, as long as each gets `LEAST`."""


class Reads:
    """One buffer for all connections of an event loop: it is copied from before the next read."""

    def __init__(self) -> None:
        self._buffer = memoryview(bytearray(MOST))
        self._left: dict[object, int] = {}

    def buffer(self, connection: object) -> memoryview:
        """Where the next bytes of a connection go."""
        left = self._left.get(connection)
        if left is None:
            return self._buffer[:LEAST]
        return self._buffer[: max(LEAST, min(MOST, BUDGET // len(self._left), left))]

    def begin(self, connection: object, length: int) -> None:
        """Say that a body of so many bytes begins to arrive on a connection."""
        self._left[connection] = length

    def arrived(self, connection: object, size: int) -> None:
        """Say that so many bytes of it have arrived, which may be all."""
        left = self._left.get(connection, 0) - size
        if left > 0:
            self._left[connection] = left
        else:
            self.end(connection)

    def end(self, connection: object) -> None:
        """Say that no more of it will; may be said again, or of a connection without a body."""
        self._left.pop(connection, None)


class BufferedReads(asyncio.BufferedProtocol):
    """Feeds a connection, a protocol of gunicorn's, from the buffer; that is overwritten then."""

    def __init__(self, connection: Any, reads: Reads) -> None:
        self._connection = connection
        self._reads = reads
        self._buffer = reads.buffer(connection)
        for name in (
            *("connection_made", "connection_lost", "eof_received"),
            *("pause_writing", "resume_writing"),
        ):
            setattr(self, name, getattr(connection, name))

    def get_buffer(self, _sizehint: int) -> memoryview:
        """Where the next bytes go."""
        self._buffer = self._reads.buffer(self._connection)
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Pass them on."""
        self._connection.data_received(self._buffer[:nbytes])
