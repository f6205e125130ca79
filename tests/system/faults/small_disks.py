"""File systems of a few MiB, mounted for a test; it takes root."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path

from tests.support.bodies import KIB, MIB


@contextmanager
def tmpfs(place: Path, size: int) -> Iterator[Path]:
    """In memory: it is full the moment that a page is missing."""
    with _mounted(place, "-t", "tmpfs", "-o", f"size={size}", "tmpfs"):
        yield place


@contextmanager
def ext4(place: Path, size: int) -> Iterator[Path]:
    """On a loop device: what is written into the cache may find no room only when it is synced."""
    image = place.with_suffix(".img")
    with image.open("xb") as file:
        file.truncate(size)
    try:
        _run("mkfs.ext4", "-q", "-m", "0", image)
        with _mounted(place, "-o", "loop", image):
            yield place
    finally:
        image.unlink()


SMALL_DISKS: dict[str, Callable[[Path, int], AbstractContextManager[Path]]] = {
    "tmpfs": tmpfs,
    "ext4": ext4,
}
"""By their names: mounts one of so many bytes at a place, which is made."""


@contextmanager
def taken(place: Path) -> Iterator[None]:
    """All that is left on the disk at a place is taken by somebody else."""
    everything = place / "taken"
    for size in (MIB, KIB):
        with everything.open("ab", buffering=0) as file, suppress(OSError):
            while True:
                file.write(bytes(size))
                os.fdatasync(file.fileno())
    try:
        yield
    finally:
        everything.unlink()


@contextmanager
def _mounted(place: Path, *options: str | Path) -> Iterator[None]:
    place.mkdir()
    _run("mount", *options, place)
    try:
        yield
    finally:
        _run("umount", place)
        place.rmdir()


def _run(*command: str | Path) -> None:
    subprocess.run(command, check=True)
