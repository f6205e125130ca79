"""What is between a client and the service: cuts connections, notes what was acknowledged."""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
import struct
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

_PIECE = 64 * 1024
_HEAD = re.compile(rb"HTTP/1\.1 (\d{3}) .*?\r\n\r\n", re.DOTALL)
_OFFSET = re.compile(rb"\r\nupload-offset: *(\d+)\r\n", re.IGNORECASE)


def _nothing() -> None:
    return


@dataclass(frozen=True)
class Seen:
    """The head of an answer on its way to the client, interim ones included."""

    status: int
    offset: int | None
    location: bool


@dataclass
class Proxy:
    """Hands each connection on to the port that ``target`` names for it.

    At each of the numbers of bytes in ``cuts``, counted from the client over all connections, the
    connection that brought them is reset on both sides: after ``crash``, and before ``recover``.
    """

    target: Callable[[], int]
    cuts: Sequence[int] = ()
    crash: Callable[[], None] = _nothing
    recover: Callable[[], None] = _nothing
    port: int = 0
    sent: int = 0
    cuts_made: int = 0
    connections: int = 0
    seen: list[Seen] = field(default_factory=list)
    failures: list[BaseException] = field(default_factory=list)
    _open: dict[asyncio.Task[None], list[asyncio.StreamWriter]] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def offsets(self) -> list[int]:
        """Every offset that an answer acknowledged, in their order."""
        return [answer.offset for answer in self.seen if answer.offset is not None]

    def count(self, status: int) -> int:
        """How many answers had this status."""
        return sum(answer.status == status for answer in self.seen)

    @property
    def creations(self) -> int:
        """How many uploads were begun, as far as the answer came."""
        return sum(answer.status == 201 and answer.location for answer in self.seen)

    async def handle(self, client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        task = asyncio.current_task()
        assert task is not None
        self._open[task] = [to_client]
        self.connections += 1
        try:
            server, to_server = await asyncio.open_connection("127.0.0.1", self.target())
            self._open[task].append(to_server)
            answering = asyncio.create_task(self._pass_answers(server, to_client))
            cut = await self._pass_requests(client, to_server)
            if cut:
                await asyncio.to_thread(self.crash)
            _reset(to_client, to_server)
            await answering
            if cut:
                await asyncio.to_thread(self.recover)
        except ConnectionRefusedError:
            _reset(to_client)
        except Exception as error:  # noqa: BLE001 (the test fails with it)
            self.failures.append(error)
        finally:
            del self._open[task]

    async def end(self) -> None:
        """Reset what is open, and wait until nothing is under way."""
        while self._open:
            for sides in self._open.values():
                _reset(*sides)
            await asyncio.wait(list(self._open))

    async def _pass_requests(
        self, client: asyncio.StreamReader, to_server: asyncio.StreamWriter
    ) -> bool:
        """Hand on what the client sends; whether the connection has to be cut now."""
        with contextlib.suppress(OSError):
            while data := await client.read(_PIECE):
                if self.cuts_made < len(self.cuts):
                    data = data[: max(0, self.cuts[self.cuts_made] - self.sent)]
                self.sent += len(data)
                to_server.write(data)
                await to_server.drain()
                if self.cuts_made < len(self.cuts) and self.sent >= self.cuts[self.cuts_made]:
                    self.cuts_made += 1
                    return True
        return False

    async def _pass_answers(
        self, server: asyncio.StreamReader, to_client: asyncio.StreamWriter
    ) -> None:
        unread = b""
        with contextlib.suppress(OSError):
            while data := await server.read(_PIECE):
                unread += data
                while head := _HEAD.search(unread):
                    offset = _OFFSET.search(head[0])
                    self.seen.append(
                        Seen(
                            int(head[1]),
                            int(offset[1]) if offset else None,
                            b"\r\nlocation:" in head[0].lower(),
                        )
                    )
                    unread = unread[head.end() :]
                to_client.write(data)
                await to_client.drain()
        to_client.close()


@contextlib.contextmanager
def running(proxy: Proxy) -> Iterator[Proxy]:
    """Run the proxy in a thread; it ends with the block, and fails it with what failed there."""
    started, done = threading.Event(), threading.Event()

    async def serve() -> None:
        listening = await asyncio.start_server(proxy.handle, "127.0.0.1", 0)
        proxy.port = listening.sockets[0].getsockname()[1]
        started.set()
        await asyncio.to_thread(done.wait)
        listening.close()
        await proxy.end()

    thread = threading.Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    started.wait()
    try:
        yield proxy
    finally:
        done.set()
        thread.join()
    assert not proxy.failures, proxy.failures


def _reset(*sides: asyncio.StreamWriter) -> None:
    """Send RST, and be gone."""
    for side in sides:
        if not side.transport.is_closing():
            own: socket.socket = side.get_extra_info("socket")
            own.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        side.transport.abort()
