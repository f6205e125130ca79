"""The embedded store's directory as it has to be once a sweep has been through it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import apsw


def faults_in(directory: Path) -> list[str]:
    """What is wrong with it; it may be in use meanwhile, by who only reads."""
    with closing(_connect(directory / "index.db")) as index:
        return list(_faults(directory, index))


def _faults(directory: Path, index: apsw.Connection) -> Iterator[str]:
    said = [str(row[0]) for row in index.execute("PRAGMA integrity_check")]
    if said != ["ok"]:
        yield f"integrity_check: {said}"
    of_files = dict(index.execute("SELECT blob, size FROM files WHERE blob IS NOT NULL"))
    of_uploads = {blob for (blob,) in index.execute("SELECT blob FROM uploads WHERE blob NOT NULL")}
    found: dict[object, int] = {}
    for path in (directory / "blobs").glob("??/*"):
        with suppress(FileNotFoundError):  # The sweep is still at it.
            found[path.name] = path.stat().st_size
    for blob in found.keys() - of_files.keys() - of_uploads:
        yield f"nothing names the blob {blob}"
    for blob in (of_files.keys() | of_uploads) - found.keys():
        yield f"the blob {blob} is missing"
    for blob in found.keys() & of_files.keys():
        if found[blob] != of_files[blob]:
            yield f"the blob {blob} has {found[blob]} bytes and not {of_files[blob]}"
    inline = {row for (row,) in index.execute("SELECT content FROM files WHERE content NOT NULL")}
    kept = {row for (row,) in index.execute("SELECT id FROM contents")}
    if inline != kept:
        yield f"small contents: {len(kept - inline)} unused, {len(inline - kept)} missing"


def _connect(path: Path) -> apsw.Connection:
    index = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    index.set_busy_timeout(5000)
    return index
