"""Through all files of a store, several at a time."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from typing import NamedTuple, TypeVar

from file_uploader.model import Container, FileName, ListedFile, ListQuery, Usage
from file_uploader.storage.base import Storage

T = TypeVar("T")
R = TypeVar("R")


class Place(NamedTuple):
    """A file, by its container's name and its own; in the order in which files are gone through."""

    container: str
    name: str

    @property
    def owner(self) -> Container:
        """The container."""
        return Container(self.container)

    @property
    def file(self) -> FileName:
        """The file's name."""
        return FileName(self.name)


Found = tuple[Place, ListedFile]


async def every_file(storage: Storage, after: Place | None = None) -> AsyncIterator[Found]:
    """All files, or those behind a place, in their order, as they are when they are come to."""
    async for container in storage.containers():
        if after is not None and container.name < after.container:
            continue
        behind = after is not None and container.name == after.container
        query = ListQuery(marker=after.name if behind and after is not None else "")
        async for page in storage.list(container, query):
            for entry in page:
                if isinstance(entry, ListedFile):
                    yield Place(container.name, entry.name), entry


async def usage_of(storage: Storage, container: Container) -> Usage:
    """What a container holds, counted one by one where the store does not count so many."""
    counted = await storage.usage(container)
    if counted is not None:
        return counted
    files = size = 0
    async for page in storage.list(container, ListQuery()):
        files += len(page)
        size += sum(entry.size for entry in page if isinstance(entry, ListedFile))
    return Usage(files, size)


async def total_size(storage: Storage) -> int:
    """The bytes of all files."""
    return sum([(await usage_of(storage, each)).size async for each in storage.containers()])


async def both(
    ours: AsyncIterator[Found], theirs: AsyncIterator[Found]
) -> AsyncIterator[tuple[Place, ListedFile | None, ListedFile | None]]:
    """All files of two stores in their order, each as one has it and as the other has it."""
    one, other = await anext(ours, None), await anext(theirs, None)
    while one is not None or other is not None:
        place = min(each[0] for each in (one, other) if each is not None)
        here = one[1] if one is not None and one[0] == place else None
        there = other[1] if other is not None and other[0] == place else None
        yield place, here, there
        if here is not None:
            one = await anext(ours, None)
        if there is not None:
            other = await anext(theirs, None)


async def at_once(
    count: int, items: AsyncIterator[T], work: Callable[[T], Awaitable[R]]
) -> AsyncGenerator[tuple[T, R], None]:
    """Work on the items, ``count`` at a time; yield each with what came of it, in their order."""
    running: deque[tuple[T, asyncio.Task[R]]] = deque()
    try:
        async for item in items:
            running.append((item, asyncio.ensure_future(work(item))))
            if len(running) == count:
                yield running[0][0], await running[0][1]
                running.popleft()
        while running:
            yield running[0][0], await running[0][1]
            running.popleft()
    finally:
        for _, task in running:
            task.cancel()
        await asyncio.gather(*(task for _, task in running), return_exceptions=True)
