"""Writing around the page cache (``O_DIRECT``).

The disk takes the bytes from here, not from a copy in the cache: that saves a third of what a large
upload costs, and leaves the cache to the index and to what is read. It takes whole blocks, from
memory that begins at a page: so the bytes go through a buffer that each thread has, and what is
less than a block waits for more.
"""

from __future__ import annotations

import errno
import fcntl
import mmap
import os
import threading

DIRECT_FROM = 4 * 1024 * 1024
"""Bytes of a file from which on it pays; what is smaller is also more likely to be read soon."""

WRITEBACK = 8 * 1024 * 1024
"""Bytes in the cache after which the kernel is told to write: `fsync` then finds little to do."""

_BLOCK = 4096
_BUFFER = 1024 * 1024

_of_thread = threading.local()


def suits_direct(length: int | None) -> bool:
    """Whether to write a file of this length around the cache; None: it is not known yet."""
    return length is None or length >= DIRECT_FROM


class FileWriter:
    """Appends to an open file from ``position`` on. It may be used from one thread after the other.

    Around the cache where ``direct`` asks for it, the file system can do it and the position is at
    a block; that is decided by the first `write`.
    """

    def __init__(self, fd: int, position: int, *, direct: bool) -> None:
        self._fd = fd
        self._position = position
        self._written_back = position
        self._left = b""
        self._direct = direct and position % _BLOCK == 0 and _set_direct(fd, wanted=True)

    def write(self, data: bytes) -> None:
        """Append bytes; up to a block of them may wait here until `settle`. Raises `OSError`."""
        if self._direct:
            self._write_blocks(data)
        else:
            self._write_cached(data)

    def settle(self) -> None:
        """Write what waits: before an `fsync`. Raises `OSError`."""
        if self._left:
            left, self._left = self._left, b""
            self._leave_direct()
            self._write_cached(left)

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

    def _write_cached(self, data: bytes) -> None:
        self._write_all(memoryview(data))
        dirty = self._position - self._written_back
        if dirty >= WRITEBACK:
            # Queued for the disk, and still cached; nothing waits here.
            os.posix_fadvise(self._fd, self._written_back, dirty, os.POSIX_FADV_DONTNEED)
            self._written_back = self._position

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

    def _leave_direct(self) -> None:
        if self._direct:
            self._direct = False
            _set_direct(self._fd, wanted=False)


def _set_direct(fd: int, *, wanted: bool) -> bool:
    """Switch it on or off; whether it is on then."""
    flags = fcntl.fcntl(fd, fcntl.F_GETFL)
    flags = flags | os.O_DIRECT if wanted else flags & ~os.O_DIRECT
    try:
        fcntl.fcntl(fd, fcntl.F_SETFL, flags)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        return False
    return wanted


def _buffer() -> memoryview:
    """The one of this thread."""
    found: memoryview | None = getattr(_of_thread, "buffer", None)
    if found is None:
        found = _of_thread.buffer = memoryview(mmap.mmap(-1, _BUFFER))
    return found
