"""Very many clients that want little or take long, in a process of their own: it costs others less.

``python -m tests.support.crowd PORT TOKEN KIND=COUNT...`` connects them all, says so in a line, and
for each line that it is sent tells in one what has become of them. It ends with its input.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import resource
import socket
import subprocess
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Self

from tests.support import raw
from tests.support.service import ROOT, Service

PAUSE = 1.0
"""Seconds between two bytes of those who send slowly."""

AT_ONCE = 100
"""How many connect at the same time: fewer than wait for a server that is busy."""

BODY = "body"
"""Sends a body, a byte each second."""
SILENT_BODY = "silent body"
"""Sends a few bytes of a body, and then nothing."""
HEAD = "head"
"""Sends a head, a byte each second."""
READER = "reader"
"""Asks for the file ``large`` and takes nothing of it."""
IDLE = "idle"
"""Has had an answer, and asks for nothing more."""


@dataclass(frozen=True)
class Fate:
    """What has become of the clients of one kind: of those that were ended, after how long.

    ``statuses`` counts those that were told one; times are in seconds.
    """

    open: int
    ended: int
    soonest: float
    latest: float
    statuses: dict[int, int]


class Crowd:
    """A running crowd."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def fates(self) -> dict[str, Fate]:
        """What has become of each kind until now."""
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        told: dict[str, dict[str, Any]] = json.loads(self._line())
        return {
            kind: Fate(
                **{
                    **fate,
                    "statuses": {int(status): n for status, n in fate["statuses"].items()},
                }
            )
            for kind, fate in told.items()
        }

    def _line(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, "the crowd is gone"
        return line


@contextlib.contextmanager
def crowd(running: Service, counts: dict[str, int]) -> Iterator[Crowd]:
    """So many clients of each kind, all of them connected."""
    kinds = [f"{kind}={count}" for kind, count in counts.items()]
    command = [sys.executable, "-m", "tests.support.crowd", str(running.port), running.token]
    with subprocess.Popen(
        [*command, *kinds], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT
    ) as process:
        found = Crowd(process)
        assert found._line() == "connected\n"
        yield found
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(30) == 0


class _Client:
    """One connection."""

    def __init__(self, kind: str, port: int, token: str) -> None:
        self.kind = kind
        self.ended_after: float | None = None
        self.status = 0
        self._port = port
        self._token = token
        self._began = 0.0
        self._writer: asyncio.StreamWriter
        self._reader: asyncio.StreamReader

    async def connect(self) -> Self:
        """Connect, and send what comes first."""
        own = socket.socket()
        own.setblocking(False)
        own.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(own, ("127.0.0.1", self._port))
        if self.kind == READER:
            await loop.sock_sendall(own, raw.head("GET", "/api/files/large", self._token))
            self._socket = own
            return self
        self._reader, self._writer = await asyncio.open_connection(sock=own)
        first = {
            BODY: self._put("body"),
            SILENT_BODY: self._put("silent") + b"begun",
            HEAD: b"GET /health HTTP/1.1\r\nX-Note: ",
            IDLE: raw.head("GET", "/health"),
        }
        self._writer.write(first[self.kind])
        if self.kind == IDLE:
            await self._reader.readuntil(b"}")
        self._began = time.monotonic()
        return self

    def _put(self, name: str) -> bytes:
        length = {"Content-Length": "1000000"}
        return raw.head("PUT", f"/api/files/crowd/{name}", self._token, length)

    async def live(self) -> None:
        """Go on until the server ends the connection."""
        if self.kind == READER:
            return
        await asyncio.sleep(random.random() * PAUSE)
        reading = asyncio.create_task(self._reader.read())
        while not reading.done():
            slow = self.kind in (BODY, HEAD)
            if slow:
                self._writer.write(b"x")
            await asyncio.wait([reading], timeout=PAUSE if slow else None)
        self.ended_after = time.monotonic() - self._began
        with contextlib.suppress(OSError):
            answer = reading.result()
            self.status = int(answer[9:12] or b"0")
        self._writer.close()


def _told(clients: list[_Client]) -> dict[str, dict[str, Any]]:
    by_kind: dict[str, list[_Client]] = defaultdict(list)
    for client in clients:
        by_kind[client.kind].append(client)
    return {kind: _fate(some) for kind, some in by_kind.items()}


def _fate(clients: list[_Client]) -> dict[str, Any]:
    ended = [each.ended_after for each in clients if each.ended_after is not None]
    return {
        "open": len(clients) - len(ended),
        "ended": len(ended),
        "soonest": min(ended, default=0.0),
        "latest": max(ended, default=0.0),
        "statuses": Counter(each.status for each in clients if each.ended_after is not None),
    }


async def _main(port: int, token: str, *kinds: str) -> None:
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    counts = [(kind, int(count)) for kind, _, count in (each.partition("=") for each in kinds)]
    clients = [_Client(kind, port, token) for kind, count in counts for _ in range(count)]
    random.shuffle(clients)
    living = []
    for first in range(0, len(clients), AT_ONCE):
        some = clients[first : first + AT_ONCE]
        await asyncio.gather(*(client.connect() for client in some))
        living += [asyncio.create_task(client.live()) for client in some]
    print("connected", flush=True)
    loop = asyncio.get_running_loop()
    while await loop.run_in_executor(None, sys.stdin.readline):
        print(json.dumps(_told(clients)), flush=True)


if __name__ == "__main__":
    asyncio.run(_main(int(sys.argv[1]), *sys.argv[2:]))
