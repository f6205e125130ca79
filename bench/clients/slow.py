"""Many clients that upload at once, and slowly."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from urllib.parse import urlsplit

from bench.clients import Result

_BLOCKS = 16
"""Pieces in which each file is sent."""
_PATIENCE = 120.0


def put(
    base: str, headers: Mapping[str, str], size: int, connections: int, seconds: float
) -> Result:
    """Store ``connections`` files of ``size`` bytes, each within so many seconds."""
    return asyncio.run(_put(base, headers, size, connections, seconds))


async def _put(
    base: str, headers: Mapping[str, str], size: int, connections: int, seconds: float
) -> Result:
    parts = urlsplit(base)
    block = os.urandom(size // _BLOCKS)
    fields = {"Host": parts.netloc, **headers, "Content-Length": str(len(block) * _BLOCKS)}
    lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items())

    async def upload(number: int) -> bool:
        """Whether it was answered as a success."""
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
        try:
            writer.write(f"PUT {parts.path}/slow-{number} HTTP/1.1\r\n{lines}\r\n".encode())
            for _ in range(_BLOCKS):
                await asyncio.sleep(seconds / _BLOCKS)
                writer.write(block)
                await writer.drain()
            async with asyncio.timeout(_PATIENCE):
                return (await reader.readline()).startswith(b"HTTP/1.1 2")
        except OSError:
            return False
        finally:
            writer.close()

    clock = asyncio.get_running_loop().time
    began = clock()
    succeeded = await asyncio.gather(*map(upload, range(connections)))
    return Result(connections, clock() - began, errors=connections - sum(succeeded))
