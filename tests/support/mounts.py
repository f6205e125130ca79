"""Mounts of one's own: nobody else sees them, and they are gone with whoever made them."""

from __future__ import annotations

import contextlib
import ctypes
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

_CLONE_NEWNS = 0x00020000
_PATIENCE = 30.0

_libc = ctypes.CDLL(None, use_errno=True)


@contextlib.contextmanager
def private_mounts() -> Iterator[None]:
    """Give this thread, and what it starts, mounts of their own.

    The kernel undoes all of them when the last process that sees them has ended, however that
    happened. Threads that were started meanwhile have to end first. Needs root.
    """
    here = Path.cwd()
    outside = os.open("/proc/thread-self/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)
    try:
        _check(_libc.unshare(_CLONE_NEWNS))
        try:
            run("mount", "--make-rprivate", "/")
            yield
        finally:
            _check(_libc.setns(outside, _CLONE_NEWNS))
            os.chdir(here)
    finally:
        os.close(outside)


def leave_mounts() -> None:
    """Give this thread a copy of the mounts, for good: those to come are none of its business."""
    _check(_libc.unshare(_CLONE_NEWNS))


@contextlib.contextmanager
def mounted(kind: str, options: str, source: Path, target: Path) -> Iterator[None]:
    """Mount it. Raises `RuntimeError` with what ``mount`` said if that fails."""
    run("mount", "-t", kind, "-o", options, str(source), str(target))
    try:
        yield
    finally:
        run("umount", str(target))


def run(*command: str) -> None:
    """Run a program to its end. Raises `RuntimeError` with its output if it fails."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=_PATIENCE, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stdout}{done.stderr}")


def _check(result: int) -> None:
    if result:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
