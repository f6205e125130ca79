"""What a disk holds: what it has made durable, and what would be lost with its cache."""

from __future__ import annotations

import mmap
import random
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

Write = tuple[int, bytes]
"""Offset and bytes of something that was written."""

Survivors = Callable[[random.Random, Iterable[Write]], Iterable[Write]]
"""Picks what a disk has written by itself of what it was never told to make durable."""


class Platter:
    """A disk whose durable bytes are in the file ``image``, which has its size.

    What is written is read back at once and becomes durable with the next `flush`.
    """

    def __init__(self, image: Path) -> None:
        with image.open("r+b") as file:
            self._durable = mmap.mmap(file.fileno(), 0)
            # A private view of the same: a page is its own from the first write to it on.
            self._current = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
        self._unsynced: list[Write] = []

    @property
    def size(self) -> int:
        """In bytes."""
        return len(self._durable)

    @property
    def unsynced(self) -> int:
        """How many writes would be lost."""
        return len(self._unsynced)

    def read(self, offset: int, size: int) -> bytes:
        """What was written last."""
        return self._current[offset : offset + size]

    def write(self, offset: int, data: bytes) -> None:
        """Write within the size of the disk."""
        self._current[offset : offset + len(data)] = data
        self._unsynced.append((offset, data))

    def flush(self) -> None:
        """Make durable what has been written."""
        for offset, data in self._unsynced:
            self._durable[offset : offset + len(data)] = data
        self._unsynced.clear()

    def lose(self, survivors: Survivors, chance: random.Random) -> None:
        """Lose power: of what is not durable only the survivors stay."""
        lost, self._unsynced = self._unsynced, []
        for offset, data in survivors(chance, lost):
            self._durable[offset : offset + len(data)] = data
        for offset, data in lost:
            end = offset + len(data)
            self._current[offset:end] = self._durable[offset:end]


def _nothing(_chance: random.Random, _writes: Iterable[Write]) -> Iterable[Write]:
    return ()


def _some(block: int) -> Survivors:
    """Any blocks of any writes: of what was written twice, the older one may be what stays."""

    def pick(chance: random.Random, writes: Iterable[Write]) -> Iterator[Write]:
        share = chance.random()
        return (each for each in _blocks(writes, block) if chance.random() < share)

    return pick


def _first(block: int) -> Survivors:
    """What was written first, up to a block in the middle of a write."""

    def pick(chance: random.Random, writes: Iterable[Write]) -> list[Write]:
        blocks = list(_blocks(writes, block))
        return blocks[: chance.randint(0, len(blocks))]

    return pick


def _blocks(writes: Iterable[Write], block: int) -> Iterator[Write]:
    """The writes, cut where the disk has the borders of its blocks."""
    for offset, data in writes:
        start = 0
        while start < len(data):
            end = min(len(data), start + block - (offset + start) % block)
            yield offset + start, data[start:end]
            start = end


SURVIVORS: dict[str, Survivors] = {
    "nothing": _nothing,
    "some-sectors": _some(512),
    "some-pages": _some(4096),
    "the-first": _first(512),
}
"""By name, the ways in which a disk can have lost power."""
