"""A look at the index from the event loop, where that cannot wait for a disk or a lock.

Finding a file whose pages are in memory takes some 30 µs; handing that to a thread and coming back
takes several times as long. So it is done at once, for as long as it does not have to wait: when a
look has read from the disk, the next ones are left to threads for a while. A cold index thus holds
the event loop up for one read of the disk in `REST` seconds, and a warm one never.
"""

from __future__ import annotations

import resource
from pathlib import Path
from time import perf_counter

import apsw

from file_uploader.model.names import Container, FileName

from .rows import Stored, connect, find

SLOW = 0.001
"""Seconds; what is quicker has not waited for a disk."""

REST = 1.0
"""Seconds for which threads look, once a look has waited for the disk."""


class Lookup:
    """A connection of the event loop's own. Used from one thread, after it was built in any."""

    def __init__(self, path: Path) -> None:
        self._connection = connect(path)
        self._connection.pragma("query_only", True)
        self._connection.set_busy_timeout(0)
        self._rests_until = 0.0
        self._reads = 0

    def find(self, container: Container, name: FileName, sql: str) -> Stored | None:
        """The current version as ``sql`` finds it; None where a thread has to look.

        Raises `NoSuchFile`.
        """
        began = perf_counter()
        if began < self._rests_until:
            return None
        try:
            return find(self._connection, container, name, sql)
        except apsw.Error:  # Locked just now, or worse: a thread may wait, and will say what it is.
            return None
        finally:
            now = perf_counter()
            if now - began > SLOW and self._has_read():
                self._rests_until = now + REST

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def _has_read(self) -> bool:
        """Whether this thread has read from a disk since this was asked last."""
        before, self._reads = self._reads, resource.getrusage(resource.RUSAGE_THREAD).ru_inblock
        return self._reads != before
