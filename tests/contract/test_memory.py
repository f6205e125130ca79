"""Promise 7: what a transfer holds in memory does not grow with the file."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

import pytest

from file_uploader.errors import Overloaded
from file_uploader.model.names import Container
from file_uploader.storage.base import Storage
from tests.contract.stores import Place, clean
from tests.support.bodies import KIB, MIB, Source, body_of, content, stalling
from tests.support.files import put, read
from tests.support.waiting import happens

BUDGET = 24 * MIB
SLACK = 40 * MIB
"""What the interpreter, the buffers of sockets and threads, and chunks on their way may add."""


async def _peak_growth(place: Place, task: str, files: int, size: int) -> int:
    """Bytes by which a process of its own grew at most while it moved the files."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "tests.contract.peak_memory"),
        json.dumps({"place": place.recipe(memory_budget=BUDGET), "task": task}),
        *(str(files), str(size)),
        stdout=asyncio.subprocess.PIPE,
        cwd=Path(__file__).parents[2],
    )
    output, _ = await process.communicate()
    assert process.returncode == 0
    return int(output)


@pytest.mark.parametrize(("files", "size"), [(1, 160 * MIB), (8, 20 * MIB)])
async def test_uploads(place: Place, files: int, size: int) -> None:
    assert files * size > 2 * (BUDGET + SLACK)
    assert await _peak_growth(place, "upload", files, size) < BUDGET + SLACK


async def test_downloads(place: Place, store: Storage) -> None:
    size = 80 * MIB
    container = Container("0" * 32)
    block = content(MIB)
    body = body_of(b"", chunks=(block for _ in range(size // MIB)), announced=False)
    await put(store, container, "0", body)
    assert await _peak_growth(place, "download", 1, size) < SLACK


async def test_many_slow_clients_do_not_hold_up_a_fast_one(
    place: Place, container: Container
) -> None:
    """They hold far more than the memory there is, and none of them goes on."""
    store = await place.open(memory_budget=BUDGET, spool_limit=256 * MIB)
    stalled = []
    for number in range(12):
        body, source = stalling(content(6 * MIB), 6 * MIB, announced=bool(number % 2))
        writing = asyncio.create_task(put(store, container, f"slow-{number}", body))
        await happens(source.stalled, "what the client sends is taken")
        stalled.append(writing)
    async with asyncio.timeout(30):
        for size in (10, 300 * KIB, 2 * place.part_size + 1):
            await put(store, container, "fast", content(size))
            assert await read(store, container, "fast") == content(size)
    for writing in stalled:
        writing.cancel()
    await asyncio.gather(*stalled, return_exceptions=True)
    await clean(place, store, {(container, "fast"): 2 * place.part_size + 1})


async def test_where_nothing_is_left_the_body_is_not_begun(
    place: Place, container: Container
) -> None:
    """With memory and spool spent, a new upload is refused at once; and later there is room."""
    if place.kind == "local":
        pytest.skip("what arrives goes to the disk: there is no budget to spend")
    store = await place.open(memory_budget=16 * MIB, spool_limit=16 * MIB)
    stalled = []
    refused = None
    for number in range(40):
        body, source = stalling(content(4 * MIB), 4 * MIB, announced=False)
        writing = asyncio.create_task(put(store, container, f"slow-{number}", body))
        waiting = asyncio.create_task(source.stalled.wait())
        await asyncio.wait({writing, waiting}, return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        if writing.done():
            refused = writing.exception()
            assert source.sent == 0
            break
        stalled.append(writing)
    assert isinstance(refused, Overloaded)
    assert stalled
    for writing in stalled:
        writing.cancel()
    await asyncio.gather(*stalled, return_exceptions=True)
    source = Source([content(4 * MIB)])
    async with asyncio.timeout(20):
        await put(store, container, "file", content(4 * MIB))
    await clean(place, store, {(container, "file"): 4 * MIB})
