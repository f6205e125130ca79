"""What the kernel has cached of a file, where the disk may have something else.

Pages that could not be written stay in the cache and count as clean. On ext4 a new block of that
kind stays lost even when it is written again: `fsync` succeeds, and after a crash there are zeros.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path


def forget_cached(database: str | Path) -> None:
    """Have a database and its WAL be read from the disk again, but for what is to be written."""
    for path in (Path(f"{database}-wal"), Path(database)):
        if (fd := descriptor_of(path)) is not None:
            os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)


def descriptor_of(path: Path) -> int | None:
    """Any descriptor of this process for a file that SQLite has open; None if there is none.

    To open the file once more will not do: closing it would drop SQLite's locks on it.
    """
    with suppress(FileNotFoundError):
        wanted = path.stat()
        for entry in Path("/proc/self/fd").iterdir():
            with suppress(OSError):  # It is closed by now, such as the one that lists them.
                if os.path.samestat(os.fstat(int(entry.name)), wanted):
                    return int(entry.name)
    return None
