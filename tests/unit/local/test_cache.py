"""What the kernel has cached of the index can be dropped while it is open, and locked."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from pathlib import Path

import pytest

from file_uploader.storage.local.index.page_cache import forget_cached

SIZE = 64 * 1024


def _is_cached(path: Path) -> bool:
    # Not by a read that does not wait (RWF_NOWAIT): that one reads ahead.
    command = ["fincore", "--noheadings", "--bytes", "--output", "RES", str(path)]
    return int(subprocess.run(command, capture_output=True, check=True).stdout) > 0


def _locked_elsewhere(path: Path) -> bool:
    """Whether another process finds the file locked."""
    source = (
        "import fcntl, sys; fcntl.lockf(open(sys.argv[1], 'r+'), fcntl.LOCK_EX | fcntl.LOCK_NB)"
    )
    done = subprocess.run([sys.executable, "-c", source, path], capture_output=True, check=False)
    return b"BlockingIOError" in done.stderr


def test_it_is_read_from_the_disk_again_and_stays_locked(tmp_path: Path) -> None:
    path = tmp_path / "index.db"
    if os.major(tmp_path.stat().st_dev) == 0:
        pytest.skip("a file system without a disk has everything in memory")
    fd = os.open(path, os.O_RDWR | os.O_CREAT)
    try:
        os.write(fd, b"x" * SIZE)
        os.fsync(fd)
        fcntl.lockf(fd, fcntl.LOCK_EX)
        assert _is_cached(path)
        forget_cached(path)
        assert not _is_cached(path)
        assert _locked_elsewhere(path)
    finally:
        os.close(fd)
    assert not _locked_elsewhere(path)


def test_a_file_that_is_not_there_has_nothing_to_forget(tmp_path: Path) -> None:
    forget_cached(tmp_path / "index.db-wal")
