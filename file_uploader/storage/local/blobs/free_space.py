"""Room on the file system: uploads leave some of it, so that files can be deleted when it is full.

A deletion writes to the index before it gives anything back. On a file system that uploads have
filled to the last byte it fails as they do, and then nobody can make room.
"""

from __future__ import annotations

import errno
import os
import sys
from pathlib import Path

from file_uploader.errors import StorageFull

RESERVE = 32 * 1024 * 1024
"""Bytes that uploads leave: what the WAL and the index can grow by until the WAL starts afresh."""


def room(place: int | str | Path) -> int:
    """Bytes that uploads may still take of a file system, by a descriptor or a path on it.

    Negative when there is less than the reserve. Raises `OSError`.
    """
    found = os.statvfs(place)
    return found.f_bavail * found.f_frsize - RESERVE if found.f_blocks else sys.maxsize


def check_room(place: int | str | Path, size: int) -> None:
    """Raise `StorageFull` unless an upload may take so many bytes more, and `OSError`."""
    left = room(place)
    if left < size:
        raise full(left, size)


def full(left: int, size: int) -> StorageFull:
    """What to raise where uploads may take ``left`` bytes more and one needs ``size``.

    Its cause, which is for the log, says why, where the file system itself may seem to have room.
    """
    error = StorageFull("No space is left to store this.")
    error.__cause__ = OSError(
        errno.ENOSPC,
        f"{size} bytes do not fit: uploads may take {max(0, left)} more, and leave the last"
        f" {RESERVE // 2**20} MiB of the file system so that files can be deleted",
    )
    return error
