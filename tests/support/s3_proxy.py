"""A proxy between a store and its S3 server that breaks what it is told to break."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from urllib.parse import urlsplit

from tests.support.loops import LoopThread, in_thread
from tests.support.s3_servers import S3Server
from tests.support.service import reserved_port

LATE = 1.3
"""Seconds by which `Break.DELAY` delays an answer: past the second between looks at records."""

OUTAGE = 0.8
"""Seconds for which the server is gone after `Break.GONE`."""


class Break(Enum):
    """What happens to a request."""

    BUSY = "503 SlowDown, and the server never hears of it"
    ERROR = "500 InternalError, and the server never hears of it"
    ERROR_AFTER = "502 as from a balancer, although the server has done the work"
    ERROR_IN_200 = "200 with an error as its body, as CompleteMultipartUpload may answer"
    GARBLED = "200 with a page as its body, as from something that is no S3"
    DELAY = "the answer comes late"
    RESET_AT_ONCE = "the connection is reset before the body is read"
    RESET_IN_BODY = "the connection is reset in the middle of the body"
    CUT_REPLY = "the server does the work, and its answer is lost"
    RESET_REPLY = "the server does the work, and the connection is reset before the answer"
    CUT_REPLY_HEAD = "the connection ends in the middle of the answer's head"
    CUT_REPLY_BODY = "the connection ends in the middle of the answer's body; the head, without one"
    GONE = "the server is gone, connections are refused, and a little later it is back"
    HOLD = "nothing goes on until `release`, then all of it"
    HOLD_AND_CUT = "the server does the work, and after `release` its answer is lost"


LOSES_REPLY = (
    Break.ERROR_AFTER,
    Break.CUT_REPLY,
    Break.RESET_REPLY,
    Break.CUT_REPLY_HEAD,
    Break.CUT_REPLY_BODY,
)
"""The server has done the work, and does not get to say so."""

_ANSWERS = {
    Break.BUSY: ("503 Slow Down", "<Error><Code>SlowDown</Code></Error>"),
    Break.ERROR: ("500 Internal Server Error", "<Error><Code>InternalError</Code></Error>"),
    Break.ERROR_AFTER: ("502 Bad Gateway", "<html>Bad gateway"),
    Break.ERROR_IN_200: ("200 OK", "<Error><Code>InternalError</Code></Error>"),
    Break.GARBLED: ("200 OK", "<html>Welcome"),
}


@dataclass
class Request:
    """One request, as its first line has it, the size of its body, its headers in lower case."""

    method: str
    target: str
    size: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.method} {self.target}"


Matcher = Callable[[Request], bool]


def put_object(request: Request) -> bool:
    return request.method == "PUT" and "?" not in request.target


def create_upload(request: Request) -> bool:
    return request.method == "POST" and request.target.endswith("?uploads")


def upload_part(request: Request) -> bool:
    return request.method == "PUT" and "partNumber=" in request.target


def copy_part(request: Request) -> bool:
    return upload_part(request) and "x-amz-copy-source" in request.headers


def complete_upload(request: Request) -> bool:
    return request.method == "POST" and "uploadId=" in request.target


def abort_upload(request: Request) -> bool:
    return request.method == "DELETE" and "uploadId=" in request.target


def list_parts(request: Request) -> bool:
    return request.method == "GET" and "uploadId=" in request.target


def list_uploads(request: Request) -> bool:
    return request.method == "GET" and "?uploads" in request.target


def get_object(request: Request) -> bool:
    return request.method == "GET" and "/files/" in request.target


def head_object(request: Request) -> bool:
    return request.method == "HEAD" and "/files/" in request.target


def head_bucket(request: Request) -> bool:
    return request.method == "HEAD" and request.target.count("/") == 1


def delete_object(request: Request) -> bool:
    return request.method == "DELETE" and "?" not in request.target


def first_list(request: Request) -> bool:
    """The one by which a bucket is tried when the store is opened."""
    return list_objects(request) and "max-keys=1&" in f"{request.target}&"


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
class _Plan:
    """Spoil those that match, but for the first ``spared``, ``times`` times."""

    matches: Matcher
    how: Break
    times: int
    spared: int


class _Cut(ConnectionError):
    """The connection to the client is over."""


@dataclass
class FaultyProxy:
    """Hands requests on; `breaks` says which it spoils and how often.

    It keeps connections alive as the server would; to the server it has one for each request.
    Bodies are held whole, in both directions.
    """

    server: S3Server
    endpoint: str = ""
    requests: list[Request] = field(default_factory=list)
    broken: list[Request] = field(default_factory=list)
    held: asyncio.Event = field(default_factory=asyncio.Event)
    released: asyncio.Event = field(default_factory=asyncio.Event)
    _reserved: socket.socket = field(default_factory=reserved_port)
    _listening: asyncio.Server | None = None
    _silent: bool = False
    _ending: asyncio.Event = field(default_factory=asyncio.Event)
    _handling: dict[asyncio.Task[None], asyncio.StreamWriter] = field(default_factory=dict)
    _idle: set[asyncio.StreamWriter] = field(default_factory=set)
    _returning: set[asyncio.Task[None]] = field(default_factory=set)
    _breaks: list[_Plan] = field(default_factory=list)

    def breaks(self, matches: Matcher, how: Break, *, times: int = 1, spared: int = 0) -> None:
        """Spoil the next ``times`` requests that match, after the first ``spared`` of them."""
        self._breaks.append(_Plan(matches, how, times, spared))

    def heal(self) -> None:
        """Spoil nothing any more."""
        self._breaks.clear()

    def release(self) -> None:
        """Let what is held go on; from the proxy's own loop only."""
        self.released.set()

    async def hold_anew(self) -> None:
        """Make ready to hold once more, after a `release`."""
        self.held.clear()
        self.released.clear()

    def count(self, matches: Matcher) -> int:
        return sum(map(matches, self.requests))

    def sent(self, matches: Matcher) -> int:
        """The bytes of the bodies of requests that match."""
        return sum(request.size for request in self.requests if matches(request))

    async def listen(self) -> None:
        """Take connections, at the same port as before."""
        if self._listening is None:
            port = self._reserved.getsockname()[1]
            self._listening = await asyncio.start_server(
                self.handle, "127.0.0.1", port, limit=1 << 20, reuse_address=True
            )
            self.endpoint = f"http://127.0.0.1:{port}"

    async def refuse(self) -> None:
        """Reset every connection, and take none until `listen`."""
        await self._stop_listening()
        for writer in self._handling.values():
            _reset(writer)

    async def _stop_listening(self) -> None:
        if self._listening is None:
            return
        listening, self._listening = self._listening, None
        for each in listening.sockets:
            asyncio.get_running_loop().remove_reader(each.fileno())
        # Python up to 3.11 drops connections, unclosed, that it has accepted in this very step.
        await asyncio.sleep(0)
        listening.close()

    async def silence(self) -> None:
        """Take connections and answer nothing until `speak`, also what is under way."""
        self._silent = True

    async def speak(self) -> None:
        """Answer again, on new connections: those from before stay as they are."""
        self._silent = False

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._handling[task] = writer
        try:
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
                while not self._ending.is_set():
                    await self._handle(reader, writer)
        finally:
            del self._handling[task]
            writer.close()

    async def end(self) -> None:
        """Let what is held go on, and wait until nothing is under way."""
        self.release()
        self._ending.set()
        while self._returning:
            await asyncio.wait(set(self._returning))
        await self._stop_listening()
        while self._handling:
            for writer in self._idle:
                writer.close()
            await asyncio.wait(set(self._handling))
        self._reserved.close()

    async def _handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self._while_silent()
        self._idle.add(writer)
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        finally:
            self._idle.discard(writer)
        await self._while_silent()
        request = _request(head)
        self.requests.append(request)
        how = self._next_break(request)
        if how in (Break.RESET_AT_ONCE, Break.RESET_IN_BODY):
            await reader.readexactly(request.size // 2 if how is Break.RESET_IN_BODY else 0)
            _reset(writer)
            raise _Cut
        if how is Break.GONE:
            await self._be_gone()
        body = await reader.readexactly(request.size)
        if how is Break.HOLD:
            await self._hold()
        if how in _ANSWERS and how is not Break.ERROR_AFTER:
            answer = _answer(how, request)
        else:
            answer = await self._ask_server(head, body)
        await self._while_silent()
        await self._reply(request, answer, how, writer)

    async def _reply(
        self, request: Request, answer: bytes, how: Break | None, writer: asyncio.StreamWriter
    ) -> None:
        if how is Break.ERROR_AFTER:
            answer = _answer(how, request)
        elif how is Break.DELAY:
            await asyncio.sleep(LATE)
        elif how is Break.HOLD_AND_CUT:
            await self._hold()
            raise _Cut
        elif how is Break.CUT_REPLY:
            raise _Cut
        elif how is Break.RESET_REPLY:
            _reset(writer)
            raise _Cut
        answered_head, _, answered = answer.partition(b"\r\n\r\n")
        cut = how in (Break.CUT_REPLY_HEAD, Break.CUT_REPLY_BODY)
        if cut:
            whole = how is Break.CUT_REPLY_BODY and answered
            size = len(answered_head) + 4 + len(answered) // 2 if whole else len(answered_head) // 2
            answer = answer[:size]
        writer.write(answer)
        await writer.drain()
        if cut or b"\r\nconnection: close" in answered_head.lower():
            raise _Cut

    async def _hold(self) -> None:
        self.held.set()
        await self.released.wait()

    async def _while_silent(self) -> None:
        """Return if there is something to say; else only when all is over."""
        if self._silent:
            await self._ending.wait()
            raise _Cut

    async def _be_gone(self) -> None:
        async def return_later() -> None:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._ending.wait(), OUTAGE)
            await self.listen()

        await self.refuse()
        task = asyncio.create_task(return_later())
        self._returning.add(task)
        task.add_done_callback(self._returning.discard)
        raise _Cut

    def _next_break(self, request: Request) -> Break | None:
        for plan in tuple(self._breaks):
            if plan.times and plan.matches(request):
                if plan.spared:
                    plan.spared -= 1
                    continue
                plan.times -= 1
                self.broken.append(request)
                return plan.how
        return None

    async def _ask_server(self, head: bytes, body: bytes) -> bytes:
        address = urlsplit(self.server.endpoint)
        reader, writer = await asyncio.open_connection(address.hostname, address.port)
        try:
            writer.write(head.replace(b"\r\n", b"\r\nConnection: close\r\n", 1) + body)
            return _kept_alive(await reader.read())
        finally:
            writer.close()


def _request(head: bytes) -> Request:
    first, *lines = head.decode().split("\r\n")
    method, target, _ = first.split(" ", 2)
    fields = (line.split(": ", 1) for line in lines if ": " in line)
    headers = {name.lower(): value for name, value in fields}
    return Request(method, target, int(headers.get("content-length", 0)), headers)


def _answer(how: Break, request: Request) -> bytes:
    status, body = _ANSWERS[how]
    head = (
        f"HTTP/1.1 {status}\r\nContent-Type: application/xml\r\nConnection: close\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return (head if request.method == "HEAD" else head + body).encode()


def _kept_alive(answer: bytes) -> bytes:
    """The answer without the end of its connection, where its length is told otherwise."""
    head, between, body = answer.partition(b"\r\n\r\n")
    first, *lines = head.split(b"\r\n")
    names = {line.partition(b":")[0].lower() for line in lines}
    if not names & {b"content-length", b"transfer-encoding"}:
        return answer
    kept = [line for line in lines if not line.lower().startswith(b"connection:")]
    return b"\r\n".join([first, *kept]) + between + body


def _reset(writer: asyncio.StreamWriter) -> None:
    """Send RST, and be gone."""
    if not writer.transport.is_closing():
        own: socket.socket = writer.get_extra_info("socket")
        own.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


@contextlib.asynccontextmanager
async def faulty_proxy(server: S3Server) -> AsyncIterator[FaultyProxy]:
    """Start a proxy before ``server``; it ends with the block."""
    proxy = FaultyProxy(server)
    await proxy.listen()
    try:
        yield proxy
    finally:
        await proxy.end()


@contextlib.contextmanager
def threaded_proxy(server: S3Server) -> Iterator[tuple[LoopThread, FaultyProxy]]:
    """`faulty_proxy` in a thread, for those whose service is another process."""
    with in_thread(faulty_proxy(server)) as both:
        yield both
