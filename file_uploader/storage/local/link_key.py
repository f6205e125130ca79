"""The key of links, in a file of its own beside the index, so that a backup can leave it out."""

from __future__ import annotations

import errno
import os
import secrets
from contextlib import closing
from pathlib import Path

from file_uploader.errors import StorageFailed
from file_uploader.storage.local.blobs.blobs import sync_directory

from .locks import Turnstile

NAME = "link.key"
_NEW = "link.key.new"

KEY_SIZE = 32
"""Bytes of the key."""


def kept_key(directory: Path, new: bytes | None = None) -> bytes:
    """The key, made where it is missing (mode 0600). It blocks; any process may do it at any time.

    It is ``new`` then, or a random one.

    Raises `OSError`, and `StorageFailed` for a file that holds no such key.
    """
    # Locks of its own: those of the process are held by its threads, whose commits have no part.
    with closing(Turnstile(directory)) as turnstile, turnstile.held():
        path = directory / NAME
        if path.exists():
            sync_directory(directory)  # Whoever made it may have crashed before this.
        else:
            _make(directory / _NEW, path, new or secrets.token_bytes(KEY_SIZE))
        key = path.read_bytes()
    if len(key) != KEY_SIZE:
        raise StorageFailed("The key of links that the store keeps is damaged.")
    return key


def remove_unfinished(directory: Path) -> None:
    """Remove what a crash left aside, under the lock for writing."""
    (directory / _NEW).unlink(missing_ok=True)


def _make(new: Path, path: Path, key: bytes) -> None:
    """Write a key aside, give it its name, and make both durable; nothing is left if that fails."""
    new.unlink(missing_ok=True)
    try:
        fd = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            if os.pwrite(fd, key, 0) < len(key):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.fsync(fd)
        finally:
            os.close(fd)
        new.rename(path)
        sync_directory(path.parent)
    except BaseException:
        new.unlink(missing_ok=True)
        path.unlink(missing_ok=True)  # A sync that was tried again would prove nothing.
        raise
