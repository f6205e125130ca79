"""The data directory: what is in it, opened for one process.

::

    DATA_DIR/
    ├── index.db, -wal, -shm   which files there are, and the small ones
    ├── blobs/<2 hex>/         the contents of the others
    ├── sessions/              one locked file for each process that writes
    ├── link.key               what signs links, where the store has to keep it
    └── *.lock                 the turns for writing, and who sweeps or makes a backup
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from shutil import disk_usage
from typing import Self

import apsw

from file_uploader.errors import ConfigurationError
from file_uploader.storage.local.blobs.blobs import Blobs, make_directory, sync_directory
from file_uploader.storage.local.index.checkpoints import Checkpoints
from file_uploader.storage.local.index.lookup import Lookup
from file_uploader.storage.local.index.reads import Index
from file_uploader.storage.local.index.rows import check_library, connect
from file_uploader.storage.local.index.writer import Writer

from . import key
from .locks import FileLock, Session, Turnstile


def has_store(path: Path) -> bool:
    """Whether there is a store in a directory."""
    return (path / "index.db").exists()


@dataclass(frozen=True, slots=True)
class DataDirectory:
    """Everything that is open in a data directory. Build it with `open`; it blocks."""

    path: Path
    sessions: Path
    session: Session
    blobs: Blobs
    turnstile: Turnstile
    sweep_lock: FileLock
    backup_lock: FileLock
    index: Index
    lookup: Lookup
    writer: Writer
    checkpoints: Checkpoints

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open the directory, and make it where it is missing (mode 0700).

        Raises `ConfigurationError` if it cannot be made, written or understood.
        """
        check_library()
        try:
            return cls._open(path)
        except OSError as error:
            raise ConfigurationError(
                f"DATA_DIR: cannot create or write it: {error.strerror}: {error.filename or path}"
            ) from error
        except apsw.Error as error:
            raise ConfigurationError(
                f"DATA_DIR: cannot use the index: {error}: {path / 'index.db'}"
            ) from error

    @classmethod
    def _open(cls, path: Path) -> Self:
        sessions = path / "sessions"
        make_directory(sessions)
        with ExitStack() as undo:
            session = Session.begin(sessions)
            undo.callback(session.end)
            blobs = Blobs(path / "blobs", session.id)
            blobs.prepare()
            turnstile = Turnstile(path)
            undo.callback(turnstile.close)
            sweep_lock = FileLock(path / "sweep.lock")
            undo.callback(sweep_lock.close)
            backup_lock = FileLock(path / "backup.lock")
            undo.callback(backup_lock.close)
            database = path / "index.db"
            with turnstile.held():
                key.remove_unfinished(path)
                index = Index.open(database)
            lookup = Lookup(database)
            undo.callback(lookup.close)
            checkpoints = Checkpoints(database)
            undo.callback(checkpoints.close)
            writer = Writer(connect(database), checkpoints.committed)
            sync_directory(path)
            undo.pop_all()
        return cls(
            path,
            sessions,
            session,
            blobs,
            turnstile,
            sweep_lock,
            backup_lock,
            index,
            lookup,
            writer,
            checkpoints,
        )

    def check(self) -> None:
        """Read and write a little. Raises `OSError` and `apsw.Error`."""
        self.index.check()
        self.session.touch()

    def vitals(self) -> Mapping[str, float]:
        """See `Storage.vitals`. Raises `OSError`."""
        wal = self.path / "index.db-wal"
        return {
            "wal_bytes": wal.stat().st_size if wal.exists() else 0,
            "disk_free_bytes": disk_usage(self.path).free,
        }

    def close(self) -> None:
        """Let go of everything but the writer, which whoever writes closes."""
        self.index.close()
        self.lookup.close()
        self.checkpoints.close()
        self.turnstile.close()
        self.sweep_lock.close()
        self.backup_lock.close()
        self.session.end()
