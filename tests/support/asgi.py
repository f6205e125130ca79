"""An ASGI server as small as can be: it sends exactly what a test says, and notes what came when.

What a real server would do with bytes on a wire is left out; `tests/integration` does that.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from starlette.types import ASGIApp, Message, Scope

from tests.support.waiting import happens

Headers = Iterable[tuple[str, str]]

PATIENCE = 30.0
"""Seconds for one request, or for a start or an end, of what serves from memory."""


@dataclass(frozen=True)
class Interim:
    """One interim response (1xx). ``asked``: a byte of the body had been asked for by then."""

    status: int
    headers: dict[str, str]
    asked: bool


@dataclass
class Answer:
    """What came back. Header names as they were sent, values as Latin-1.

    ``interim``: what came before it. ``complete``: the body came to its end. ``asked_first``: a
    byte of the body was asked for before the answer began, which is what makes a server send
    ``100 Continue``. ``crash``: what the application raised into the server.
    """

    status: int = 0
    headers: list[tuple[str, str]] = field(default_factory=list)
    interim: list[Interim] = field(default_factory=list)
    chunks: list[bytes] = field(default_factory=list)
    complete: bool = False
    asked_first: bool = False
    received: int = 0
    crash: Exception | None = None

    @property
    def body(self) -> bytes:
        """All of the body that came."""
        return b"".join(self.chunks)

    @property
    def json(self) -> Any:
        """The body, parsed."""
        return json.loads(self.body)

    def all(self, name: str) -> list[str]:
        """Every value of a header."""
        return [value for key, value in self.headers if key == name.lower()]

    def get(self, name: str) -> str | None:
        """The only value of a header; None without it."""
        values = self.all(name)
        assert len(values) <= 1, f"{name} is there {len(values)} times"
        return values[0] if values else None

    def __getitem__(self, name: str) -> str:
        """The only value of a header that has to be there."""
        value = self.get(name)
        assert value is not None, f"no {name} in {self.headers}"
        return value

    @property
    def slug(self) -> str:
        """Which problem it is: the fragment of its type."""
        assert self["content-type"] == "application/problem+json", self
        problem = self.json
        assert set(problem) >= {"type", "title", "status", "detail"}, problem
        assert problem["request-id"] == self["x-request-id"], problem
        assert problem["status"] == self.status, problem
        assert problem["title"], problem
        assert problem["detail"], problem
        page, _, fragment = str(problem["type"]).partition("#")
        assert page in ("/docs/api.md", "https://iana.org/assignments/http-problem-types"), problem
        return fragment


class Exchange:
    """One request and its answer. ``answer`` is filled in as messages come."""

    def __init__(
        self,
        app: ASGIApp,
        scope: Scope,
        chunks: Sequence[bytes],
        *,
        ends: bool = True,
        stalls: bool = False,
        take: int | None = None,
        on_body: Callable[[bytes], Awaitable[None]] | None = None,
    ) -> None:
        self._app = app
        self._scope = scope
        self._chunks = list(chunks)
        self._ends = ends
        self._stalls = stalls
        self._take = take
        self._on_body = on_body
        self._over = False
        self.answer = Answer()
        self.stalled = asyncio.Event()

    async def run(self) -> Answer:
        """Serve it. What the application raises is in ``answer.crash``.

        Fails the test where it is not served within `PATIENCE`.
        """
        try:
            async with asyncio.timeout(PATIENCE) as limit:
                await self._app(self._scope, self._receive, self._send)
        except Exception as error:  # noqa: BLE001 (a server survives whatever comes)
            self.answer.crash = error
        request = f"{self._scope['method']} {self._scope['raw_path']!r}"
        assert not limit.expired(), f"{request} was not served within {PATIENCE:g} s"
        return self.answer

    async def until_stalled(self) -> None:
        """Wait until the client has sent, or taken, all that it will; it is served meanwhile."""
        await happens(self.stalled, "the client is asked for more, or sent more, than it does")

    async def _receive(self) -> Message:
        if not self.answer.status:
            self.answer.asked_first = True
        await asyncio.sleep(0)
        if self._over:
            return {"type": "http.disconnect"}
        if not self._chunks and self._stalls:
            self.stalled.set()
            await asyncio.Event().wait()
        if not self._chunks and not self._ends:
            self._over = True
            return {"type": "http.disconnect"}
        chunk = self._chunks.pop(0) if self._chunks else b""
        self.answer.received += len(chunk)
        more = bool(self._chunks) or not self._ends or self._stalls
        self._over = not more
        return {"type": "http.request", "body": chunk, "more_body": more}

    async def _send(self, message: Message) -> None:
        await asyncio.sleep(0)
        answer = self.answer
        if message["type"] == "http.response.informational":
            assert not answer.status, "an interim response after the final one"
            headers = _decoded(message["headers"])
            assert len(dict(headers)) == len(headers), headers
            answer.interim.append(Interim(message["status"], dict(headers), answer.asked_first))
            return
        if message["type"] == "http.response.start":
            assert not answer.status, "two answers"
            answer.status = message["status"]
            answer.headers = _decoded(message["headers"])
            return
        assert message["type"] == "http.response.body", message
        assert answer.status, "a body before its head"
        assert not answer.complete, "a body after its end"
        if message.get("body"):
            if self._take is not None and len(answer.chunks) >= self._take:
                self.stalled.set()
                await asyncio.Event().wait()
            answer.chunks.append(message["body"])
            if self._on_body is not None:
                await self._on_body(message["body"])
        answer.complete = not message.get("more_body", False)


def _decoded(raw: Iterable[tuple[bytes, bytes]]) -> list[tuple[str, str]]:
    headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in raw]
    assert all(name == name.lower() for name, _ in headers), "ASGI wants lower case"
    return headers


class Client:
    """Somebody who talks to the application, with a token or without."""

    def __init__(self, app: ASGIApp, token: str | None = None) -> None:
        self.app = app
        self.token = token

    def exchange(
        self,
        method: str,
        target: str | bytes,
        headers: Headers = (),
        body: bytes | Sequence[bytes] | None = None,
        *,
        length: int | None = None,
        host: str | None = "localhost",
        version: str = "1.1",
        ends: bool = True,
        stalls: bool = False,
        take: int | None = None,
        on_body: Callable[[bytes], Awaitable[None]] | None = None,
    ) -> Exchange:
        """Prepare one request.

        ``target`` is the raw request target. A body in bytes is announced with its length (or
        ``length``), a sequence of chunks is sent chunked unless there is a ``length``. The client
        is gone after the last chunk where not ``ends``; it stays and is silent where it
        ``stalls``. It takes ``take`` chunks of the answer and no more.
        """
        raw = target if isinstance(target, bytes) else target.encode()
        path, _, query = raw.partition(b"?")
        fields = [(name.lower().encode(), value.encode("latin-1")) for name, value in headers]
        if host is not None:
            fields.insert(0, (b"host", host.encode("latin-1")))
        if all(name != b"x-request-id" for name, _ in fields):
            # All have the same, so that answers can be compared.
            fields.append((b"x-request-id", b"a-test"))
        if self.token is not None:
            fields.append((b"x-auth-token", self.token.encode("latin-1")))
        chunks = [body] if isinstance(body, bytes) else list(body or ())
        if isinstance(body, bytes) and length is None:
            length = len(body)
        if length is not None:
            fields.append((b"content-length", b"%d" % length))
        elif body is not None:
            fields.append((b"transfer-encoding", b"chunked"))
        scope: Scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.4"},
            "http_version": version,
            "method": method,
            "scheme": "http",
            "path": path.decode("utf-8", "replace"),
            "raw_path": path,
            "query_string": query,
            "root_path": "",
            "headers": fields,
            "server": ("127.0.0.1", 8080),
            "client": ("127.0.0.1", 40000),
        }
        return Exchange(
            self.app, scope, chunks, ends=ends, stalls=stalls, take=take, on_body=on_body
        )

    async def __call__(
        self,
        method: str,
        target: str | bytes,
        headers: Headers = (),
        body: bytes | Sequence[bytes] | None = None,
        **options: Any,
    ) -> Answer:
        """Send one request; the application may not crash on it."""
        answer = await self.exchange(method, target, headers, body, **options).run()
        if answer.crash is not None:
            raise answer.crash
        return answer


@asynccontextmanager
async def running(app: ASGIApp) -> AsyncIterator[ASGIApp]:
    """Start the application up by ASGI's lifespan protocol, and shut it down in the end."""
    incoming: asyncio.Queue[Message] = asyncio.Queue()
    outgoing: asyncio.Queue[Message] = asyncio.Queue()
    scope: Scope = {"type": "lifespan", "asgi": {"version": "3.0"}, "state": {}}
    task = asyncio.ensure_future(_run(app, scope, incoming, outgoing))
    try:
        await _phase("startup", task, incoming, outgoing)
        yield app
        await _phase("shutdown", task, incoming, outgoing)
        await task
    finally:
        task.cancel()


async def _run(
    app: ASGIApp,
    scope: Scope,
    incoming: asyncio.Queue[Message],
    outgoing: asyncio.Queue[Message],
) -> None:
    await app(scope, incoming.get, outgoing.put)


async def _phase(
    phase: str,
    task: asyncio.Future[None],
    incoming: asyncio.Queue[Message],
    outgoing: asyncio.Queue[Message],
) -> None:
    await incoming.put({"type": f"lifespan.{phase}"})
    answer = asyncio.ensure_future(outgoing.get())
    either: list[asyncio.Future[Any]] = [answer, task]
    await asyncio.wait(either, timeout=PATIENCE, return_when=asyncio.FIRST_COMPLETED)
    assert answer.done() or task.done(), f"no end of the {phase} within {PATIENCE:g} s"
    if not answer.done():
        answer.cancel()
        await task
        raise RuntimeError(f"the application ended at its {phase}")
    assert answer.result()["type"] == f"lifespan.{phase}.complete", answer.result()
