"""Checkpoints: what the WAL holds gets into the database, in a thread, while commits go on.

Commits append to the WAL, and a checkpoint copies it into the database. The WAL starts afresh, over
what it held, once all of it is there and nobody reads from it any more. With commits and readers
all the time that moment never comes by itself: so when the WAL is long, everything is copied and
synced that there is, and only for the little that has come meanwhile, writers and then readers are
waited for. So they are where the WAL, short or long, takes the room that uploads need: then it is
cut.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from pathlib import Path

import apsw

from file_uploader.storage.local.blobs.free_space import room
from file_uploader.storage.local.locks import FileLock, Turnstile

from .page_cache import descriptor_of, forget_cached
from .rows import PAGE, WAL_LIMIT, connect

CHECKPOINT_PAGES = 1_000
"""Pages in the WAL from which on they are copied into the database, without waiting for anyone."""

RESTART_PAGES = WAL_LIMIT // 2 // PAGE
"""Pages in the WAL from which on readers are waited for, so that it can start afresh."""

READERS = 100
"""Milliseconds for which they are, with all writers waiting as well: some pages of lists."""

PATIENCE = 64.0
"""Seconds, at most, until they are waited for again after that was in vain, time and again."""

PAUSE = 0.1
"""Seconds between two checkpoints, in which pages that are written often gather."""

RETRY = 1.0
"""Seconds until the next, whether or not anybody writes, while the WAL is too long."""

LOOK = 5.0
"""Seconds between two looks at whether the WAL takes the room that uploads need."""

ALARM_SIZE = 2 * WAL_LIMIT
"""Bytes of the WAL from which on it is told of. It gets no longer than half of that by itself."""

QUIET = 60.0
"""Seconds before it is told of again."""

_COPIED_AT, _NOTHING = 96, bytes(4)
"""Where SQLite's WAL index has the number of frames that were copied, and what that is at first
(https://www.sqlite.org/walformat.html, 2.1)."""

_log = logging.getLogger(__name__)


class Checkpoints:
    """Keeps the WAL short, in a thread of its own; `committed` says when there is something to do.

    One process does it at a time, and the others pass.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._connection = connect(path)
        self._connection.set_busy_timeout(READERS)
        self._lock = FileLock(path.parent / "checkpoint.lock")
        self._turnstile = Turnstile(path.parent)
        self._alarm_lock = FileLock(path.parent / "alarm.lock")
        self._alarmed = False
        self._quiet_until = 0.0
        self._wal = path.with_name(f"{path.name}-wal")
        # To be closed after all connections of this process: that drops SQLite's locks on the file.
        self._database = path.open("rb", buffering=0)
        self._patience = RETRY
        self._patient_until = 0.0
        self._next_look = 0.0
        self._due = threading.Event()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._serve, name="index-checkpoints", daemon=True)
        self._thread.start()

    def committed(self, _connection: apsw.Connection, _name: str, pages: int) -> int:
        """Note that so many pages are in the WAL now. May be called in any thread."""
        if pages >= CHECKPOINT_PAGES:
            self._due.set()
        return apsw.SQLITE_OK

    def close(self) -> None:
        """End the thread, and close the last connection of this process to the database.

        A second call does nothing.
        """
        self._closing.set()
        self._due.set()
        self._thread.join()
        self._connection.close()
        self._database.close()
        self._lock.close()
        self._turnstile.close()
        self._alarm_lock.close()

    def _serve(self) -> None:
        long = True  # Perhaps: who knows what a crash has left.
        while True:
            due = self._due.wait(RETRY if long else LOOK)
            self._due.clear()
            if self._closing.is_set():
                return
            try:
                cut = self._takes_room()
                if not (due or long or cut):
                    continue
                if self._lock.try_acquire():
                    try:
                        self._checkpoint(cut=cut)
                    finally:
                        self._lock.release()
                size = self._wal.stat().st_size
                self._tell(size)
                long = size > WAL_LIMIT
            except (apsw.Error, OSError) as error:  # The WAL has everything that was not copied.
                _log.warning("a checkpoint of the index failed: %s", error)
                long = True
                self._closing.wait(RETRY)
            self._closing.wait(PAUSE)

    def _tell(self, size: int) -> None:
        """Say when the WAL has got long, while there is time to act, and when it is short again.

        Many processes write to one WAL, and one of them speaks for all: who gets the lock first.
        """
        if size >= ALARM_SIZE:
            if time.monotonic() >= self._quiet_until and self._alarm_lock.try_acquire():
                self._alarmed = True
                self._quiet_until = time.monotonic() + QUIET
                _log.warning(
                    "the index's log has grown to %d MiB: a program that reads an old state of the"
                    " index keeps it from starting afresh, or the disk is too slow. Nothing is"
                    " lost, but it takes room and makes requests slower. End whatever else has"
                    " %s open (`fuser` tells).",
                    size // 2**20,
                    self._wal,
                )
        elif self._alarmed and size <= WAL_LIMIT:
            self._alarmed = False
            self._alarm_lock.release()
            _log.info("the index's log is short again: %d MiB", size // 2**20)

    def _takes_room(self) -> bool:
        """Whether uploads would have room without the WAL, and have none; at each `LOOK` only.

        Its length is kept for deletions where cutting it would help no upload.
        """
        if time.monotonic() < self._next_look:
            return False
        self._next_look = time.monotonic() + LOOK
        left = room(self._path)
        return left < 0 <= left + self._wal.stat().st_size

    def _checkpoint(self, *, cut: bool) -> None:
        try:
            pages, copied = self._connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
            # Where a reader has kept it from copying all, waiting for that one may be in vain.
            hopeful = copied == pages or time.monotonic() >= self._patient_until
            if hopeful and (cut or pages >= RESTART_PAGES):
                self._restart(cut=cut)
        except apsw.BusyError:  # Another program is doing it.
            return
        except (apsw.IOError, OSError):
            self._start_over()
            raise

    def _start_over(self) -> None:
        """Have all of the WAL copied again, by whoever comes next, after an error of the disk.

        SQLite notes how far it has copied before that is synced, and after a sync that failed, the
        next one may succeed without what was lost. Only that note is changed: were all of them
        made invalid, SQLite would read them anew from the WAL, as after a crash, and take a commit
        for valid that has failed in nothing but its sync.
        """
        with self._turnstile.held():
            notes = descriptor_of(self._path.with_name(f"{self._path.name}-shm"))
            if notes is not None:
                os.pwrite(notes, _NOTHING, _COPIED_AT)
            forget_cached(self._path)

    def _restart(self, *, cut: bool) -> None:
        """Let the next commit begin at the WAL's start, which is cut as well where that is long."""
        # SQLite syncs after the last page has been copied. Most of that is done here, before others
        # have to wait for it.
        os.fdatasync(self._database.fileno())
        cut = cut or self._wal.stat().st_size > WAL_LIMIT
        # Commits are quicker where the WAL need not grow: it is kept as it is if it can be.
        mode = apsw.SQLITE_CHECKPOINT_TRUNCATE if cut else apsw.SQLITE_CHECKPOINT_RESTART
        try:
            with self._turnstile.held():
                self._connection.wal_checkpoint(mode=mode)
            self._patience = RETRY
        except apsw.BusyError:
            self._patient_until = time.monotonic() + self._patience
            self._patience = min(2 * self._patience, PATIENCE)
