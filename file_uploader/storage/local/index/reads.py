"""The reading side of the index: which files there are, and where their bytes are. It blocks.

Any number of threads take a connection each for the length of one query. No query is held open
between two calls: a reader that never ended would make the WAL grow without end.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Self

import apsw

from file_uploader.errors import ConfigurationError, NoSuchUpload, Superseded
from file_uploader.model.files import Usage
from file_uploader.model.listing import after_prefix
from file_uploader.model.names import (
    Container,
    FileName,
    is_container_name,
)
from file_uploader.model.uploads import Upload

from .rows import (
    FIND_WITH_DATA,
    SCHEMA_FROM,
    SCHEMA_VERSION,
    Stored,
    connect,
    find,
    find_upload,
    key,
    now,
    text_of,
    there,
    typed,
)

_COUNTED_AT_ONCE = 50_000
"""Files that are counted in one look: as long as it takes to read some pages of a list."""


class Index:
    """The database and its reading connections. Build it with `open`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._idle: list[apsw.Connection] = []
        self._lock = threading.Lock()

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open the database, and make it where there is none. One process at a time.

        Raises `ConfigurationError` for a schema that this version does not know, and `apsw.Error`.
        """
        # So that only the owner reads it, whatever the directory allows.
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        with closing(connect(path)) as connection:
            if connection.pragma("journal_mode", "wal") != "wal":
                raise ConfigurationError(
                    "DATA_DIR: its file system has no shared memory, which SQLite's WAL needs; a"
                    " local one has."
                )
            found = connection.pragma("user_version")
            if found in SCHEMA_FROM:
                with connection:
                    connection.execute(SCHEMA_FROM[found]).fetchall()
                    connection.pragma("user_version", SCHEMA_VERSION)
            elif found != SCHEMA_VERSION:
                raise ConfigurationError(
                    f"DATA_DIR: its index has schema {found} and this version knows"
                    f" {SCHEMA_VERSION}; use the version of file-uploader that made it."
                )
        return cls(path)

    def close(self) -> None:
        """Close the reading connections; nobody may be using one."""
        while self._idle:
            self._idle.pop().close()

    def find(self, container: Container, name: FileName) -> Stored:
        """The current version. Raises `NoSuchFile`."""
        with self.reading() as connection:
            return there(find(connection, container, name))

    def find_with_data(self, container: Container, name: FileName) -> Stored:
        """The current version, with its content where the index keeps it. Raises `NoSuchFile`."""
        with self.reading() as connection:
            return there(find(connection, container, name, FIND_WITH_DATA))

    def usage(self, container: Container) -> Usage:
        """Number and size of a container's files; takes time with their number."""
        sql = (
            "SELECT count(*), coalesce(sum(size), 0), CAST(max(name) AS BLOB) FROM (SELECT name,"
            " size FROM files WHERE container = ? AND name > CAST(? AS TEXT) ORDER BY name LIMIT ?)"
        )
        files = size = 0
        after: bytes | None = b""
        while after is not None:
            with self.reading() as connection:
                rows = typed(connection.execute(sql, (key(container), after, _COUNTED_AT_ONCE)))
                [(more, their_size, after)] = rows
            files += more
            size += their_size
        return Usage(files, size)

    def containers(self, after: str, count: int) -> list[Container]:
        """The first containers above ``after`` that hold files or uploads."""
        sql = (
            "SELECT min(container) FROM (SELECT min(container) AS container FROM files"
            " WHERE container > ?1 UNION ALL SELECT min(container) FROM uploads"
            " WHERE container > ?1)"
        )
        found: list[Container] = []
        with self.reading() as connection:
            while len(found) < count:
                [(following,)] = typed(connection.execute(sql, (bytes.fromhex(after),)))
                if following is None:
                    break
                after = following.hex()
                if is_container_name(after):
                    found.append(Container(after))
        return found

    def check(self) -> None:
        """Read something. Raises `apsw.Error` if that fails."""
        with self.reading() as connection:
            connection.execute("SELECT 1 FROM files LIMIT 1").fetchall()

    def garbage(self, after: str, count: int) -> list[str]:
        """The first blobs above ``after`` that wait to be removed."""
        sql = "SELECT blob FROM garbage WHERE blob > ? ORDER BY blob LIMIT ?"
        with self.reading() as connection:
            return [blob for (blob,) in typed(connection.execute(sql, (after, count)))]

    def ended_uploads(self) -> tuple[int, list[str]]:
        """How many uploads have expired or were cancelled, and the blobs that they have."""
        sql = "SELECT blob FROM uploads WHERE ends <= ?"
        with self.reading() as connection:
            found = [blob for (blob,) in typed(connection.execute(sql, (now(),)))]
        return len(found), [blob for blob in found if blob is not None]

    def blobs(self, prefix: str) -> set[str]:
        """The blobs in use whose ids start with ``prefix``."""
        sql = (
            "SELECT blob FROM files WHERE blob >= ?1 AND blob < ?2"
            " UNION ALL SELECT blob FROM uploads WHERE blob >= ?1 AND blob < ?2"
        )
        with self.reading() as connection:
            rows = typed(connection.execute(sql, (prefix, after_prefix(prefix))))
            return {blob for (blob,) in rows}

    def upload(self, container: Container, upload_id: str) -> Upload:
        """An upload as it is now. Raises `NoSuchUpload`."""
        with self.reading() as connection:
            upload = find_upload(connection, container, upload_id)
        if upload is None:
            raise NoSuchUpload("There is no such upload.")
        return upload

    def upload_ids(self, container: Container, after: str, count: int) -> list[str]:
        """The ids of a container's first uploads above ``after``; a damaged one is none."""
        sql = (
            "SELECT CAST(id AS BLOB) FROM uploads"
            " WHERE container = ? AND id > CAST(? AS TEXT) ORDER BY id LIMIT ?"
        )
        passed = after.encode(errors="surrogateescape")
        with self.reading() as connection:
            rows = typed(connection.execute(sql, (key(container), passed, count)))
            return [text_of(upload_id) for (upload_id,) in rows]

    def check_generation(self, container: Container, upload: Upload) -> None:
        """Raise `Superseded` if a later generation has taken the upload over, or removed it."""
        sql = "SELECT 1 FROM uploads WHERE container = ? AND id = ? AND generation = ?"
        ours = (key(container), upload.id, upload.generation)
        with self.reading() as connection:
            if not connection.execute(sql, ours).fetchall():
                raise Superseded("Another request has taken this upload over.")

    @contextmanager
    def reading(self) -> Iterator[apsw.Connection]:
        """A connection that nobody else uses in this block; no query outlives it."""
        with self._lock:
            connection = self._idle.pop() if self._idle else None
        if connection is None:
            connection = connect(self._path)
            connection.pragma("query_only", True)
        try:
            yield connection
        finally:
            with self._lock:
                self._idle.append(connection)
