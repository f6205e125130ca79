"""The files that hold what is too large for the index, and how they are read. It blocks.

A blob is written at its final path, ``blobs/<2 hex>/<16 hex>-<session>``. Nothing but a row of the
index makes it visible, so there is nothing to rename: write, `fsync` the file, `fsync` its
directory, then commit the row. Its name ends in the session that writes it, so that a sweep can
tell the unfinished blob of a living process from one that nobody will finish.

No name of a client's is ever part of a path.
"""

from __future__ import annotations

import errno
import os
import re
import secrets
import threading
from collections.abc import AsyncGenerator, Iterable
from contextlib import suppress
from pathlib import Path

from file_uploader.errors import StorageFailed
from file_uploader.storage.local.threads import Threads

SHARDS = tuple(f"{number:02x}" for number in range(256))

READ_SIZE = 256 * 1024
"""Bytes read, and yielded, at once."""

_BLOB_ID = re.compile("[0-9a-f]{16}-[0-9a-f]{16}")


def session_of(blob_id: str) -> str:
    """The id of the session that created the blob."""
    return blob_id.rpartition("-")[2]


def make_directory(path: Path) -> None:
    """Create a directory (mode 0700) and those above it, durably."""
    if path.is_dir():
        return
    make_directory(path.parent)
    path.mkdir(mode=0o700, exist_ok=True)
    sync_directory(path.parent)


def sync_directory(path: Path) -> None:
    """Make the entries of a directory durable."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


class Blobs:
    """All blobs below one directory, as one session sees them.

    ``in_flight`` holds the blobs of this session that no row names yet and that may still get one.
    """

    def __init__(self, directory: Path, session_id: str) -> None:
        self.in_flight: set[str] = set()
        self.directory = directory
        self._session_id = session_id

    def prepare(self) -> None:
        """Create the directories that are missing."""
        make_directory(self.directory)
        for shard in SHARDS:
            (self.directory / shard).mkdir(mode=0o700, exist_ok=True)
        sync_directory(self.directory)

    def new_id(self) -> str:
        """The id of a blob to be written; it is in flight from now on."""
        blob_id = f"{secrets.token_hex(8)}-{self._session_id}"
        self.in_flight.add(blob_id)
        return blob_id

    def path(self, blob_id: str) -> Path:
        """Where the blob is. Raises `FileNotFoundError` for what is no blob's id."""
        if not _BLOB_ID.fullmatch(blob_id):
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
        return self.directory / blob_id[:2] / blob_id

    def unlink(self, blob_id: str) -> None:
        """Remove the blob; whoever has it open can still read it."""
        with suppress(FileNotFoundError):
            self.path(blob_id).unlink()

    def unlink_each(self, blob_ids: Iterable[str]) -> dict[str, str]:
        """Remove the blobs; return those that are left to the next sweep, and why."""
        failed = {}
        for blob_id in blob_ids:
            try:
                self.unlink(blob_id)
            except OSError as error:
                failed[blob_id] = error.strerror or str(error)
        return failed

    def in_shard(self, shard: str) -> list[str]:
        """The ids of the blobs in one of the `SHARDS`; files of others are left alone."""
        with os.scandir(self.directory / shard) as entries:
            return [entry.name for entry in entries if _BLOB_ID.fullmatch(entry.name)]


class OpenBlob:
    """One blob while it is read; it stays readable when it is unlinked meanwhile.

    Methods may run in any thread; `close` waits for a read that is under way and is final.
    """

    def __init__(self, blobs: Blobs) -> None:
        self._blobs = blobs
        self.descriptor = -1
        """That of the file, while it is open."""
        self._gone = False
        self._lock = threading.Lock()

    def open(self, blob_id: str, size: int) -> None:
        """Open it. Raises `FileNotFoundError`, and `StorageFailed` if it has not that size."""
        with self._lock:
            if self._gone:
                return
            self.descriptor = os.open(self._blobs.path(blob_id), os.O_RDONLY | os.O_CLOEXEC)
            if os.fstat(self.descriptor).st_size != size:
                raise StorageFailed("The stored content of this file is damaged.")

    def read(self, offset: int, size: int) -> bytes:
        """Exactly ``size`` bytes from ``offset``. Raises `StorageFailed` if there are fewer."""
        with self._lock:
            if self.descriptor < 0:
                raise OSError(errno.EBADF, "the blob is not open any more")
            data = os.pread(self.descriptor, size, offset)
        if len(data) != size:
            raise StorageFailed("The stored content of this file ends too early.")
        return data

    async def chunks(self, threads: Threads, start: int, end: int) -> AsyncGenerator[bytes, None]:
        """The bytes from ``start`` up to but not including ``end``, read in threads."""
        for position in range(start, end, READ_SIZE):
            yield await threads.run(self.read, position, min(READ_SIZE, end - position))

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            self._gone = True
            fd, self.descriptor = self.descriptor, -1
            if fd >= 0:
                os.close(fd)
