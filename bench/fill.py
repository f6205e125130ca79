"""Many small files in the embedded store at once, written into its index past the service."""

from __future__ import annotations

import hashlib
import time
from contextlib import closing
from pathlib import Path
from uuid import UUID

from file_uploader.model import Container
from file_uploader.storage.local.index import Index
from file_uploader.storage.local.rows import connect, key

_NUMBERS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :count)"
_CONTENTS = f"INSERT INTO contents (id, data) {_NUMBERS} SELECT i, :data FROM n"
_FILES = (
    "INSERT INTO files (container, name, size, sha256, modified, metadata, content)"
    f" {_NUMBERS} SELECT :container, printf('%08d', i - 1), :size, :sha256, :now, '{{}}', i FROM n"
)


def fill(directory: Path, token: str, count: int, size: int) -> None:
    """Give a client ``count`` files of ``size`` bytes, ``00000000`` and on, in a new `DATA_DIR`.

    No server may use the directory meanwhile, and a crash leaves nothing of use in it: there is no
    journal. The contents are all the same, and short enough to be kept in the index (16 KiB).
    """
    directory.mkdir()
    path = directory / "index.db"
    Index.open(path).close()
    data = bytes(size)
    values = {
        "count": count,
        "data": data,
        "container": key(Container.of(UUID(token))),
        "size": size,
        "sha256": hashlib.sha256(data).digest(),
        "now": time.time_ns() // 1000,
    }
    with closing(connect(path)) as connection:
        connection.pragma("synchronous", "off")
        connection.pragma("journal_mode", "off")
        with connection:
            connection.execute(_CONTENTS, values)
            connection.execute(_FILES, values)
        connection.pragma("journal_mode", "wal")
