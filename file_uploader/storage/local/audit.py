"""What an index says of blobs, and whether it is sound: for backups and for who looks after it.

Everything is read in pieces, so that no query is open for long; `damage` is the exception.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import apsw

from file_uploader.model import Container
from file_uploader.storage.upkeep import Flaw

from .rows import NAMED, typed

_AT_ONCE = 1_000


@dataclass(frozen=True, slots=True)
class Kept:
    """A blob that a row names, and how many of its bytes count.

    ``sha256`` is that of all of them, None in the blob of an upload, which can grow; ``name`` is
    the file's, or the upload's id.
    """

    blob: str
    size: int
    sha256: bytes | None
    container: Container
    name: str


def kept_blobs(connection: apsw.Connection, prefix: str = "") -> Iterator[Kept]:
    """The blobs that rows name, or those whose ids start with ``prefix``."""
    files = (
        "SELECT blob, size, sha256, container, name FROM files"
        " WHERE blob > ? AND blob < ? ORDER BY blob LIMIT ?"
    )
    uploads = (
        "SELECT blob, json_extract(record, '$.offset'), NULL, container, id FROM uploads"
        " WHERE blob > ? AND blob < ? ORDER BY blob LIMIT ?"
    )
    for sql in (files, uploads):
        after, end = prefix, prefix + "g"  # Ids are made of hex digits.
        while rows := list(typed(connection.execute(sql, (after, end, _AT_ONCE)))):
            for blob, size, sha256, container, name in rows:
                yield Kept(blob, size, sha256, Container(container.hex()), name)
                after = blob


def still_kept(connection: apsw.Connection, kept: Kept) -> bool:
    """Whether a row names the blob now."""
    return bool(connection.execute(NAMED, (kept.blob,)).fetchall())


def damage(connection: apsw.Connection) -> Iterator[Flaw]:
    """What is wrong with the index. Reads all of it, in one transaction."""
    for (said,) in typed(connection.execute("PRAGMA integrity_check")):
        if said != "ok":
            yield Flaw(f"the index: {said}")
    lost = (
        "SELECT container, name FROM files"
        " WHERE content IS NOT NULL AND content NOT IN (SELECT id FROM contents)"
    )
    for container, name in typed(connection.execute(lost)):
        yield Flaw("the index has lost its content", Container(container.hex()), name)
    unused = (
        "SELECT count(*) FROM contents WHERE id NOT IN"
        " (SELECT content FROM files WHERE content IS NOT NULL)"
    )
    [(count,)] = typed(connection.execute(unused))
    if count:
        yield Flaw(f"the index: {count} contents belong to no file", harmless=True)
