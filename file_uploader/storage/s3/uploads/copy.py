"""Bytes that S3 has already, made the parts of another multipart upload.

S3 copies what is long enough to be a part by itself. What is shorter is read, and sent together
with what follows. What is copied, and as which part, depends on the sources alone, so that any
number of processes can do it at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from file_uploader.errors import FileTooLarge
from file_uploader.storage.s3.buffers.budget import SLOT
from file_uploader.storage.s3.buffers.part import Part
from file_uploader.storage.s3.buffers.sizes import (
    MAX_PART,
    MAX_PARTS,
    MIB,
    MIN_PART,
    equal_part_size,
)
from file_uploader.storage.s3.read import streamed
from file_uploader.storage.s3.write.context import Context

COPIED = 512 * MIB
"""Most bytes that are copied at once, so that many copies share the work; more only where there
would be too many."""

_AT_ONCE = 8


class Source(NamedTuple):
    """An object, whole."""

    address: Mapping[str, str]
    size: int


class Range(NamedTuple):
    """Bytes of a source."""

    source: Source
    start: int
    size: int


Pieces = tuple[Range, ...]
"""What a part is made of."""


def plan(sources: Sequence[Source]) -> list[Pieces]:
    """The parts that make one object of all sources, in order; one that is empty if they are.

    Raises `FileTooLarge` where there are more than S3 takes.
    """
    total = sum(source.size for source in sources)
    # A third of the parts at most for each of: what is joined, what is copied whole, what is split.
    least = min(equal_part_size(3 * total), MAX_PART)
    parts = list(_parts(sources, least, max(COPIED, least))) or [()]
    if len(parts) > MAX_PARTS:
        raise FileTooLarge(f"What is put together has at most {MAX_PARTS} parts.")
    return parts


def _parts(sources: Sequence[Source], least: int, most: int) -> Iterator[Pieces]:
    """Join what is shorter than ``least`` with what follows, up to that; split the rest."""
    joined: list[Range] = []
    missing = least
    for source in sources:
        start = 0
        if joined:
            start = min(missing, source.size)
            joined.append(Range(source, 0, start))
            missing -= start
            if not missing:
                yield tuple(joined)
                joined, missing = [], least
        rest = source.size - start
        if rest >= least:
            each = _equal(rest, most)
            for begin in range(start, source.size - MIN_PART + 1, each):
                size = min(each, source.size - begin)
                yield (Range(source, begin, size),)
                rest -= size
        if rest:
            joined.append(Range(source, source.size - rest, rest))
            missing = least - rest
    if joined:
        yield tuple(joined)


def _equal(size: int, most: int) -> int:
    """The size, in whole MiB, of as few equal pieces as do not go over ``most``."""
    count = -(-size // most)
    return min(most, -(-size // (count * MIB)) * MIB)


async def copied(
    context: Context, request: Mapping[str, str], parts: Mapping[int, Pieces]
) -> dict[int, str]:
    """Make these parts of a multipart upload, by number; return their ETags, word for word.

    ``request`` names it. Raises `NoSuchFile` where a source is gone, `Overloaded` and
    `StorageError`.
    """
    at_once = asyncio.Semaphore(_AT_ONCE)

    async def make(number: int, pieces: Pieces) -> str:
        async with at_once:
            made = _copied if len(pieces) == 1 else _joined
            return await made(context, {**request, "PartNumber": number}, pieces)

    making = [asyncio.create_task(make(*part)) for part in parts.items()]
    try:
        return dict(zip(parts, await asyncio.gather(*making), strict=True))
    finally:
        for task in making:
            task.cancel()
        if making:
            await asyncio.wait(making)


async def _copied(context: Context, request: Mapping[str, Any], pieces: Pieces) -> str:
    (piece,) = pieces
    source: dict[str, Any] = {"CopySource": dict(piece.source.address)}
    # A provider may refuse the range of an object that is too short for a part, though whole.
    if piece.size != piece.source.size:
        source["CopySourceRange"] = f"bytes={piece.start}-{piece.start + piece.size - 1}"
    answer = await context.client.call("upload_part_copy", **request, **source)
    return str(answer["CopyPartResult"]["ETag"])


async def _joined(context: Context, request: Mapping[str, Any], pieces: Pieces) -> str:
    with context.budget.admit(sum(piece.size for piece in pieces) + SLOT) as share:
        part = Part(share)
        try:
            for piece in pieces:
                address = piece.source.address
                async with streamed(context.client, address, piece.size, piece.start) as chunks:
                    async for data in chunks:
                        await part.add(data)
            answer = await context.client.call("upload_part", part, **request)
            return str(answer["ETag"])
        finally:
            part.release()
