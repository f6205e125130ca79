"""Run by the tests of memory in a process of its own: prints by how much it grew at most."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Iterator
from pathlib import Path

from file_uploader.model.names import Container, FileName
from file_uploader.storage.base import Storage
from tests.contract.stores import place_from
from tests.support.bodies import KIB, MIB, body_of
from tests.support.files import put

CONTAINER = Container("0" * 32)
CHUNK = 256 * KIB


def peak() -> int:
    """The most memory that was resident at once, in bytes.

    From the kernel's account of this address space; getrusage() would also count the parent's,
    from the time between fork and exec.
    """
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError("this kernel does not tell the peak")


def fresh(size: int) -> Iterator[bytes]:
    """Chunks that are each an object of their own, as they are when they come from a socket."""
    for start in range(0, size, CHUNK):
        yield bytes([start // MIB % 256]) * min(CHUNK, size - start)


async def upload(store: Storage, number: int, size: int) -> None:
    body = body_of(b"", chunks=fresh(size), announced=False)
    await put(store, CONTAINER, f"{number}", body)


async def download(store: Storage, number: int, size: int) -> None:
    async with store.open(CONTAINER, FileName(f"{number}")) as found:
        got = 0
        async for chunk in found.chunks:
            got += len(chunk)
            await asyncio.sleep(0.001)  # a client that reads more slowly than the store can
    assert got == size


async def main(order: str, files: int, size: int) -> None:
    asked = json.loads(order)
    place = place_from(asked["place"])
    store = await place.open(**asked["place"].get("settings", {}))
    task = {"upload": upload, "download": download}[asked["task"]]
    try:
        await put(store, CONTAINER, "first", b"first")
        before = peak()
        await asyncio.gather(*(task(store, number, size) for number in range(files)))
        print(peak() - before)
    finally:
        await place.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
