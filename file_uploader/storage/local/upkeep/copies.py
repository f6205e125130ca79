"""The steps of copying a store: its index as it is at one moment, and the blobs that it names."""

from __future__ import annotations

import hashlib
import os
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from io import FileIO
from itertools import islice
from pathlib import Path
from typing import Protocol
from urllib.parse import quote

import apsw

from file_uploader.storage.local.blobs.blobs import SHARDS, Blobs, make_directory, sync_directory
from file_uploader.storage.local.failures import EXHAUSTED
from file_uploader.storage.local.locks import FileLock
from file_uploader.storage.upkeep import Amount, Flaw

from .audit import Kept, kept_blobs

INDEX = "index.db"
_NEW = ".new"
"""Ends the name of what is not whole yet."""

_PAGES = 4_096
"""Pages of the index that are copied between two looks at whether to stop."""

_LOOK = 0.02
"""Seconds between two looks at a lock that is taken."""

_READ = 1024 * 1024
_THREADS = 8
_AT_ONCE = 256
"""Blobs that the threads get at once: each is synced by itself, and many syncs share the work."""


class Watcher(Protocol):
    """Is told how a copy goes on, in any thread."""

    def expect(self, size: int) -> None:
        """So many bytes more are to be copied."""
        ...

    def advance(self, size: int) -> None:
        """So many bytes of them are."""
        ...


@dataclass
class Copied:
    """What came of it: blobs that were copied, and what is wrong, by blob."""

    blobs: Amount = field(default_factory=Amount)
    flaws: dict[str, Flaw] = field(default_factory=dict)


class StoppedError(Exception):
    """Nobody wants the copy any more."""


class Copy:
    """A copy of the store in ``source`` at ``target``; it ends soon once ``stopping`` is set."""

    def __init__(self, source: Path, target: Path, watcher: Watcher) -> None:
        self._source = source
        self._target = target
        self._watcher = watcher
        self._from = Blobs(source / "blobs", "")
        self._to = Blobs(target / "blobs", "")
        self._new = target / f"{INDEX}{_NEW}"
        self.stopping = threading.Event()
        self.copied = Copied()

    def prepare(self) -> None:
        """Make the directories."""
        make_directory(self._target)
        self._to.prepare()

    def take(self, lock: FileLock) -> None:
        """Wait for a lock, unless nobody wants the copy any more."""
        while not lock.try_acquire():
            self._check_stop()
            time.sleep(_LOOK)

    def copy_index(self, source: apsw.Connection) -> None:
        """Copy the index as it is now; it is durable then, and has not its name yet."""
        for left in self._target.glob(f"{self._new.name}*"):
            left.unlink()
        os.close(os.open(self._new, os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        with closing(apsw.Connection(str(self._new))) as target:
            target.pragma("journal_mode", "off")  # One that is not finished is made anew.
            target.pragma("synchronous", "off")
            source.execute("BEGIN")
            source.pragma("schema_version")  # From this look on it stays as it is.
            with target.backup("main", source, "main") as copying:
                while not copying.done:
                    self._check_stop()
                    copying.step(_PAGES)
            source.execute("COMMIT")
        with self._new.open("rb") as copied:
            os.fsync(copied.fileno())

    def copy_blobs(self, *, tolerant: bool = False) -> None:
        """Copy what the index names and is not there yet, durably.

        What is missing does not count where one is ``tolerant``.
        """
        with closing(read_only(self._new)) as index, ThreadPoolExecutor(_THREADS) as threads:
            self._watcher.expect(sum(kept.size or 0 for kept in self._missing(index)))
            wanted = self._missing(index)
            while some := list(islice(wanted, _AT_ONCE)):
                done = threads.map(self._copy_blob, some)
                for kept, (found, wrong) in zip(some, done, strict=True):
                    self._check_stop()
                    if found is not None:
                        before = self.copied.blobs
                        self.copied.blobs = Amount(before.count + 1, before.size + found)
                    if wrong is not None and not (tolerant and found is None):
                        self._note(kept, wrong)
        for shard in SHARDS:
            sync_directory(self._target / "blobs" / shard)

    def _missing(self, index: apsw.Connection) -> Iterator[Kept]:
        for kept in kept_blobs(index):
            try:
                there = self._to.path(kept.blob).stat().st_size
            except FileNotFoundError:
                there = -1
            if there != kept.size:  # Of an upload whose record is damaged, always.
                yield kept

    def _copy_blob(self, kept: Kept) -> tuple[int | None, str | None]:
        """Copy a blob, durably; return its bytes, None where it is left out, and what is wrong."""
        try:
            with _its_own_errors():
                source = self._from.path(kept.blob).open("rb", buffering=0)
            with source:
                found, sha256 = self._copy_bytes(source, self._to.path(kept.blob), kept.size)
        except _UnreadableError as error:
            self._check_source()
            return None, str(error)
        if kept.size is None and kept.sha256 is not None:
            return found, "its row in the index is damaged"
        whole = found >= (kept.size or 0) and sha256 == (kept.sha256 or sha256)
        return found, None if whole else "its bytes are not those that were stored"

    def _copy_bytes(self, source: FileIO, to: Path, size: int | None) -> tuple[int, bytes]:
        """Copy the first ``size`` bytes; return how many there were, and their SHA-256.

        None: all that there are.
        """
        new = to.with_name(f"{to.name}{_NEW}")
        sha256 = hashlib.sha256()
        done = 0
        fd = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            with closing(os.fdopen(fd, "wb", buffering=0)) as target:
                while data := _read(source, _READ if size is None else min(_READ, size - done)):
                    self._check_stop()
                    sha256.update(data)
                    rest = memoryview(data)
                    while rest:
                        rest = rest[target.write(rest) :]
                    done += len(data)
                    self._watcher.advance(len(data))
                os.fsync(fd)
        except _UnreadableError:
            new.unlink()
            raise
        new.rename(to)
        return done, sha256.digest()

    def publish(self) -> None:
        """Give the index its name, and with it all that is there."""
        self._new.rename(self._target / INDEX)
        sync_directory(self._target)

    def prune(self) -> None:
        """Remove what the index does not name; what cannot be removed costs room."""
        with closing(read_only(self._target / INDEX)) as index:
            for shard in SHARDS:
                named = {kept.blob for kept in kept_blobs(index, shard)}
                for path in (self._target / "blobs" / shard).iterdir():
                    if path.name not in named:
                        self._remove(path, shard)

    def _remove(self, path: Path, shard: str) -> None:
        try:
            path.unlink()
        except OSError as error:
            what = f"what the copy does not need cannot be removed: {error.strerror}"
            self.copied.flaws[path.name] = Flaw(what, key=f"blobs/{shard}/{path.name}")

    def _check_source(self) -> None:
        """Raise `OSError` unless the store from which a blob cannot be read is there at all."""
        with (self._source / INDEX).open("rb", buffering=0) as index:
            index.read(1)

    def _note(self, kept: Kept, what: str) -> None:
        if kept.sha256 is None:
            flaw = Flaw(what, kept.container, upload_id=kept.name)
        else:
            flaw = Flaw(what, kept.container, kept.name)
        self.copied.flaws[kept.blob] = flaw

    def _check_stop(self) -> None:
        if self.stopping.is_set():
            raise StoppedError


class _UnreadableError(Exception):
    """A blob cannot be read; as text: why."""


@contextmanager
def _its_own_errors() -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise _UnreadableError("its content is missing") from None
    except OSError as error:
        if error.errno in EXHAUSTED:
            raise
        raise _UnreadableError(f"its content cannot be read: {error.strerror}") from None


def _read(source: FileIO, size: int) -> bytes:
    """At most so many bytes; none at its end, or where none are wanted."""
    with _its_own_errors():
        return source.read(size)


def read_only(path: Path) -> apsw.Connection:
    """A connection to a database that nobody writes to; it leaves no file beside it."""
    uri = f"file:{quote(str(path.absolute()))}?immutable=1"
    return apsw.Connection(uri, flags=apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI)
