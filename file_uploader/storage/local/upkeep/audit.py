"""What an index says of blobs, and whether it is sound: for backups and for who looks after it.

Everything is read in pieces, so that no query is open for long; `damage` is the exception.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import apsw

from file_uploader.errors import StorageFailed
from file_uploader.model.names import Container, is_container_name, is_file_name
from file_uploader.model.uploads import is_upload_id
from file_uploader.storage.local.index.rows import NAMED, find_upload, is_time, text_of, typed
from file_uploader.storage.upkeep import Flaw

_AT_ONCE = 1_000


@dataclass(frozen=True, slots=True)
class Kept:
    """A blob that a row names, and how many of its bytes count: None where the row is damaged.

    ``sha256`` is that of all of them, None in the blob of an upload, which can grow; ``name`` is
    the file's, or the upload's id.
    """

    blob: str
    size: int | None
    sha256: bytes | None
    container: Container
    name: str


def kept_blobs(connection: apsw.Connection, prefix: str = "") -> Iterator[Kept]:
    """The blobs that rows name, or those whose ids start with ``prefix``."""
    files = (
        "SELECT CAST(blob AS BLOB), size, sha256, container, CAST(name AS BLOB) FROM files"
        " WHERE blob > CAST(? AS TEXT) AND blob < ? ORDER BY blob LIMIT ?"
    )
    uploads = (
        "SELECT CAST(blob AS BLOB),"
        " iif(json_valid(record), json_extract(record, '$.offset'), NULL), NULL,"
        " container, CAST(id AS BLOB) FROM uploads"
        " WHERE blob > CAST(? AS TEXT) AND blob < ? ORDER BY blob LIMIT ?"
    )
    for sql in (files, uploads):
        after, end = prefix.encode(), prefix + "g"  # Ids are made of hex digits.
        while rows := list(typed(connection.execute(sql, (after, end, _AT_ONCE)))):
            for blob, size, sha256, container, name in rows:
                known = size if isinstance(size, int) and size >= 0 else None
                owner = Container(container.hex())
                yield Kept(text_of(blob), known, sha256, owner, text_of(name))
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
        "SELECT container, CAST(name AS BLOB) FROM files"
        " WHERE content IS NOT NULL AND content NOT IN (SELECT id FROM contents)"
    )
    for container, name in typed(connection.execute(lost)):
        yield Flaw("the index has lost its content", Container(container.hex()), text_of(name))
    unused = (
        "SELECT count(*) FROM contents WHERE id NOT IN"
        " (SELECT content FROM files WHERE content IS NOT NULL)"
    )
    [(count,)] = typed(connection.execute(unused))
    if count:
        yield Flaw(f"the index: {count} contents belong to no file", harmless=True)
    yield from _hidden(connection)
    yield from _unreadable_uploads(connection)


def _hidden(connection: apsw.Connection) -> Iterator[Flaw]:
    """The rows of files that no list shows: those whose container, name or time is none."""
    sql = "SELECT container, CAST(name AS BLOB), modified FROM files"
    for container, data, modified in typed(connection.execute(sql)):
        name, owner = text_of(data), Container(container.hex())
        if not is_container_name(owner.name):
            yield Flaw("its row in the index names no container", owner, name)
        elif not is_file_name(name):
            yield Flaw("its row in the index has a name that no file may have", owner, name)
        elif not is_time(modified):
            yield Flaw("its row in the index has a time that there is not", owner, name)


def _unreadable_uploads(connection: apsw.Connection) -> Iterator[Flaw]:
    sql = "SELECT container, CAST(id AS BLOB) FROM uploads"
    for container, data in typed(connection.execute(sql)):
        owner, upload_id = Container(container.hex()), text_of(data)
        if not (is_container_name(owner.name) and is_upload_id(upload_id)):
            yield Flaw("its row in the index is no upload's", owner, upload_id=upload_id)
            continue
        try:
            find_upload(connection, owner, upload_id)
        except StorageFailed as error:
            yield Flaw(str(error), owner, upload_id=upload_id)
