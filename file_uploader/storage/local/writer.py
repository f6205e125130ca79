"""The writing side of the index: what one transaction can do."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress

import apsw

from file_uploader.errors import NoSuchFile
from file_uploader.model import Container, FileInfo, FileName, Precondition

from .rows import BUSY_TIMEOUT, WAL_LIMIT, Draft, Stored, encoded, find, key, time_of

CHECKPOINT_PAGES = 1_000
"""Pages in the WAL from which on they are copied into the database, without waiting for anyone."""

TRUNCATE_PAGES = WAL_LIMIT // 4096
"""Pages in the WAL from which on a checkpoint waits for readers, to start it afresh."""


class Writer:
    """The connection for writing, and what can be done in its transactions."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection
        self._wal_pages = 0
        self._truncate_at = TRUNCATE_PAGES
        connection.wal_autocheckpoint(0)  # `checkpoint` does it, when nobody waits for an answer.
        connection.set_wal_hook(self._committed)

    @property
    def system_errno(self) -> int:
        """The errno of the last failure in the file system."""
        return self._connection.system_errno

    def transact(self, work: Callable[[Writer], None]) -> None:
        """Run ``work`` in a transaction; it has happened, durably, once this returns.

        After an `apsw.Error` it has not happened as far as any process can see, but may turn out
        to have happened if all of them crash before the next transaction is committed.
        """
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            work(self)
            self._connection.execute("COMMIT")
        finally:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")

    def put(
        self, container: Container, name: FileName, draft: Draft, precondition: Precondition
    ) -> tuple[FileInfo, str | None]:
        """Make the draft the current version; return it, and the blob that it replaces.

        Raises `PreconditionFailed`, and then has changed nothing.
        """
        current = find(self._connection, container, name)
        precondition.check(None if current is None else current.info)
        content = None
        if draft.data is not None:
            self._connection.execute("INSERT INTO contents (data) VALUES (?)", (draft.data,))
            content = self._connection.last_insert_rowid()
        modified = time.time_ns() // 1_000
        self._connection.execute(
            "REPLACE INTO files"
            " (container, name, size, sha256, modified, metadata, blob, content)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (
                key(container),
                name.value,
                draft.size,
                draft.sha256,
                modified,
                encoded(draft.metadata),
                draft.blob,
                content,
            ),
        )
        info = FileInfo(
            name, draft.size, draft.sha256.hex(), time_of(modified), draft.metadata, draft.sha256
        )
        return info, None if current is None else self._drop_content(current)

    def delete(
        self, container: Container, name: FileName, precondition: Precondition
    ) -> str | None:
        """Remove the file; return the blob that it had.

        Raises `NoSuchFile` and `PreconditionFailed`, and then has changed nothing.
        """
        current = find(self._connection, container, name)
        if current is None:
            raise NoSuchFile("There is no such file.")
        precondition.check(current.info)
        self._connection.execute(
            "DELETE FROM files WHERE container = ? AND name = ?", (key(container), name.value)
        )
        return self._drop_content(current)

    def condemn(self, blobs: Iterable[str]) -> list[str]:
        """Make those of the blobs garbage that no row names; return them."""
        used = "SELECT 1 FROM files WHERE blob = ?"
        condemned = []
        for blob in blobs:
            if not self._connection.execute(used, (blob,)).fetchall():
                self._connection.execute("REPLACE INTO garbage VALUES (?)", (blob,))
                condemned.append(blob)
        return condemned

    def forget(self, blobs: Sequence[str]) -> None:
        """Say that the files of these blobs are gone."""
        if blobs:
            self._connection.executemany(
                "DELETE FROM garbage WHERE blob = ?", ((blob,) for blob in blobs)
            )

    def checkpoint(self) -> None:
        """Copy the WAL into the database if it is long enough to be worth it.

        Without waiting for readers the WAL grows on for as long as there is always one; past
        `TRUNCATE_PAGES` it is worth a short wait.
        """
        if self._wal_pages < CHECKPOINT_PAGES:
            return
        with suppress(apsw.BusyError):  # Another process is doing it.
            self._connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
        if self._wal_pages < self._truncate_at:
            return
        self._connection.set_busy_timeout(100)
        try:
            self._connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
            self._truncate_at = TRUNCATE_PAGES
        except apsw.BusyError:
            # A backup is being made, perhaps: do not stop all writers for it time and again.
            self._truncate_at = 2 * self._wal_pages
        finally:
            self._connection.set_busy_timeout(BUSY_TIMEOUT)

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def _drop_content(self, stored: Stored) -> str | None:
        if stored.blob is not None:
            self._connection.execute("INSERT INTO garbage VALUES (?)", (stored.blob,))
        else:
            self._connection.execute("DELETE FROM contents WHERE id = ?", (stored.content,))
        return stored.blob

    def _committed(self, _connection: apsw.Connection, _name: str, pages: int) -> int:
        self._wal_pages = pages
        return apsw.SQLITE_OK
