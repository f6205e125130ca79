"""The files that hold what is too large for the index; all file I/O is here, and it blocks.

A blob is written at its final path, ``blobs/<2 hex>/<16 hex>-<session>``. Nothing but a row of the
index makes it visible, so there is nothing to rename: write, `fsync` the file, `fsync` its
directory, then commit the row. Its name ends in the session that writes it, so that a sweep can
tell the unfinished blob of a living process from one that nobody will finish.

No name of a client's is ever part of a path.
"""

from __future__ import annotations

import errno
import fcntl
import os
import re
import secrets
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from file_uploader.errors import NoSuchUpload, StorageFailed

from .direct_io import FileWriter, suits_direct
from .free_space import check_room

SHARDS = tuple(f"{number:02x}" for number in range(256))

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


@dataclass(frozen=True, slots=True)
class Removal:
    """What came of removing blobs: those that are gone, and why others are not."""

    gone: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)


class Blobs:
    """All blobs below one directory, as one session sees them.

    ``in_flight`` holds the blobs of this session that no row names yet and that may still get one.
    """

    def __init__(self, directory: Path, session_id: str) -> None:
        self.in_flight: set[str] = set()
        self._directory = directory
        self._session_id = session_id

    def prepare(self) -> None:
        """Create the directories that are missing."""
        make_directory(self._directory)
        for shard in SHARDS:
            (self._directory / shard).mkdir(mode=0o700, exist_ok=True)
        sync_directory(self._directory)

    def new(self) -> NewBlob:
        """A blob to be written; it is in flight from now on."""
        blob_id = f"{secrets.token_hex(8)}-{self._session_id}"
        self.in_flight.add(blob_id)
        return NewBlob(self, blob_id)

    def path(self, blob_id: str) -> Path:
        """Where the blob is. Raises `FileNotFoundError` for what is no blob's id."""
        if not _BLOB_ID.fullmatch(blob_id):
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
        return self._directory / blob_id[:2] / blob_id

    def unlink(self, blob_id: str) -> None:
        """Remove the blob; whoever has it open can still read it."""
        with suppress(FileNotFoundError):
            self.path(blob_id).unlink()

    def unlink_each(self, blob_ids: Sequence[str]) -> Removal:
        """Remove the blobs; what cannot be removed is left to the next sweep."""
        removal = Removal()
        for blob_id in blob_ids:
            try:
                self.unlink(blob_id)
            except OSError as error:
                removal.failed[blob_id] = error.strerror or str(error)
            else:
                removal.gone.append(blob_id)
        return removal

    def in_shard(self, shard: str) -> list[str]:
        """The ids of the blobs in one of the `SHARDS`; files of others are left alone."""
        with os.scandir(self._directory / shard) as entries:
            return [entry.name for entry in entries if _BLOB_ID.fullmatch(entry.name)]

    def check_room(self, size: int) -> None:
        """Raise `StorageFull` unless a blob of so many bytes may be written."""
        check_room(self._directory, size)


class NewBlob:
    """One blob while it is written: `create`, `write` any number of times, `sync`; or `discard`.

    Every method may run in any thread. `discard` waits for a call that is under way, so that no
    descriptor is closed under a write, and is final: a `create` that comes later does nothing.
    A write or sync that failed is never tried again: what the kernel then does with the pages is
    not known, so that success would prove nothing.
    """

    def __init__(self, blobs: Blobs, blob_id: str) -> None:
        self.id = blob_id
        self.size = 0
        self._blobs = blobs
        self._fd = -1
        self._gone = False
        self._lock = threading.Lock()
        self._writer: FileWriter | None = None

    def create(self, length: int | None) -> None:
        """Create the file. Raises `StorageFull` if ``length`` bytes cannot fit anyway."""
        self._blobs.check_room(length or 0)
        with self._lock:
            if not self._gone:
                flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
                self._fd = os.open(self._blobs.path(self.id), flags, 0o600)
                self._writer = FileWriter(self._fd, 0, direct=suits_direct(length))

    def write(self, data: bytes) -> None:
        """Append the bytes. Raises `StorageFull` where uploads may take no more."""
        with self._lock:
            writer = self._writable()
            check_room(self._fd, len(data))
            writer.write(data)
            self.size += len(data)

    def sync(self) -> None:
        """Make the bytes and the name of the file durable, and close it."""
        with self._lock:
            self._writable().settle()
            os.fsync(self._fd)
            self._close()
            sync_directory(self._blobs.path(self.id).parent)

    def discard(self) -> None:
        """Remove the blob, at whatever step it is, unless a transaction may have named it."""
        with self._lock:
            self._gone = True
            try:
                self._close()
                self._blobs.unlink(self.id)
            finally:
                self._blobs.in_flight.discard(self.id)

    def _writable(self) -> FileWriter:
        if self._fd < 0 or self._writer is None:
            raise OSError(errno.EBADF, "the blob was discarded, or never created")
        return self._writer

    def _close(self) -> None:
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)


class GrowingBlob:
    """The blob of an upload, while one append writes to it from ``size`` on.

    ``guard`` raises unless this append may still write. It is called under a lock that all appends
    to this blob share, in whatever process, and that is held for the length of one write. Methods
    may run in any thread; `close` waits for a call that is under way and is final. ``length`` is
    that of the upload, where it is known.
    """

    def __init__(
        self, path: Path, size: int, length: int | None, guard: Callable[[], None]
    ) -> None:
        self._path = path
        self._size = size
        self._length = length
        self._guard = guard
        self._fd = -1
        self._gone = False
        self._lock = threading.Lock()
        self._writer: FileWriter | None = None

    def open(self) -> None:
        """Open it, and cut off what an older append had written beyond ``size``.

        Raises `NoSuchUpload` where it is gone, or shorter than that.
        """
        with self._lock:
            if self._gone:
                return
            try:
                self._fd = os.open(self._path, os.O_RDWR | os.O_CLOEXEC)
            except FileNotFoundError:
                raise NoSuchUpload("The upload is lost; begin a new one.") from None
            self._writer = FileWriter(self._fd, self._size, direct=suits_direct(self._length))
            with self._guarded():
                if os.fstat(self._fd).st_size < self._size:
                    raise NoSuchUpload("A part of the upload is lost; begin a new one.")
                os.ftruncate(self._fd, self._size)

    def write(self, data: bytes) -> None:
        """Append the bytes. Raises `StorageFull` where uploads may take no more."""
        with self._lock, self._guarded():
            writer = self._writable()
            check_room(self._fd, len(data))
            writer.write(data)

    def sync(self) -> None:
        """Make the bytes durable; the name of the file has been since it was created."""
        with self._lock:
            with self._guarded():
                self._writable().settle()
            os.fsync(self._fd)

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            self._gone = True
            fd, self._fd = self._fd, -1
            if fd >= 0:
                os.close(fd)

    def _writable(self) -> FileWriter:
        if self._fd < 0 or self._writer is None:
            raise OSError(errno.EBADF, "the blob is not open any more")
        return self._writer

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        self._writable()
        fcntl.flock(self._fd, fcntl.LOCK_EX)
        try:
            self._guard()
            yield
        finally:
            fcntl.flock(self._fd, fcntl.LOCK_UN)


class OpenBlob:
    """One blob while it is read; it stays readable when it is unlinked meanwhile.

    Methods may run in any thread; `close` waits for a read that is under way and is final.
    """

    def __init__(self, blobs: Blobs) -> None:
        self._blobs = blobs
        self._fd = -1
        self._gone = False
        self._lock = threading.Lock()

    def open(self, blob_id: str, size: int) -> None:
        """Open it. Raises `FileNotFoundError`, and `StorageFailed` if it has not that size."""
        with self._lock:
            if self._gone:
                return
            self._fd = os.open(self._blobs.path(blob_id), os.O_RDONLY | os.O_CLOEXEC)
            if os.fstat(self._fd).st_size != size:
                raise StorageFailed("The stored content of this file is damaged.")

    @property
    def descriptor(self) -> int:
        """That of the file, while it is open."""
        return self._fd

    def read(self, offset: int, size: int) -> bytes:
        """Exactly ``size`` bytes from ``offset``. Raises `StorageFailed` if there are fewer."""
        with self._lock:
            if self._fd < 0:
                raise OSError(errno.EBADF, "the blob is not open any more")
            data = os.pread(self._fd, size, offset)
        if len(data) != size:
            raise StorageFailed("The stored content of this file ends too early.")
        return data

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            self._gone = True
            fd, self._fd = self._fd, -1
            if fd >= 0:
                os.close(fd)
