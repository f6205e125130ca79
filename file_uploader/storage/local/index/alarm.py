"""The alarm that is raised when the WAL gets long: a line in the log while there is time to act.

Many processes write to one WAL, and one of them speaks for all: whoever gets the lock first.
"""

from __future__ import annotations

import logging
import time
from pathlib import Path

from file_uploader.storage.local.locks import FileLock

from .rows import WAL_LIMIT

ALARM_SIZE = 2 * WAL_LIMIT
"""Bytes of the WAL from which on it is told of. It gets no longer than half of that by itself."""

QUIET = 60.0
"""Seconds before it is told of again."""

_log = logging.getLogger(__name__)


class Alarm:
    """Is told how long the WAL is, by one thread."""

    def __init__(self, lock: FileLock) -> None:
        self._lock = lock
        self._raised = False
        self._quiet_until = 0.0

    def look(self, wal: Path, size: int) -> None:
        """Say what there is to say of a WAL of ``size`` bytes."""
        if size >= ALARM_SIZE:
            if time.monotonic() >= self._quiet_until and self._lock.try_acquire():
                self._raised = True
                self._quiet_until = time.monotonic() + QUIET
                _log.warning(
                    "the index's log has grown to %d MiB: a program that reads an old state of the"
                    " index keeps it from starting afresh, or the disk is too slow. Nothing is"
                    " lost, but it takes room and makes requests slower. End whatever else has"
                    " %s open (`fuser` tells).",
                    size // 2**20,
                    wal,
                )
        elif self._raised and size <= WAL_LIMIT:
            self._raised = False
            self._lock.release()
            _log.info("the index's log is short again: %d MiB", size // 2**20)

    def close(self) -> None:
        """Let go of the lock."""
        self._lock.close()
