"""The tables of the index, how to connect to them, and what their rows mean."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any

import apsw

from file_uploader.errors import ConfigurationError, NoSuchFile, NoSuchUpload
from file_uploader.model.files import FileInfo, Metadata
from file_uploader.model.names import Container, FileName
from file_uploader.model.uploads import Upload
from file_uploader.storage import records

OLDEST_SQLITE = (3, 51, 3)
"""Older ones can corrupt a database in WAL mode that has two connections."""

SCHEMA_VERSION = 2

_FILES = """
CREATE TABLE files (
    container BLOB NOT NULL,     -- 16 bytes
    name TEXT NOT NULL,
    size INTEGER NOT NULL,       -- bytes
    sha256 BLOB NOT NULL,
    modified INTEGER NOT NULL,   -- microseconds since 1970
    metadata TEXT NOT NULL,      -- JSON
    blob TEXT,                   -- the file that has the content, or
    content INTEGER,             -- the row of "contents" that has it
    PRIMARY KEY (container, name),
    CHECK ((blob IS NULL) <> (content IS NULL))
) WITHOUT ROWID, STRICT;

-- In the order of the blobs' directories, for the sweep.
CREATE UNIQUE INDEX files_by_blob ON files (blob) WHERE blob IS NOT NULL;

-- Small contents, apart from the rows that lists walk over.
CREATE TABLE contents (id INTEGER PRIMARY KEY, data BLOB NOT NULL) STRICT;

-- Blobs that no row names any more and whose files may still be there.
CREATE TABLE garbage (blob TEXT PRIMARY KEY) WITHOUT ROWID, STRICT;
"""

_UPLOADS = """
-- Uploads in several requests.
CREATE TABLE uploads (
    container BLOB NOT NULL,
    id TEXT NOT NULL,
    version INTEGER NOT NULL,    -- counts the swaps of the record
    generation INTEGER NOT NULL, -- that of the record, for whoever writes to the blob
    ends INTEGER NOT NULL,       -- when to remove it: microseconds since 1970
    record TEXT NOT NULL,        -- JSON
    blob TEXT,                   -- the file that has what has arrived
    PRIMARY KEY (container, id)
) WITHOUT ROWID, STRICT;

CREATE UNIQUE INDEX uploads_by_blob ON uploads (blob) WHERE blob IS NOT NULL;
CREATE INDEX uploads_by_end ON uploads (ends);
"""

SCHEMA_FROM = {0: _FILES + _UPLOADS, 1: _UPLOADS}
"""By the version that a database has, 0 if it is new: what makes the current one of it."""

BUSY_TIMEOUT = 5_000
"""Milliseconds to wait for a lock of SQLite's. Processes of ours queue before it comes to that."""

PAGE = 4096
"""Bytes of a page of the index, and of its WAL."""

WAL_LIMIT = 64 * 1024 * 1024
"""Bytes to which the WAL is cut when it starts afresh."""

FIND = "SELECT size, sha256, modified, metadata, blob FROM files WHERE container = ? AND name = ?"
FIND_WITH_DATA = (
    "SELECT size, sha256, modified, metadata, blob, data"
    " FROM files LEFT JOIN contents ON id = content WHERE container = ? AND name = ?"
)

NAMED = "SELECT 1 FROM files WHERE blob = ?1 UNION ALL SELECT 1 FROM uploads WHERE blob = ?1"
"""Whether any row names a blob."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_END = (datetime(9999, 12, 31, tzinfo=UTC) - _EPOCH) // timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Draft:
    """A version that is about to be committed: its content is ``data``, or else ``blob``.

    ``modified`` in microseconds since 1970; None: when it is committed.
    """

    size: int
    sha256: bytes
    metadata: Metadata
    data: bytes | None = None
    blob: str | None = None
    modified: int | None = None


@dataclass(frozen=True, slots=True)
class Stored:
    """A row of the index; ``data`` only where it was asked for and is kept in the index."""

    info: FileInfo
    blob: str | None
    data: bytes | None = None


def check_library() -> None:
    """Raise `ConfigurationError` if the SQLite in use is too old to be trusted."""
    version = apsw.sqlite_lib_version()
    if tuple(map(int, version.split("."))) < OLDEST_SQLITE:
        wanted = ".".join(map(str, OLDEST_SQLITE))
        raise ConfigurationError(
            f"SQLite {version} can corrupt its database; the embedded store needs {wanted} or"
            " newer: upgrade the package apsw."
        )


def connect(path: Path) -> apsw.Connection:
    """A connection to the database at ``path``; it is there already."""
    connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE)
    connection.set_busy_timeout(BUSY_TIMEOUT)
    connection.pragma("synchronous", "full")
    connection.pragma("journal_size_limit", WAL_LIMIT)
    return connection


def typed(cursor: apsw.Cursor) -> Iterator[tuple[Any, ...]]:
    """The rows of a query, with types that the query itself promises."""
    return iter(cursor)


def find(
    connection: apsw.Connection, container: Container, name: FileName, sql: str = FIND
) -> Stored:
    """The current version of a file. Raises `NoSuchFile` and `records.UnreadableRecord`."""
    with records.readable("file"):
        found = connection.execute(sql, (key(container), name.value)).fetchall()
        if not found:
            raise NoSuchFile("There is no such file.")
        row: tuple[Any, ...] = found[0]
        size, sha256, modified, metadata, blob, *data = row
        info = FileInfo(name, size, sha256.hex(), time_of(modified), _decoded(metadata), sha256)
        return Stored(info, blob, *data)


def key(container: Container) -> bytes:
    """A container as the tables have it."""
    return bytes.fromhex(container.name)


def time_of(microseconds: int) -> datetime:
    """A time as the tables have it, in UTC."""
    return _EPOCH + timedelta(microseconds=microseconds)


def microseconds_of(time: datetime) -> int:
    """A time for the tables."""
    return (time - _EPOCH) // timedelta(microseconds=1)


def now() -> int:
    """The time for the tables, by the clock."""
    return time.time_ns() // 1_000


@lru_cache(maxsize=1024)
def _decoded(text: str) -> Metadata:
    return records.metadata_from_json(json.loads(text))


def blob_of(upload: Upload) -> str | None:
    """The blob that has what has arrived of an upload; None where it is, or was, a file's."""
    blob: str | None = upload.held.get("blob")
    return blob


def find_upload(connection: apsw.Connection, container: Container, upload_id: str) -> Upload:
    """An upload as it is now. Raises `NoSuchUpload` and `records.UnreadableRecord`."""
    sql = "SELECT CAST(record AS BLOB), version FROM uploads WHERE container = ? AND id = ?"
    found = list(typed(connection.execute(sql, (key(container), upload_id))))
    if not found:
        raise NoSuchUpload("There is no such upload.")
    record, version = found[0]
    return records.loads(record, str(version), upload_id)


def text_of(data: bytes) -> str:
    """A text that was read as bytes, since it may be damaged; then it is none that is valid."""
    return data.decode(errors="surrogateescape")


def is_time(microseconds: int) -> bool:
    """Whether `time_of` knows it."""
    return 0 <= microseconds < _END
