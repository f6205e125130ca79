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
from typing import Any

import apsw

from file_uploader.errors import ConfigurationError, Superseded
from file_uploader.model.files import Usage
from file_uploader.model.listing import after_prefix
from file_uploader.model.names import (
    Container,
    FileName,
    is_container_name,
)
from file_uploader.model.uploads import Upload

from .rows import (
    SCHEMA_FROM,
    SCHEMA_VERSION,
    Stored,
    connect,
    find,
    find_upload,
    key,
    now,
    text_of,
)

_COUNTED_AT_ONCE = 50_000
"""Files that are counted in one look: as long as it takes to read some pages of a list."""


class Index:
    """The database and its reading connections."""

    def __init__(self, path: Path) -> None:
        """Open the database, and make it where there is none. One process at a time.

        Raises `ConfigurationError` for a schema that this version does not know, and `apsw.Error`.
        """
        self._path = path
        self._idle: list[apsw.Connection] = []
        self._lock = threading.Lock()
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

    def close(self) -> None:
        """Close the reading connections; nobody may be using one."""
        while self._idle:
            self._idle.pop().close()

    def find(self, container: Container, name: FileName, sql: str) -> Stored:
        """The current version, as ``sql`` finds it. Raises `NoSuchFile`."""
        with self.reading() as connection:
            return find(connection, container, name, sql)

    def usage(self, container: Container) -> Usage:
        """Number and size of a container's files; takes time with their number."""
        sql = (
            "SELECT count(*), coalesce(sum(size), 0), CAST(max(name) AS BLOB) FROM (SELECT name,"
            " size FROM files WHERE container = ? AND name > CAST(? AS TEXT) ORDER BY name LIMIT ?)"
        )
        files = size = 0
        after: bytes | None = b""
        while after is not None:
            [(more, their_size, after)] = self._rows(sql, key(container), after, _COUNTED_AT_ONCE)
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
        while len(found) < count:
            [(following,)] = self._rows(sql, bytes.fromhex(after))
            if following is None:
                break
            after = following.hex()
            if is_container_name(after):
                found.append(Container(after))
        return found

    def check(self) -> None:
        """Read something. Raises `apsw.Error` if that fails."""
        self._rows("SELECT 1 FROM files LIMIT 1")

    def garbage(self, after: str, count: int) -> list[str]:
        """The first blobs above ``after`` that wait to be removed."""
        sql = "SELECT blob FROM garbage WHERE blob > ? ORDER BY blob LIMIT ?"
        return [blob for (blob,) in self._rows(sql, after, count)]

    def ended_uploads(self) -> tuple[int, list[str]]:
        """How many uploads have expired or were cancelled, and the blobs that they have."""
        found = self._rows("SELECT blob FROM uploads WHERE ends <= ?", now())
        return len(found), [blob for (blob,) in found if blob is not None]

    def blobs(self, prefix: str) -> set[str]:
        """The blobs in use whose ids start with ``prefix``."""
        sql = (
            "SELECT blob FROM files WHERE blob >= ?1 AND blob < ?2"
            " UNION ALL SELECT blob FROM uploads WHERE blob >= ?1 AND blob < ?2"
        )
        return {blob for (blob,) in self._rows(sql, prefix, after_prefix(prefix))}

    def upload(self, container: Container, upload_id: str) -> Upload:
        """An upload as it is now. Raises `NoSuchUpload`."""
        with self.reading() as connection:
            return find_upload(connection, container, upload_id)

    def upload_ids(self, container: Container, after: str, count: int) -> list[str]:
        """The ids of a container's first uploads above ``after``; a damaged one is none."""
        sql = (
            "SELECT CAST(id AS BLOB) FROM uploads"
            " WHERE container = ? AND id > CAST(? AS TEXT) ORDER BY id LIMIT ?"
        )
        passed = after.encode(errors="surrogateescape")
        rows = self._rows(sql, key(container), passed, count)
        return [text_of(upload_id) for (upload_id,) in rows]

    def check_generation(self, container: Container, upload: Upload) -> None:
        """Raise `Superseded` if a later generation has taken the upload over, or removed it."""
        sql = "SELECT 1 FROM uploads WHERE container = ? AND id = ? AND generation = ?"
        if not self._rows(sql, key(container), upload.id, upload.generation):
            raise Superseded("Another request has taken this upload over.")

    def _rows(self, sql: str, *values: str | bytes | int | None) -> list[tuple[Any, ...]]:
        with self.reading() as connection:
            return connection.execute(sql, values).fetchall()

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
