"""Hundreds of appends of slow clients at once through one worker: bounded memory on both stores."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.integration.service.clients.wire import TUS, listed
from tests.support.bodies import content
from tests.support.raw import Connection
from tests.support.rounds import rounds
from tests.support.service import Backend, Service, service

MIB = 2**20
APPENDS = rounds(100, 500)
PIECE = 3 * MIB
BLOCK = 48 * 1024
SECONDS = 10.0
"""For how long each client sends."""
BUDGET = 128 * MIB
CEILING = BUDGET + 64 * MIB
"""Bytes over idle memory; `test_many_uploads` allows PUT the same."""
SETTINGS = {"MEMORY_BUDGET": str(BUDGET), "SPOOL_LIMIT": "8GiB"}

pytestmark = pytest.mark.alone


@pytest.mark.smoke
def test_slow_appends_at_once(backend: Backend, log: Path) -> None:
    with service(backend, log, workers=1, settings=SETTINGS) as running:
        with running.peak_memory() as peak:
            idle = peak.bytes
            began = time.monotonic()
            asyncio.run(_append_all(running))
            took = time.monotonic() - began
        print(
            f"{APPENDS} appends on {backend.name}: idle {idle / MIB:.0f} MiB,"
            f" peak +{(peak.bytes - idle) / MIB:.0f} MiB, {took:.0f} s"
        )
        assert peak.bytes < idle + CEILING
        with Connection(running.port, 60) as client:
            offsets = [upload["offset"] for upload in listed(client, running.token)]
        assert offsets == [PIECE] * APPENDS


async def _append_all(running: Service) -> None:
    ready = asyncio.Barrier(APPENDS)
    await asyncio.gather(*(_append_slowly(running, number, ready) for number in range(APPENDS)))


async def _append_slowly(running: Service, number: int, ready: asyncio.Barrier) -> None:
    """Begin an upload; once all have, append a piece to it that does not complete it."""
    reader, writer = await asyncio.open_connection("127.0.0.1", running.port)
    try:
        writer.write(TUS.creation(running.token, f"slow/{number}", 2 * PIECE))
        created = (await reader.readuntil(b"\r\n\r\n")).decode()
        path = urlsplit(created.lower().split("\r\nlocation: ")[1].split("\r\n")[0]).path
        await ready.wait()
        writer.write(TUS.append(running.token, path, 0, PIECE, last=False))
        block = content(BLOCK, number)
        for _ in range(PIECE // BLOCK):
            writer.write(block)
            await writer.drain()
            await asyncio.sleep(SECONDS * BLOCK / PIECE)
        appended = await reader.readuntil(b"\r\n\r\n")
        assert appended.startswith(b"HTTP/1.1 204 "), appended
    finally:
        writer.close()
