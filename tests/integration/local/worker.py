"""One process among several that write to the same embedded store.

``python -m tests.integration.local.worker DIRECTORY CONTAINER NUMBER SECONDS``: says ``ready``,
waits for a line on its standard input, then writes, replaces, deletes and reads for that long;
prints what it was told was done, as lines of JSON.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
import time
from pathlib import Path

from file_uploader.errors import NoSuchFile, PreconditionFailed
from file_uploader.model.conditions import EntityTags, Precondition
from file_uploader.model.names import Container, FileName
from file_uploader.storage.local import LocalStorage
from tests.support.bodies import KIB, content
from tests.support.files import put, read

SIZES = [10, 16 * KIB, 16 * KIB + 1, 100 * KIB, 300 * KIB]
VERSIONS = {content(size, seed) for size in SIZES for seed in range(4)}
CREATE = Precondition(if_none_match=EntityTags(any=True))


class Worker:
    """Its number, and what it does to its store."""

    def __init__(self, store: LocalStorage, container: Container, number: int) -> None:
        self.store = store
        self.container = container
        self.number = number
        self.slowest = 0.0

    async def work(self, until: float) -> None:
        """Files shared with the others, and one of its own that shows read-after-write."""
        chance = random.Random(self.number)
        turn = 0
        while time.monotonic() < until:
            turn += 1
            name, data = f"shared/{chance.randrange(4)}", content(chance.choice(SIZES), turn % 4)
            started = time.monotonic()
            await put(self.store, self.container, name, data)
            self.slowest = max(self.slowest, time.monotonic() - started)
            try:
                found = await read(self.store, self.container, f"shared/{chance.randrange(4)}")
                assert found in VERSIONS
                if chance.random() < 0.2:
                    await self.store.delete(self.container, FileName(name))
            except NoSuchFile:
                pass
            own = f"own/{self.number}/{id(asyncio.current_task())}/{turn % 5}"
            await put(self.store, self.container, own, data)
            assert await read(self.store, self.container, own) == data
            say(own=own, size=len(data), seed=turn % 4)

    async def race(self, until: float) -> None:
        """Create files that all others try to create as well."""
        turn = 0
        while time.monotonic() < until:
            turn += 1
            try:
                await put(self.store, self.container, f"race/{turn}", b"1", precondition=CREATE)
            except PreconditionFailed:
                continue
            say(won=turn)

    async def sweep(self, until: float) -> None:
        while time.monotonic() < until:
            await self.store.sweep()
            await asyncio.sleep(0.05)


def say(**what: object) -> None:
    print(json.dumps(what), flush=True)


async def main() -> None:
    store = await LocalStorage.connect(Path(sys.argv[1]))
    worker = Worker(store, Container(sys.argv[2]), int(sys.argv[3]))
    print("ready", flush=True)
    sys.stdin.readline()
    until = time.monotonic() + float(sys.argv[4])
    async with asyncio.TaskGroup() as tasks:
        for _ in range(4):
            tasks.create_task(worker.work(until))
        tasks.create_task(worker.race(until))
        tasks.create_task(worker.sweep(until))
    await store.aclose()
    say(slowest=worker.slowest)


if __name__ == "__main__":
    asyncio.run(main())
