"""Many small files in the embedded store at once, written into its index past the service."""

from __future__ import annotations

import hashlib
import os
import time
from contextlib import closing
from pathlib import Path
from uuid import UUID

import apsw

from file_uploader.model.names import Container
from file_uploader.storage.local.index.reads import Index
from file_uploader.storage.local.index.rows import connect, key

_NUMBERS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :count)"
_CONTENTS = f"INSERT INTO contents (id, data) {_NUMBERS} SELECT :last + i, :data FROM n"
_FILES = (
    "INSERT INTO files (container, name, size, sha256, modified, metadata, content)"
    f" {_NUMBERS} SELECT :container, %s, :size, :sha256, :now, '{{}}', :last + i FROM n"
)
NUMBERED = "printf('%08d', i - 1)"
"""``00000000`` and on."""


def fill(directory: Path, token: str, count: int, size: int) -> None:
    """Give a client files as `add` does, in a new `DATA_DIR`, faster.

    No server may use the directory meanwhile, and a crash leaves nothing of use in it: there is no
    journal.
    """
    directory.mkdir()
    path = directory / "index.db"
    Index(path).close()
    with closing(connect(path)) as connection:
        connection.pragma("synchronous", "off")
        connection.pragma("journal_mode", "off")
        _insert(connection, token, count, size, NUMBERED)
        connection.pragma("journal_mode", "wal")
    # Or the first checkpoint of whoever uses it waits until all of it is on the disk.
    with path.open("rb") as database:
        os.fsync(database.fileno())


def add(directory: Path, token: str, count: int, size: int, name: str = NUMBERED) -> None:
    """Give a client ``count`` files of ``size`` bytes in a `DATA_DIR`.

    ``name`` is what SQL makes of ``i``, from 1 to ``count``. A server that runs on it cannot write
    meanwhile. The contents are all the same, and short enough to be kept in the index (16 KiB).
    """
    with closing(connect(directory / "index.db")) as connection:
        _insert(connection, token, count, size, name)


def _insert(connection: apsw.Connection, token: str, count: int, size: int, name: str) -> None:
    data = bytes(size)
    with connection:
        last = connection.execute("SELECT coalesce(max(id), 0) FROM contents").fetchone()
        assert last is not None
        values = {
            "count": count,
            "last": last[0],
            "data": data,
            "container": key(Container.of(UUID(token))),
            "size": size,
            "sha256": hashlib.sha256(data).digest(),
            "now": time.time_ns() // 1000,
        }
        connection.execute(_CONTENTS, values)
        connection.execute(_FILES % name, values)
