"""One GetObject, streamed."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, closing
from typing import Any

from file_uploader.errors import NoSuchFile, PreconditionFailed
from file_uploader.model.files import ByteRange
from file_uploader.model.names import Container, FileName
from file_uploader.storage.base import Content
from file_uploader.storage.s3.client.client import Client
from file_uploader.storage.s3.client.errors import ANY_ERROR, NoSuchBucket, translated

from .keys import Keys, file_info

CHUNK = 128 * 1024
"""Most bytes yielded at once; aiohttp keeps about as much of its own."""


@asynccontextmanager
async def opened(
    client: Client,
    keys: Keys,
    container: Container,
    name: FileName,
    *,
    etag: str | None,
    byte_range: ByteRange | None,
) -> AsyncIterator[Content]:
    """What `Storage.open` gives.

    An answer of S3 is of one version from its first byte to the last, and says which: comparing
    that is as good as ``If-Match``, whose quoting providers disagree on. To close it ends the
    connection, unless everything was read: then it is back in the pool already.
    """
    parameters: dict[str, Any] = keys.files(container).address(name.value)
    if byte_range is not None:
        parameters["Range"] = f"bytes={byte_range.start}-{byte_range.end}"
    try:
        answer = await client.call("get_object", **parameters)
    except NoSuchBucket:
        if not keys.own_buckets:
            raise
        raise NoSuchFile("There is no such file.") from None
    with closing(answer["Body"]) as body:
        info = file_info(name, answer)
        if etag is not None and info.etag != etag:
            raise PreconditionFailed("The file has another version by now.")
        size = info.size if byte_range is None else byte_range.size
        yield Content(info, _chunks(body, size))


@asynccontextmanager
async def streamed(
    client: Client, address: Mapping[str, str], size: int, start: int = 0
) -> AsyncIterator[AsyncIterator[bytes]]:
    """``size`` bytes of an object from ``start`` on; at least one.

    Raises what `opened` raises, and out of the iteration too.
    """
    byte_range = f"bytes={start}-{start + size - 1}"
    answer = await client.call("get_object", **address, Range=byte_range)
    with closing(answer["Body"]) as body:
        yield _chunks(body, size)


async def _chunks(body: Any, size: int) -> AsyncIterator[bytes]:
    """The body's bytes; raises `StorageError` unless there are exactly ``size``."""
    left = size
    while True:
        try:
            chunk: bytes = await body.read(CHUNK)
        except ANY_ERROR as error:
            raise translated("get_object", error) from None
        left -= len(chunk)
        if left < 0 or (left > 0 and not chunk):
            raise translated("get_object", ConnectionError("an answer of the wrong length"))
        if not chunk:
            return
        yield chunk
