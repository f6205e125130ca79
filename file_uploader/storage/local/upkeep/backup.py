"""Backups of a store, made while it is in use, and put back.

A backup is a directory with an ``index.db`` and ``blobs/``, as `DataDirectory` has them. The blobs
are there first; then the index gets its name, and with it everything changes at once: so a backup
is complete or none, and one that is brought up to date is the old one until it is the new one.

The index is copied as it is at one moment. A blob that it names never changes, but for being
appended to, and is removed only after a later transaction: which is why nobody removes any while
``backup.lock`` is held. That would hold up room on the disk for as long as all is copied. So a
first round copies what it can without, and a second one what has come meanwhile.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import ExitStack, closing
from pathlib import Path

from file_uploader.errors import ConfigurationError, StorageUnavailable
from file_uploader.storage.local.failures import translated
from file_uploader.storage.local.index.rows import SCHEMA_VERSION, connect
from file_uploader.storage.local.locks import FileLock, Turnstile, is_dead

from .copies import INDEX, Copied, Copy, Watcher, read_only

_LOCK = "backup.lock"
_MARK = "this-is-a-backup"
"""A file that no store has: what is not marked so is not written over. Its lock is the target's."""


async def back_up(directory: Path, target: Path, watcher: Watcher) -> Copied:
    """Copy a store that may be in use, into a new directory or one with an older backup.

    Raises `ConfigurationError` for a target that is neither, and `StorageError`. When it is
    cancelled, the target is what it was before.
    """
    copy = Copy(directory, target, watcher)
    return await _ended(copy, lambda: _back_up(copy, directory, target))


async def restore(backup: Path, directory: Path, watcher: Watcher) -> Copied:
    """Copy a backup to where a store is to be, and is not yet.

    Raises `ConfigurationError` where that cannot be, and `StorageError`. When it is cancelled,
    there is no store yet, and it can be begun again.
    """
    copy = Copy(backup, directory, watcher)
    return await _ended(copy, lambda: _restore(copy, backup, directory))


async def _ended(copy: Copy, act: Callable[[], None]) -> Copied:
    """Have a thread do it; when cancelled, leave once that has stopped."""
    acting = asyncio.get_running_loop().run_in_executor(None, act)
    try:
        await asyncio.shield(acting)
    except asyncio.CancelledError:
        copy.stopping.set()
        await asyncio.gather(acting, return_exceptions=True)
        raise
    return copy.copied


def _back_up(copy: Copy, directory: Path, target: Path) -> None:
    if (target / INDEX).exists() and not (target / _MARK).exists():
        raise ConfigurationError(f"{target} holds a store, and no backup.")
    _check_unused(target)
    translated(_copy_used, copy, directory, target)


def _copy_used(copy: Copy, directory: Path, target: Path) -> None:
    with ExitStack() as held:
        copy.prepare()
        mine = held.enter_context(closing(FileLock(target / _MARK)))
        if not mine.try_acquire():
            raise StorageUnavailable(f"Another backup to {target} is being made just now.")
        _copy_index(copy, directory)
        copy.copy_blobs(tolerant=True)
        everybodys = held.enter_context(closing(FileLock(directory / _LOCK)))
        copy.take(everybodys)
        _copy_index(copy, directory)
        copy.copy_blobs()
        everybodys.release()
        copy.publish()
        copy.prune()


def _check_unused(backup: Path) -> None:
    """Raise `ConfigurationError` for a backup that is used as a store."""
    sessions, log = backup / "sessions", backup / f"{INDEX}-wal"
    alive = any(not is_dead(sessions, path.name, remove=False) for path in sessions.glob("*"))
    if alive or (log.exists() and log.stat().st_size):
        raise ConfigurationError(f"{backup} is served as a store, or was and was not closed.")


def _copy_index(copy: Copy, directory: Path) -> None:
    with closing(connect(directory / INDEX)) as source:
        copy.copy_index(source)


def _restore(copy: Copy, backup: Path, directory: Path) -> None:
    if not (backup / INDEX).exists():
        raise ConfigurationError(f"{backup} is no backup, or one that was not finished.")
    _check_unused(backup)
    if any((directory / name).exists() for name in (INDEX, f"{INDEX}-wal")):
        raise ConfigurationError(
            f"DATA_DIR: {directory} holds a store already; move it away first."
        )
    translated(_copy_back, copy, backup, directory)


def _copy_back(copy: Copy, backup: Path, directory: Path) -> None:
    with ExitStack() as held:
        copy.prepare()
        # A server that is started meanwhile waits for it, and then finds the store.
        turnstile = held.enter_context(closing(Turnstile(directory)))
        held.enter_context(turnstile.held())
        source = held.enter_context(closing(read_only(backup / INDEX)))
        found = source.pragma("user_version")
        if not 0 < found <= SCHEMA_VERSION:
            raise ConfigurationError(
                f"{backup} has schema {found}, and this version knows {SCHEMA_VERSION}; use the"
                " version of file-uploader that made it."
            )
        copy.copy_index(source)
        copy.copy_blobs()
        copy.publish()
