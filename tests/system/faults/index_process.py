"""One process among several that change the same embedded store, until it is killed.

``python -m tests.system.faults.index_process DIRECTORY CONTAINER NUMBER``: says ``ready``, waits
for a line on its standard input, and from then on writes a line of JSON for whatever it begins, and
for whatever it was told was done. Nobody else changes the files that it calls its own.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
import time
from pathlib import Path

from file_uploader.errors import FileUploaderError, NoSuchFile, PreconditionFailed
from file_uploader.model.conditions import EntityTags, Precondition
from file_uploader.model.files import Metadata
from file_uploader.model.listing import ListQuery
from file_uploader.model.names import Container, FileName
from file_uploader.model.uploads import UploadPlan
from file_uploader.storage.local import LocalStorage
from file_uploader.uploads.rules import Uploads
from tests.contract.uploading import EXPIRY, begun, send
from tests.support.bodies import KIB, content
from tests.support.files import put, read

SIZES = (10, 16 * KIB, 16 * KIB + 1, 40 * KIB, 100 * KIB)
COUNTER = "counter"
WRITERS = 3
"""Tasks of a process that have files of their own, each so many:"""
FILES = 3


def own_content(name: str, version: int) -> bytes | None:
    """What is in a process's own file after so many changes to it; None: there is no such file."""
    if version % 5 == 0:
        return None
    return f"{name} {version} ".encode() + content(SIZES[version % 3 + len(name) % 3], version % 4)


def shared_contents() -> set[bytes]:
    """What may be in a file that all processes write."""
    return {content(size, seed) for size in SIZES for seed in range(4)}


class Process:
    """What one process does to the store, in several tasks at once."""

    def __init__(self, store: LocalStorage, container: Container, number: int) -> None:
        self._store = store
        self._uploads = Uploads(store, expiry=EXPIRY)
        self._container = container
        self._number = number
        self._chance = random.Random(number)

    async def run(self) -> None:
        """For ever."""
        async with asyncio.TaskGroup() as tasks:
            for task in range(WRITERS):
                tasks.create_task(self._write(task))
            tasks.create_task(self._share())
            tasks.create_task(self._count())
            tasks.create_task(self._list())
            tasks.create_task(self._sweep())

    async def _write(self, task: int) -> None:
        """Files of its own: put, appended to, overwritten, deleted; each is read back."""
        version = 0
        while True:
            version += 1
            for number in range(FILES):
                name = f"own/{self._number}/{task}/{number}"
                say(name=name, version=version)
                began = time.monotonic()
                await self._change(name, version)
                now = time.monotonic()
                say(name=name, version=version, took=now - began, at=now)
                if await self._found(name) != own_content(name, version):
                    say(wrong=f"{name} is not as of version {version}")

    async def _change(self, name: str, version: int) -> None:
        data = own_content(name, version)
        if data is None:
            await self._store.delete(self._container, FileName(name))
        elif version % 5 == 3:
            plan = UploadPlan(FileName(name), Metadata())
            upload = await begun(self._uploads, self._container, len(data), plan)
            await send([self._uploads], self._container, upload, data, [len(data) // 3 + 1])
        else:
            await put(self._store, self._container, name, data)

    async def _share(self) -> None:
        """Files that all write: whole ones only may be seen."""
        allowed = shared_contents()
        while True:
            name = f"shared/{self._chance.randrange(3)}"
            data = content(self._chance.choice(SIZES), self._chance.randrange(4))
            await put(self._store, self._container, name, data)
            if await self._found(name) not in allowed:
                say(wrong=f"{name} is none of what was put there")

    async def _count(self) -> None:
        """One number that all raise by one, each from the version that it has read."""
        while True:
            async with self._store.open(self._container, FileName(COUNTER)) as found:
                value = int(b"".join([chunk async for chunk in found.chunks])) + 1
                same = Precondition(if_match=EntityTags(frozenset({found.info.etag})))
            try:
                data = str(value).encode()
                await put(self._store, self._container, COUNTER, data, precondition=same)
            except PreconditionFailed:
                continue
            say(counted=value)

    async def _list(self) -> None:
        """A client that takes its list slowly."""
        while True:
            async for _ in self._store.list(self._container, ListQuery()):
                await asyncio.sleep(0.2)

    async def _sweep(self) -> None:
        while True:
            await self._store.sweep()
            await asyncio.sleep(0.1)

    async def _found(self, name: str) -> bytes | None:
        try:
            return await read(self._store, self._container, name)
        except NoSuchFile:
            return None


def say(**what: object) -> None:
    print(json.dumps(what), flush=True)


async def main() -> None:
    store = await LocalStorage.connect(Path(sys.argv[1]))
    process = Process(store, Container(sys.argv[2]), int(sys.argv[3]))
    print("ready", flush=True)
    sys.stdin.readline()
    try:
        await process.run()
    except* FileUploaderError as failed:
        say(wrong=repr(failed.exceptions))


if __name__ == "__main__":
    asyncio.run(main())
