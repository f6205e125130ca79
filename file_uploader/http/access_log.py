"""The access log: one line on standard output for each request, written behind its answer."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime

from starlette.types import Scope

from .context import RequestContext
from .fields import target

GATHER = 0.1
"""Seconds for which lines wait for others, so that many go out in one write."""

MOST_WAITING = 100_000
"""Lines that may wait for whoever reads them; further ones are left out, and their number said."""

_log = logging.getLogger(__name__)


def timestamp(seconds: float) -> str:
    """An instant as RFC 3339 has it, in UTC, to the millisecond."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")[:-6] + "Z"


def _client(scope: Scope) -> str:
    """The address that a request came from."""
    return scope["client"][0] if scope["client"] else "-"


def _target(scope: Scope) -> str:
    """The request target, without what makes a link valid."""
    path = scope["raw_path"].decode("latin-1")
    query = scope["query_string"].decode("latin-1")
    return target.without_secrets(f"{path}?{query}" if query else path)


Render = Callable[[Scope, RequestContext], str]


def console(scope: Scope, here: RequestContext) -> str:
    """A line for people."""
    asked = _target(scope).replace('"', "%22")
    return (
        f"{timestamp(time.time())} {_client(scope)}"
        f' "{scope["method"]} {asked} HTTP/{scope["http_version"]}" {here.status}'
        f" in={here.received} out={here.sent} {here.seconds * 1000:.0f}ms"
        f" container={here.container or '-'} request={here.id}"
    )


def as_json(scope: Scope, here: RequestContext) -> str:
    """A line for machines. ``duration`` is in seconds."""
    return json.dumps(
        {
            "time": timestamp(time.time()),
            "level": "info",
            "logger": "access",
            "request_id": here.id,
            "client": _client(scope),
            "method": scope["method"],
            "route": here.route,
            "target": _target(scope),
            "protocol": f"HTTP/{scope['http_version']}",
            "status": here.status,
            "received": here.received,
            "sent": here.sent,
            "duration": round(here.seconds, 6),
            "container": here.container,
        }
    )


RENDER: dict[str, Render] = {"console": console, "json": as_json}
"""By `LOG_FORMAT`."""


class AccessLog:
    """Gathers lines, and writes them in a thread: no request waits for who reads them.

    Used from one event loop.
    """

    def __init__(self, render: Render, file: int | None = None) -> None:
        self._render = render
        self._file = sys.stdout.fileno() if file is None else file
        self._lines: list[str] = []
        self._left_out = 0
        self._closing = asyncio.Event()
        self._writing: asyncio.Task[None] | None = None

    def note(self, scope: Scope, here: RequestContext) -> None:
        """Enter a request that has ended."""
        if len(self._lines) >= MOST_WAITING:
            self._left_out += 1
            return
        self._lines.append(f"{self._render(scope, here)}\n")
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
                _log.warning(
                    "%d requests are not in the access log: it is read too slowly", self._left_out
                )
                self._left_out = 0
            # Whoever read the log may be gone; that ends no request.
            with suppress(OSError):
                await asyncio.to_thread(_write_all, self._file, "".join(lines).encode("latin-1"))
        self._writing = None


def _write_all(file: int, data: bytes) -> None:
    while data:
        data = data[os.write(file, data) :]
