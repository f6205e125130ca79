"""The writing side of the index: what one transaction can do."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Any

import apsw

from file_uploader.errors import NoSuchFile, NoSuchUpload, Superseded
from file_uploader.model.conditions import Precondition
from file_uploader.model.files import FileInfo
from file_uploader.model.names import Container, FileName
from file_uploader.model.uploads import Upload, UploadState
from file_uploader.storage import records
from file_uploader.storage.local.blobs.free_space import full, room

from .page_cache import forget_cached
from .rows import (
    NAMED,
    PAGE,
    Draft,
    blob_of,
    find,
    find_upload,
    key,
    microseconds_of,
    now,
    time_of,
    typed,
)


class Writer:
    """The connection for writing, and what can be done in its transactions.

    ``committed`` is SQLite's WAL hook: it is told after each how many pages are in the WAL.
    """

    def __init__(
        self, connection: apsw.Connection, committed: Callable[[apsw.Connection, str, int], int]
    ) -> None:
        self._connection = connection
        self._room: int | None = None
        """Bytes that this transaction may still store in the index, once that was looked at."""
        connection.wal_autocheckpoint(0)  # `checkpoints` does it, where nobody waits for it.
        connection.set_wal_hook(committed)

    @property
    def system_errno(self) -> int:
        """The errno of the last failure in the file system."""
        return self._connection.system_errno

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """A block in a transaction, which has happened, durably, once the block has ended.

        After an `apsw.Error` it has not happened as far as any process can see, but may turn out
        to have happened if all of them crash before the next transaction is committed. After an
        error of the disk nothing is built on what it may not have written; so the block has to end
        before anybody else may write to the database or its WAL.
        """
        try:
            try:
                self._connection.execute("BEGIN IMMEDIATE")
                self._room = None
                yield
                self._connection.execute("COMMIT")
            finally:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
        except (apsw.IOError, OSError):
            forget_cached(self._connection.filename)
            raise

    def check_room(self, size: int) -> None:
        """Raise `StorageFull` unless this transaction may store a content of so many bytes more.

        What was deleted from the index leaves room in it, and gives none to the file system.
        """
        if self._room is None:
            unused = self._connection.pragma("freelist_count") * PAGE
            self._room = room(self._connection.filename) + unused
        if self._room < size:
            raise full(self._room, size)
        self._room -= size

    def put(
        self, container: Container, name: FileName, draft: Draft, precondition: Precondition
    ) -> tuple[FileInfo, list[str]]:
        """Make the draft the current version; return it, and the blob that became garbage.

        Raises `PreconditionFailed`, and then has changed nothing.
        """
        if precondition:  # Else the row is not read: whoever replaces a damaged one mends it.
            self._check(container, name, precondition)
        replaced = self._place(container, name)
        content = None
        if draft.data is not None:
            self._connection.execute("INSERT INTO contents (data) VALUES (?)", (draft.data,))
            content = self._connection.last_insert_rowid()
        modified = draft.modified or now()
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
                json.dumps(records.metadata_to_json(draft.metadata)),
                draft.blob,
                content,
            ),
        )
        info = FileInfo(
            name, draft.size, draft.sha256.hex(), time_of(modified), draft.metadata, draft.sha256
        )
        return info, [] if replaced is None else self._drop_content(*replaced)

    def delete(self, container: Container, name: FileName, precondition: Precondition) -> list[str]:
        """Remove the file; return the blob that became garbage.

        Raises `NoSuchFile` and `PreconditionFailed`, and then has changed nothing.
        """
        removed = self._place(container, name)
        if removed is None:
            raise NoSuchFile("There is no such file.")
        if precondition:
            self._check(container, name, precondition)
        self._connection.execute(
            "DELETE FROM files WHERE container = ? AND name = ?", (key(container), name.value)
        )
        return self._drop_content(*removed)

    def condemn(self, blobs: Iterable[str]) -> list[str]:
        """Make those of the blobs garbage that no row names; return them."""
        condemned = []
        for blob in blobs:
            if not self._connection.execute(NAMED, (blob,)).fetchall():
                condemned += self._waste(blob)
        return condemned

    def forget(self, blobs: Iterable[str]) -> None:
        """Say that the files of these blobs are gone."""
        self._connection.executemany(
            "DELETE FROM garbage WHERE blob = ?", ((blob,) for blob in blobs)
        )

    def add_upload(self, container: Container, upload: Upload) -> Upload:
        """Write down a new upload."""
        self._connection.execute(
            "INSERT INTO uploads (container, id, version, generation, ends, record, blob)"
            " VALUES (?, ?, 1, ?, ?, ?, ?)",
            (key(container), upload.id, *_columns(upload)),
        )
        return replace(upload, version="1")

    def swap_upload(self, container: Container, upload: Upload) -> Upload:
        """Replace the record of an upload that still has its version.

        Raises `Superseded` and `NoSuchUpload`, and then has changed nothing.
        """
        current = find_upload(self._connection, container, upload.id)
        if current.version != upload.version:
            raise Superseded("Another request has taken this upload over.")
        version = int(current.version) + 1
        self._connection.execute(
            "UPDATE uploads SET version = ?, generation = ?, ends = ?, record = ?, blob = ?"
            " WHERE container = ? AND id = ?",
            (version, *_columns(upload), key(container), upload.id),
        )
        return replace(upload, version=str(version))

    def complete_upload(
        self, container: Container, upload: Upload, draft: Draft | None
    ) -> tuple[Upload, list[str]]:
        """Make the draft, if there is one, the file of a completing upload.

        Returns the record after that, and the blobs that became garbage. Whoever comes second
        finds the upload complete, and its draft is garbage too.

        Raises `PreconditionFailed` and `NoSuchUpload`, and then has changed nothing.
        """
        current = find_upload(self._connection, container, upload.id)
        own = blob_of(current)
        made = None if draft is None else draft.blob
        if current.state is UploadState.COMPLETE:
            return current, [] if made is None or made == own else self.condemn([made])
        if current.state is UploadState.CANCELLED:
            raise NoSuchUpload("The upload was cancelled.")
        complete = replace(upload, state=UploadState.COMPLETE, version=current.version)
        name = upload.plan.name
        if draft is None or name is None:
            return self.swap_upload(container, complete), []
        info, garbage = self.put(container, name, draft, upload.plan.precondition)
        complete = self.swap_upload(container, replace(complete, result=info, held={}))
        if own is not None and own != made:
            garbage += self._waste(own)
        return complete, garbage

    def remove_upload(self, container: Container, upload_id: str) -> list[str]:
        """Forget an upload; return the blob that became garbage."""
        try:
            upload = find_upload(self._connection, container, upload_id)
        except NoSuchUpload:
            return []
        self._connection.execute(
            "DELETE FROM uploads WHERE container = ? AND id = ?", (key(container), upload_id)
        )
        blob = blob_of(upload)
        return [] if blob is None else self._waste(blob)

    def remove_ended_uploads(self, count: int) -> tuple[int, list[str]]:
        """Forget up to ``count`` uploads that have expired or were cancelled.

        Returns their number, and the blobs that became garbage.
        """
        sql = (  # As bytes: a damaged row goes like any other.
            "SELECT container, CAST(id AS BLOB), CAST(blob AS BLOB) FROM uploads"
            " WHERE ends <= ? LIMIT ?"
        )
        ended = list(typed(self._connection.execute(sql, (now(), count))))
        garbage: list[str] = []
        for container, upload_id, blob in ended:
            self._connection.execute(
                "DELETE FROM uploads WHERE container = ? AND id = CAST(? AS TEXT)",
                (container, upload_id),
            )
            if blob is not None and blob.isascii():
                garbage += self._waste(blob.decode())
        return len(ended), garbage

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def _check(self, container: Container, name: FileName, precondition: Precondition) -> None:
        """Raise `PreconditionFailed` unless the file is as demanded."""
        current = None
        with suppress(NoSuchFile):
            current = find(self._connection, container, name).info
        precondition.check(current)

    def _place(self, container: Container, name: FileName) -> tuple[str | None, int | None] | None:
        """The blob and the content of the file as it is; None if there is none."""
        sql = "SELECT blob, content FROM files WHERE container = ? AND name = ?"
        found: list[tuple[Any, ...]]
        found = self._connection.execute(sql, (key(container), name.value)).fetchall()
        return found[0] if found else None

    def _drop_content(self, blob: str | None, content: int | None) -> list[str]:
        if blob is not None:
            return self._waste(blob)
        self._connection.execute("DELETE FROM contents WHERE id = ?", (content,))
        return []

    def _waste(self, blob: str) -> list[str]:
        self._connection.execute("REPLACE INTO garbage VALUES (?)", (blob,))
        return [blob]


def _columns(upload: Upload) -> tuple[int, int, str, str | None]:
    """The generation, end, record and blob of an upload, as the tables have them."""
    cancelled = upload.state is UploadState.CANCELLED
    ends = 0 if cancelled else microseconds_of(upload.expires)
    return upload.generation, ends, records.dumps(upload), blob_of(upload)
