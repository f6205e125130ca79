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
from contextlib import ExitStack, closing
from pathlib import Path
from shutil import disk_usage

import apsw

from file_uploader.errors import ConfigurationError
from file_uploader.storage.local.blobs.blobs import Blobs, make_directory, sync_directory
from file_uploader.storage.local.index.checkpoints import Checkpoints
from file_uploader.storage.local.index.lookup import Lookup
from file_uploader.storage.local.index.reads import Index
from file_uploader.storage.local.index.rows import check_library, connect
from file_uploader.storage.local.index.writer import Writer

from . import link_key
from .locks import FileLock, Session, Turnstile


def has_store(path: Path) -> bool:
    """Whether there is a store in a directory."""
    return (path / "index.db").exists()


class DataDirectory:
    """Everything that is open in a data directory. Opening it blocks."""

    def __init__(self, path: Path) -> None:
        """Open the directory, and make it where it is missing (mode 0700).

        Raises `ConfigurationError` if it cannot be made, written or understood.
        """
        check_library()
        self.path = path
        with ExitStack() as opened:
            try:
                self._open(opened)
            except OSError as error:
                raise ConfigurationError(
                    "DATA_DIR: cannot create or write it:"
                    f" {error.strerror}: {error.filename or path}"
                ) from error
            except apsw.Error as error:
                raise ConfigurationError(
                    f"DATA_DIR: cannot use the index: {error}: {path / 'index.db'}"
                ) from error
            self._opened = opened.pop_all()

    def _open(self, opened: ExitStack) -> None:
        """Open all; ``opened`` closes it in the opposite order."""
        self.sessions = self.path / "sessions"
        make_directory(self.sessions)
        self.session = Session(self.sessions)
        opened.callback(self.session.end)
        self.blobs = Blobs(self.path / "blobs", self.session.id)
        self.blobs.prepare()
        self.turnstile = opened.enter_context(closing(Turnstile(self.path)))
        self.sweep_lock = opened.enter_context(closing(FileLock(self.path / "sweep.lock")))
        self.backup_lock = opened.enter_context(closing(FileLock(self.path / "backup.lock")))
        database = self.path / "index.db"
        with self.turnstile.held():
            link_key.remove_unfinished(self.path)
            index = Index(database)
        # Closes the last connection of this process, so it is the first of those that have one.
        self.checkpoints = opened.enter_context(closing(Checkpoints(database)))
        self.index = opened.enter_context(closing(index))
        self.lookup = opened.enter_context(closing(Lookup(database)))
        self.writer = Writer(connect(database), self.checkpoints.committed)
        sync_directory(self.path)

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
        self._opened.close()
