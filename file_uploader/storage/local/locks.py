"""Locks between processes: `flock` on files of their own.

Such a lock belongs to the open file, so it also holds between two stores in one process, and the
kernel drops it when its process ends, however that happens.
"""

from __future__ import annotations

import fcntl
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class FileLock:
    """An exclusive lock on a file, which is created where it is missing unless told otherwise."""

    def __init__(self, path: Path, *, create: bool = True) -> None:
        flags = os.O_RDWR | os.O_CLOEXEC | (os.O_CREAT if create else 0)
        self._fd = os.open(path, flags, 0o600)

    @property
    def linked(self) -> bool:
        """Whether the file still has a name, so that others can find the lock."""
        return os.fstat(self._fd).st_nlink > 0

    def acquire(self) -> None:
        """Wait for the lock, however long that takes."""
        fcntl.flock(self._fd, fcntl.LOCK_EX)

    def try_acquire(self) -> bool:
        """Take the lock if it is free."""
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    @property
    def free(self) -> bool:
        """Whether nobody holds the lock at this moment; not to be asked by who holds it."""
        try:
            fcntl.flock(self._fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        fcntl.flock(self._fd, fcntl.LOCK_UN)
        return True

    def release(self) -> None:
        """Let go of the lock."""
        fcntl.flock(self._fd, fcntl.LOCK_UN)

    def close(self) -> None:
        """Let go of the lock and of the file; a second call does nothing."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)


class Turnstile:
    """A lock that processes get in turn.

    With a single lock, whoever releases it has it back before those that wait have woken up. Here
    the next one already waits for the lock itself while it keeps everyone else behind the turn.
    """

    def __init__(self, directory: Path) -> None:
        self._turn = FileLock(directory / "turn.lock")
        self._lock = FileLock(directory / "write.lock")

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold the lock."""
        self._turn.acquire()
        try:
            self._lock.acquire()
        finally:
            self._turn.release()
        try:
            yield
        finally:
            self._lock.release()

    def close(self) -> None:
        """Let go of the files."""
        self._turn.close()
        self._lock.close()


class Session:
    """One process that writes blobs, for as long as it lives.

    Its lock on ``<directory>/<id>`` says that it lives. A session whose file is missing is dead:
    the file is there before the first blob, and no id is used twice.
    """

    def __init__(self, directory: Path) -> None:
        while True:
            self.id = secrets.token_hex(8)
            self._path = directory / self.id
            self._lock = FileLock(self._path)
            self._lock.acquire()
            # Between its creation and its lock, a sweep may have taken the file for a dead one's.
            if self._lock.linked:
                break
            self._lock.close()

    def touch(self) -> None:
        """Write a little to the disk. Raises `OSError` if that fails, or the file is gone."""
        os.utime(self._path)

    def end(self) -> None:
        """Say that no blob of this session is being written any more."""
        self._path.unlink(missing_ok=True)
        self._lock.close()


def is_dead(directory: Path, session_id: str, *, remove: bool = True) -> bool:
    """Whether that session has ended, for good; removes what it left in ``directory``, if told."""
    path = directory / session_id
    try:
        lock = FileLock(path, create=False)
    except FileNotFoundError:
        return True
    try:
        if not lock.try_acquire():
            return False
        if remove:
            path.unlink(missing_ok=True)
    finally:
        lock.close()
    return True
