"""The embedded store's index from outside: its log, its locks, and others that get at it."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from enum import IntEnum
from pathlib import Path
from typing import Self

import apsw

MODES = ("PASSIVE", "FULL", "RESTART", "TRUNCATE")


class ShmLock(IntEnum):
    """What SQLite locks in ``index.db-shm``, by the byte."""

    WRITE = 120
    CHECKPOINT = 121


def wal_size(directory: Path) -> int:
    """Bytes of the WAL; 0 where there is none."""
    try:
        return (directory / "index.db-wal").stat().st_size
    except FileNotFoundError:
        return 0


@contextmanager
def endless_reader(directory: Path) -> Iterator[None]:
    """Another program begins to read, and does not end before this is left."""
    with closing(_connected(directory)) as connection:
        _begin_to_read(connection)
        yield


class RelayReaders:
    """Another program reads all the time while this is entered, but never for long.

    Before a read transaction ends, the next one has begun.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._read)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def _read(self) -> None:
        one, other = _connected(self._directory), _connected(self._directory)
        with closing(one), closing(other):
            _begin_to_read(one)
            while not self._done.wait(0.02):
                _begin_to_read(other)
                one.execute("COMMIT")
                one, other = other, one


def integrity(directory: Path) -> str:
    """What SQLite itself says of the index: ``ok``."""
    with closing(_connected(directory)) as connection:
        return "; ".join(str(row[0]) for row in connection.execute("PRAGMA integrity_check"))


class ForcedCheckpoints:
    """Another program that has checkpoints made, of any kind and at any moment, while entered."""

    def __init__(self, directory: Path, chance: random.Random) -> None:
        self._directory = directory
        self._chance = chance
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._force)
        self.made = 0
        self.refused = 0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def _force(self) -> None:
        with closing(_connected(self._directory)) as connection:
            while not self._done.wait(self._chance.uniform(0, 0.1)):
                connection.set_busy_timeout(self._chance.choice((0, 10, 100)))
                sql = f"PRAGMA wal_checkpoint({self._chance.choice(MODES)})"
                [(busy, _pages, _copied)] = connection.execute(sql)
                self.refused += bool(busy)
                self.made += not busy


def _connected(directory: Path) -> apsw.Connection:
    connection = apsw.Connection(str(directory / "index.db"))
    connection.set_busy_timeout(5_000)
    return connection


def _begin_to_read(connection: apsw.Connection) -> None:
    connection.execute("BEGIN")
    connection.execute("SELECT 1 FROM files LIMIT 1").fetchall()


def holders(path: Path, byte: int = 0) -> set[int]:
    """The processes that hold a lock on this byte of the file, or on all of it."""
    inode = f":{path.stat().st_ino}"
    found = set()
    for line in Path("/proc/locks").read_text().splitlines():
        # Number, kind, ADVISORY, WRITE, process, device and inode, first byte, last byte.
        words = line.split()
        if words[1] != "->" and words[3] == "WRITE" and words[5].endswith(inode):
            last = float("inf") if words[7] == "EOF" else int(words[7])
            if int(words[6]) <= byte <= last:
                found.add(int(words[4]))
    return found


def caught(path: Path, byte: int, among: set[int], patience: float = 10.0) -> int:
    """Wait until one of these processes holds a lock, and say which; it may have let go by now."""
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        if found := holders(path, byte) & among:
            return found.pop()
    raise AssertionError(f"nobody took the lock at {byte} of {path.name}")
