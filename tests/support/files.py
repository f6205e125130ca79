"""Files of a store, with less ado than its methods take."""

from __future__ import annotations

from uuid import uuid4

from file_uploader.model.conditions import UNCONDITIONAL, Precondition
from file_uploader.model.files import ByteRange, FileInfo, Metadata
from file_uploader.model.names import Container, FileName
from file_uploader.storage.base import Storage
from file_uploader.transfer.body import ClientBody
from tests.support.bodies import body_of


def new_container() -> Container:
    return Container.of(uuid4())


async def put(
    store: Storage,
    container: Container,
    name: str,
    data: bytes | ClientBody,
    *,
    metadata: Metadata | None = None,
    precondition: Precondition = UNCONDITIONAL,
) -> FileInfo:
    """`Storage.put` with less ado."""
    return await store.put(
        container,
        FileName(name),
        body_of(data) if isinstance(data, bytes) else data,
        metadata=metadata or Metadata(),
        precondition=precondition,
    )


async def read(
    store: Storage,
    container: Container,
    name: str,
    *,
    etag: str | None = None,
    byte_range: ByteRange | None = None,
) -> bytes:
    """A whole file, or the range."""
    opened = store.open(container, FileName(name), etag=etag, byte_range=byte_range)
    async with opened as found:
        return b"".join([chunk async for chunk in found.chunks])
