"""A proxy between a store and its S3 server that breaks what it is told to break."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from enum import Enum
from urllib.parse import urlsplit

from tests.support.s3_servers import S3Server


class Break(Enum):
    """What happens to a request."""

    CUT_REPLY = "the server does the work, and its answer is lost"
    CUT_REPLY_BODY = "the connection ends in the middle of the answer's body"
    BUSY = "503 SlowDown, and the server never hears of it"
    ERROR_IN_200 = "200 with an error as its body, as CompleteMultipartUpload may answer"
    HOLD = "nothing goes on until `release`, then all of it"


@dataclass
class Request:
    """One request, as its first line has it, and the bytes of its body."""

    method: str
    target: str
    size: int = 0

    def __str__(self) -> str:
        return f"{self.method} {self.target}"


Matcher = Callable[[Request], bool]


def put_object(request: Request) -> bool:
    return request.method == "PUT" and "?" not in request.target


def create_upload(request: Request) -> bool:
    return request.method == "POST" and request.target.endswith("?uploads")


def upload_part(request: Request) -> bool:
    return request.method == "PUT" and "partNumber=" in request.target


def complete_upload(request: Request) -> bool:
    return request.method == "POST" and "uploadId=" in request.target


def abort_upload(request: Request) -> bool:
    return request.method == "DELETE" and "uploadId=" in request.target


def get_object(request: Request) -> bool:
    return request.method == "GET" and "/files/" in request.target


def head_object(request: Request) -> bool:
    return request.method == "HEAD" and "/files/" in request.target


def delete_object(request: Request) -> bool:
    return request.method == "DELETE" and "?" not in request.target


def list_objects(request: Request) -> bool:
    return request.method == "GET" and "?list-type=2" in request.target


def get_record(request: Request) -> bool:
    return request.method == "GET" and request.target.endswith("/record")


def put_record(request: Request) -> bool:
    return request.method == "PUT" and request.target.endswith("/record")


def get_held(request: Request) -> bool:
    """Reads what an upload keeps as an object: a tail, a part, the content."""
    return request.method == "GET" and "/uploads/" in request.target and not get_record(request)


def put_held(request: Request) -> bool:
    """Keeps a tail, or a part, as an object."""
    return put_object(request) and "/uploads/" in request.target and not put_record(request)


def first_tries(matches: Matcher) -> Matcher:
    """Of the requests that match, every other one with the same target, from the first on."""
    tried: set[str] = set()

    def first(request: Request) -> bool:
        if not matches(request):
            return False
        tried.symmetric_difference_update({request.target})
        return request.target in tried

    return first


@dataclass
class FaultyProxy:
    """Hands requests on, one a connection; `breaks` says which it spoils and how often."""

    server: S3Server
    endpoint: str = ""
    requests: list[Request] = field(default_factory=list)
    held: asyncio.Event = field(default_factory=asyncio.Event)
    released: asyncio.Event = field(default_factory=asyncio.Event)
    _handling: set[asyncio.Task[None]] = field(default_factory=set)
    _breaks: list[tuple[Matcher, Break, int]] = field(default_factory=list)

    def breaks(self, matches: Matcher, how: Break, *, times: int = 1) -> None:
        """Spoil the next ``times`` requests that match."""
        self._breaks.append((matches, how, times))

    def release(self) -> None:
        self.released.set()

    def count(self, matches: Matcher) -> int:
        return sum(map(matches, self.requests))

    def sent(self, matches: Matcher) -> int:
        """The bytes of the bodies of requests that match."""
        return sum(request.size for request in self.requests if matches(request))

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._handling.add(task)
        try:
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
                await self._handle(reader, writer)
        finally:
            self._handling.discard(task)
            writer.close()

    async def end(self) -> None:
        """Let what is held go on, and wait until nothing is under way."""
        self.release()
        while self._handling:
            await asyncio.wait(set(self._handling))

    async def _handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        lines = head.decode().split("\r\n")
        method, target, _ = lines[0].split(" ", 2)
        headers = dict(line.lower().split(": ", 1) for line in lines[1:] if ": " in line)
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        request = Request(method, target, len(body))
        self.requests.append(request)
        how = self._next_break(request)
        if how is Break.HOLD:
            self.held.set()
            await self.released.wait()
        if how is Break.BUSY:
            answer = _xml_answer("503 Slow Down", "SlowDown")
        elif how is Break.ERROR_IN_200:
            answer = _xml_answer("200 OK", "InternalError")
        else:
            answer = await self._ask_server(head, body)
        if how is Break.CUT_REPLY_BODY:
            answer = answer[: -max(1, len(answer) // 4)]
        if how is not Break.CUT_REPLY:
            writer.write(answer)
            await writer.drain()

    def _next_break(self, request: Request) -> Break | None:
        for index, (matches, how, times) in enumerate(self._breaks):
            if times and matches(request):
                self._breaks[index] = (matches, how, times - 1)
                return how
        return None

    async def _ask_server(self, head: bytes, body: bytes) -> bytes:
        address = urlsplit(self.server.endpoint)
        reader, writer = await asyncio.open_connection(address.hostname, address.port)
        try:
            writer.write(head.replace(b"\r\n", b"\r\nConnection: close\r\n", 1) + body)
            return await reader.read()
        finally:
            writer.close()


def _xml_answer(status: str, code: str) -> bytes:
    body = f"<Error><Code>{code}</Code><Message>as told</Message></Error>"
    return (
        f"HTTP/1.1 {status}\r\nContent-Type: application/xml\r\nConnection: close\r\n"
        f"Content-Length: {len(body)}\r\n\r\n{body}"
    ).encode()


@contextlib.asynccontextmanager
async def faulty_proxy(server: S3Server) -> AsyncIterator[FaultyProxy]:
    """Start a proxy before ``server``; it ends with the block."""
    proxy = FaultyProxy(server)
    listening = await asyncio.start_server(proxy.handle, "127.0.0.1", 0, limit=1 << 20)
    host, port = listening.sockets[0].getsockname()[:2]
    proxy.endpoint = f"http://{host}:{port}"
    try:
        yield proxy
    finally:
        listening.close()
        await proxy.end()
