"""The access log: one line on standard output for each request, written behind its answer."""

from __future__ import annotations

import asyncio
import os
import sys
from contextlib import suppress

from starlette.types import Scope

from . import target

GATHER = 0.1
"""Seconds for which lines wait for others, so that many go out in one write."""

MOST_WAITING = 100_000
"""Lines that may wait for whoever reads them; further ones are left out, and their number said."""


class AccessLog:
    """Gathers lines, and writes them in a thread: no request waits for who reads them.

    Used from one event loop.
    """

    def __init__(self, file: int | None = None) -> None:
        self._file = sys.stdout.fileno() if file is None else file
        self._lines: list[str] = []
        self._left_out = 0
        self._closing = asyncio.Event()
        self._writing: asyncio.Task[None] | None = None

    def note(self, scope: Scope, status: int, sent: int, seconds: float) -> None:
        """Enter a request that has ended: its answer's status, and the bytes of its body."""
        if len(self._lines) >= MOST_WAITING:
            self._left_out += 1
            return
        client = scope["client"]
        path, query = scope["raw_path"].decode("latin-1"), scope["query_string"].decode("latin-1")
        asked = target.without_secrets(f"{path}?{query}" if query else path).replace('"', "%22")
        self._lines.append(
            f'{client[0] if client else "-"} "{scope["method"]} {asked}'
            f' HTTP/{scope["http_version"]}" {status} {sent} {seconds * 1000:.0f}ms\n'
        )
        if self._writing is None:
            self._writing = asyncio.create_task(self._write())

    async def aclose(self) -> None:
        """Write what waits, and from now on at once."""
        self._closing.set()
        if self._writing is not None:
            await self._writing

    async def _write(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(GATHER):
                await self._closing.wait()
        while self._lines:
            lines, self._lines = self._lines, []
            if self._left_out:
                lines.append(f"{self._left_out} requests are left out: this is read too slowly\n")
                self._left_out = 0
            # Whoever read the log may be gone; that ends no request.
            with suppress(OSError):
                await asyncio.to_thread(_write_all, self._file, "".join(lines).encode("latin-1"))
        self._writing = None


def _write_all(file: int, data: bytes) -> None:
    while data:
        data = data[os.write(file, data) :]
