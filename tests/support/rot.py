"""A bit that flips where a store keeps a file, behind its back."""

from __future__ import annotations

from contextlib import closing
from typing import Any

import apsw

from file_uploader.model.names import Container
from tests.contract.stores import LocalPlace, Place, S3Place
from tests.support.s3_servers import admin_of

_BIT = 0b100


def flip(place: Place, container: Container, name: str) -> None:
    """Flip one bit in the middle of a file; everything else that is kept of it stays."""
    if isinstance(place, S3Place):
        _flip_object(place, container, name)
    elif isinstance(place, LocalPlace):
        _flip_on_disk(place, container, name)


def _flipped(data: bytes) -> bytes:
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ _BIT]) + data[middle + 1 :]


def _flip_object(place: S3Place, container: Container, name: str) -> None:
    admin, address = admin_of(place.server), place.address(container, name)
    answer: dict[str, Any] = admin.get_object(**address)
    admin.put_object(
        **address,
        Body=_flipped(answer["Body"].read()),
        Metadata=answer["Metadata"],
        ContentType=answer["ContentType"],
    )


def _flip_on_disk(place: LocalPlace, container: Container, name: str) -> None:
    with closing(apsw.Connection(str(place.directory / "index.db"))) as index:
        sql = "SELECT blob, content FROM files WHERE container = ? AND name = ?"
        [(blob, content)] = index.execute(sql, (bytes.fromhex(container.name), name))
        if blob is None:
            [(data,)] = index.execute("SELECT data FROM contents WHERE id = ?", (content,))
            assert isinstance(data, bytes)
            sql = "UPDATE contents SET data = ? WHERE id = ?"
            index.execute(sql, (_flipped(data), content))
        else:
            path = place.directory / "blobs" / str(blob)[:2] / str(blob)
            path.write_bytes(_flipped(path.read_bytes()))
