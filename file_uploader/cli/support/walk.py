"""Through all files of a store, several at a time."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from functools import partial
from typing import NamedTuple, TypeVar

from file_uploader.errors import FileUploaderError
from file_uploader.model.files import Usage
from file_uploader.model.listing import ListedFile, ListQuery
from file_uploader.model.names import Container, FileName
from file_uploader.storage.base import Storage
from file_uploader.storage.passes import PAUSE, TRIES, ItemFailed, Pass, may_pass
from file_uploader.storage.upkeep import Flaw, shown

T = TypeVar("T")
R = TypeVar("R")


class Place(NamedTuple):
    """A file, by its container's name and its own; in the order in which files are gone through."""

    container: str
    name: str

    def __str__(self) -> str:
        return f"{self.container} {shown(self.name)}"

    @property
    def owner(self) -> Container:
        """The container."""
        return Container(self.container)

    @property
    def file(self) -> FileName:
        """The file's name."""
        return FileName(self.name)

    def flaw(self, what: str, *, harmless: bool = False) -> Flaw:
        """Something that is not as it should be of the file."""
        return Flaw(what, self.owner, self.name, harmless=harmless)


Found = tuple[Place, ListedFile]


class Walk:
    """Through a store; what cannot be listed or counted is told, and ends nothing.

    See `file_uploader.storage.passes` for what ends it.
    """

    def __init__(self, storage: Storage, tell: Callable[[Flaw], None]) -> None:
        self._storage = storage
        self._tell = tell
        self._pass = Pass(storage.ready)
        self._seen: set[str] = set()
        self._broken_off: set[str] = set()
        self._all_seen = True

    def hides(self, container: str) -> bool:
        """Whether this container may have files that could not be listed."""
        unseen = not self._all_seen and container not in self._seen
        return unseen or container in self._broken_off

    async def containers(self) -> AsyncIterator[Container]:
        """All containers. Raises `StorageError` where not even one can be listed."""
        try:
            async for container in self._storage.containers():
                self._seen.add(container.name)
                yield container
        except FileUploaderError as error:
            why = await self._pass.judge(error)
            if not self._seen:
                raise
            self._all_seen = False
            self._tell(Flaw(f"the containers cannot all be listed: {why}"))

    async def files(self, after: Place | None = None) -> AsyncIterator[Found]:
        """All files, or those behind a place, in their order, as they are when come to."""
        async for container in self.containers():
            if after is not None and container.name < after.container:
                continue
            behind = after is not None and container.name == after.container
            marker = after.name if behind and after is not None else ""
            async for entry in self._files_of(container, marker):
                yield Place(container.name, entry.name), entry

    async def usages(self) -> AsyncIterator[tuple[Container, Usage]]:
        """What each container holds."""
        async for container in self.containers():
            try:
                counted = await self._pass.attempt(
                    partial(usage_of, self._storage, container), container.name
                )
            except ItemFailed as why:
                self._tell(Flaw(f"its files cannot be counted: {why}", container))
            else:
                yield container, counted

    async def _files_of(self, container: Container, marker: str) -> AsyncIterator[ListedFile]:
        for tries_left in reversed(range(TRIES)):
            try:
                async for page in self._storage.list(container, ListQuery(marker=marker)):
                    for entry in page:
                        if isinstance(entry, ListedFile):
                            yield entry
                        marker = entry.name
            except FileUploaderError as error:
                why = await self._pass.judge(error, container.name)
                if not tries_left or not may_pass(error):
                    self._broken_off.add(container.name)
                    self._tell(Flaw(f"its files cannot all be listed: {why}", container))
                    return
            else:
                return
            await asyncio.sleep(PAUSE)


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
    """The bytes of all files that can be counted."""
    usages = Walk(storage, lambda _: None).usages()
    return sum([usage.size async for _, usage in usages])


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
