"""One blob while it is written: into the page cache if it is small, and else around it.

With ``O_DIRECT`` the disk takes the bytes from here, not from a copy in the cache: that saves a
third of what a large upload costs, and leaves the cache to the index and to what is read. It takes
whole blocks, from memory that begins at a page: so the bytes go through a buffer that each thread
has, and what is less than a block waits for more.
"""

from __future__ import annotations

import errno
import fcntl
import mmap
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from file_uploader.errors import NoSuchUpload

from .blobs import Blobs, sync_directory
from .free_space import check_room

DIRECT_FROM = 4 * 1024 * 1024
"""Bytes of a file from which on it pays; what is smaller is also more likely to be read soon."""

WRITEBACK = 8 * 1024 * 1024
"""Bytes in the cache after which the kernel is told to write: `fsync` then finds little to do."""

_BLOCK = 4096
_BUFFER = 1024 * 1024

_of_thread = threading.local()


class WritableBlob:
    """A blob that bytes are appended to: `create` or `resume`, `write`, `sync`; in the end `close`.

    ``length`` is that of the content, None where it is not known yet. With a ``guard``, other
    processes may have the blob open as well: whatever is done to it is done under a lock on the
    file, held for the length of one call, and after ``guard``, which raises what forbids it.

    Every method may run in any thread, and waits for a call that is under way, so that no
    descriptor is closed under a write. A write or sync that failed is never tried again: what the
    kernel then does with the pages is not known, so that success would prove nothing.
    """

    def __init__(
        self,
        blobs: Blobs,
        blob_id: str,
        length: int | None,
        *,
        position: int = 0,
        guard: Callable[[], None] | None = None,
    ) -> None:
        self.id = blob_id
        self._blobs = blobs
        self._length = length
        self._position = position
        self._written_back = position
        self._guard = guard
        self._fd = -1
        self._gone = False
        self._lock = threading.RLock()
        self._direct = False
        self._left = b""
        """Bytes behind the position, less than a block, that wait for more."""

    def create(self) -> None:
        """Create the file. Raises `StorageFull` if ``length`` bytes cannot fit anyway."""
        check_room(self._blobs.directory, self._length or 0)
        with self._lock:
            self._open(os.O_WRONLY | os.O_CREAT | os.O_EXCL)

    def resume(self) -> None:
        """Open it, and cut off what an older append had written beyond the position.

        Raises `NoSuchUpload` where it is gone, or shorter than that.
        """
        with self._lock:
            try:
                self._open(os.O_RDWR)
            except FileNotFoundError:
                raise NoSuchUpload("The upload is lost; begin a new one.") from None
            if self._gone:
                return
            with self._guarded():
                if os.fstat(self._fd).st_size < self._position:
                    raise NoSuchUpload("A part of the upload is lost; begin a new one.")
                os.ftruncate(self._fd, self._position)

    def write(self, data: bytes) -> None:
        """Append the bytes; up to a block of them may wait here until `sync`.

        Raises `StorageFull` where uploads may take no more.
        """
        with self._lock, self._guarded():
            check_room(self._fd, len(data))
            if self._direct or self._left:
                self._write_blocks(data)
            else:
                self._write_all(memoryview(data))

    def sync(self) -> None:
        """Make the bytes durable, and of a new blob, which is closed then, the name as well."""
        with self._lock:
            with self._guarded():
                if self._left:
                    left, self._left = self._left, b""
                    self._leave_direct()
                    self._write_all(memoryview(left))
            os.fsync(self._fd)
            if self._guard is None:
                self.close()
                sync_directory(self._blobs.path(self.id).parent)

    def close(self) -> None:
        """Let go of the file, for good: a call that comes later does nothing or raises."""
        with self._lock:
            self._gone = True
            fd, self._fd = self._fd, -1
            if fd >= 0:
                os.close(fd)

    def discard(self) -> None:
        """Remove the blob, at whatever step it is, unless a transaction may have named it."""
        with self._lock:
            try:
                self.close()
                self._blobs.unlink(self.id)
            finally:
                self._blobs.in_flight.discard(self.id)

    def _open(self, flags: int) -> None:
        if not self._gone:
            self._fd = os.open(self._blobs.path(self.id), flags | os.O_CLOEXEC, 0o600)
            suits = self._length is None or self._length >= DIRECT_FROM
            self._direct = suits and self._position % _BLOCK == 0 and _set_direct(self._fd)

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        if self._fd < 0:
            raise OSError(errno.EBADF, "the blob is not open any more")
        if self._guard is None:
            yield
            return
        fcntl.flock(self._fd, fcntl.LOCK_EX)
        try:
            self._guard()
            yield
        finally:
            fcntl.flock(self._fd, fcntl.LOCK_UN)

    def _write_blocks(self, data: bytes) -> None:
        buffer, rest = _buffer(), memoryview(data)
        while len(self._left) + len(rest) >= _BLOCK:
            filled = len(self._left)
            taken = min(len(rest), _BUFFER - filled)
            buffer[:filled] = self._left
            buffer[filled : filled + taken] = rest[:taken]
            whole = (filled + taken) // _BLOCK * _BLOCK
            self._write_all(buffer[:whole])
            self._left, rest = bytes(buffer[whole : filled + taken]), rest[taken:]
        self._left += rest

    def _write_all(self, rest: memoryview) -> None:
        while rest:
            try:
                written = os.pwrite(self._fd, rest, self._position)
            except OSError as error:
                # Some file systems say only now that they cannot; nothing was written then.
                if error.errno != errno.EINVAL or not self._direct:
                    raise
                self._leave_direct()
                continue
            self._position += written
            rest = rest[written:]
        dirty = self._position - self._written_back
        if dirty >= WRITEBACK and not self._direct:
            # Queued for the disk, and still cached; nothing waits here.
            os.posix_fadvise(self._fd, self._written_back, dirty, os.POSIX_FADV_DONTNEED)
            self._written_back = self._position

    def _leave_direct(self) -> None:
        if self._direct:
            self._direct = False
            flags = fcntl.fcntl(self._fd, fcntl.F_GETFL)
            fcntl.fcntl(self._fd, fcntl.F_SETFL, flags & ~os.O_DIRECT)


def _set_direct(fd: int) -> bool:
    """Write around the cache from now on; whether the file system can do that."""
    flags = fcntl.fcntl(fd, fcntl.F_GETFL)
    try:
        fcntl.fcntl(fd, fcntl.F_SETFL, flags | os.O_DIRECT)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        return False
    return True


def _buffer() -> memoryview:
    """The one of this thread."""
    found: memoryview | None = getattr(_of_thread, "buffer", None)
    if found is None:
        found = _of_thread.buffer = memoryview(mmap.mmap(-1, _BUFFER))
    return found
