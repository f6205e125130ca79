"""One connection: gunicorn's, with what it leaves to us.

* A connection too many is closed at once.
* A request head that does not arrive in time ends its connection (slowloris): an unfinished head
  never reaches an application, so only the server can do it.
* What the server itself refuses is answered with problem details and the headers that all answers
  have, never in the middle of another answer, and the client gets a moment to read it.
* A transfer coding besides chunked is refused: its bytes would be stored still encoded.
* A client that ends its side of the connection behind a whole request still gets its answer.
* Of a request that the end of its connection cuts, the application gets all that has arrived.
* A wish to speak another protocol is not heeded (RFC 9110, 7.8): the request is answered as it is.
* A client that takes nothing of an answer is let go of, also at the end of a connection.
* The kernel copies files to the client, where the application asks for it (`zerocopy`).
* HTTP/1.0 connections end after one answer, whatever they ask for: its end may be the only mark
  of the answer's end.
* Less is read ahead of a slow application, so that many uploads at once stay small.
* ``Connection: close`` in an answer closes the connection.
* No log shows a link that somebody could use.
* A number with more digits than Python reads is a bad request, like any other that is none.

It leans on inner names of gunicorn's (`inner_names`); the end-to-end tests hold every point of the
list against the version that is installed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from http import HTTPStatus
from types import SimpleNamespace
from typing import Any, Protocol

from gunicorn.asgi.parser import UnsupportedTransferCoding
from gunicorn.asgi.protocol import HIGH_WATER_LIMIT, ASGIProtocol
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from file_uploader import metrics
from file_uploader.http import caching, context, problems, sendfile
from file_uploader.http.fields import target

from .receive_buffer import Reads
from .time_limit import TimeLimit

HEAD_TIMEOUT = 15.0
"""Seconds from the opening of a connection, or its last answer, to the end of a request head."""

SYNTAX_LIMIT = 128 * 1024
"""Bytes that may arrive without completing a request head or adding to a body: gunicorn's C parser
holds on to a header, a chunk's extension or a trailer of any size until it ends."""

READ_AHEAD = 32 * 1024
"""Bytes of a body that wait for the application before the socket is paused."""

LINGER = 2.0
"""Seconds for which the rest of a refused request is thrown away, so that no reset overtakes the
answer (RFC 9112, 9.6)."""

_HEAD = b"HEAD "
_ENOUGH = len(_HEAD) + len(b"\r\n")
"""Bytes of a request that tell whether its method is HEAD, also behind an empty line."""

FLUSH_TIMEOUT = 15.0
"""Seconds without any progress after which a closed connection's unsent bytes are given up."""


class HasConnections(Protocol):
    """The worker, as far as a connection needs it; gunicorn's own needs are its own.

    ``idle_timeout`` in seconds: for how long a client may take nothing of an answer. ``copiers``
    are threads that may wait for a disk.
    """

    loop: asyncio.AbstractEventLoop
    connections: Any
    reads: Reads
    idle_timeout: float
    copiers: Executor

    def has_room(self) -> bool:
        """Whether the connection that was made last may stay."""
        ...


class Connection(ASGIProtocol):  # type: ignore[misc]
    """One connection."""

    def __init__(self, worker: HasConnections) -> None:
        super().__init__(worker)
        self._pre_request: Callable[[Any, Any], object] | None
        if self._pre_request is self.cfg.settings["pre_request"].default:
            self._pre_request = _log_request
        self._closed: bool
        self.app: ASGIApp
        self._response_buffer: bytes | None
        self._callback_parser: Any
        self._body_receiver: Any
        worker.connections.add(self)
        self._application = self.app
        self.app = self._call
        self._copying: asyncio.Task[None] | None = None
        self._taken = asyncio.Event()
        self._max_buffer_size = READ_AHEAD
        self._close_timer: asyncio.TimerHandle | None = None
        self._head_clock = TimeLimit(worker.loop, HEAD_TIMEOUT, self._head_timed_out)
        self._stall_clock = TimeLimit(worker.loop, worker.idle_timeout, self._stalled)
        self._syntax = 0
        self._first = b""
        self._answer_begun = False
        self._refused = False
        self._lost = False
        self._loss: Exception | None = None
        self._peer = "-"

    @property
    def idle(self) -> bool:
        """Whether no request is being served."""
        return bool(self._awaiting_request) and not self._finishing_calls

    @property
    def serving(self) -> asyncio.Task[None] | None:
        """The task that serves this connection, while it runs."""
        task: asyncio.Task[None] | None = self._task
        return None if task is None or task.done() else task

    def close(self) -> None:
        """Close an idle connection."""
        self._close_transport()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start the clock of the first request head."""
        super().connection_made(transport)
        # It cannot be asked for once the connection is gone.
        peer = transport.get_extra_info("peername")
        self._peer = str(peer[0]) if peer else "-"
        if self.worker.has_room():
            self._head_clock.start()
        else:
            self.transport.abort()

    def data_received(self, data: memoryview) -> None:
        """Throw away what follows a refusal; ``data`` is overwritten after this."""
        if not self._closed:
            super().data_received(data)

    def _is_websocket_upgrade(self, _request: Any) -> bool:
        return False

    @property
    def _request_is_whole(self) -> bool:
        receiver = self._body_receiver
        return receiver is not None and receiver._complete  # noqa: SLF001

    def _maybe_resume_reading(self) -> None:
        """Leave it paused, once the whole request was read, until the next one's turn comes."""
        if not self._request_is_whole:
            super()._maybe_resume_reading()

    def _feed_callback_parser(self, data: bytes | memoryview) -> bool:
        # The first byte of a further head starts its clock, pipelined ones included.
        if self._current_request is None:
            self._head_clock.start()
            self._first = (self._first + bytes(data[:_ENOUGH])).lstrip(b"\r\n")[:_ENOUGH]
        self._syntax += len(data)
        try:
            going_on: bool = super()._feed_callback_parser(data)
        except ValueError:
            # The parser in Python reads any digits; Python, numbers of at most 4,300 (see headers).
            self._send_error_response(400, "Content-Length has more digits than any length.")
            self._close_transport()
            return False
        if going_on and not self._request_is_whole and self._syntax > SYNTAX_LIMIT:
            status = 431 if self._body_receiver is None else 400
            self._send_error_response(status, f"More than {SYNTAX_LIMIT} bytes of mere syntax.")
            self._close_transport()
            return False
        if going_on and self._request_is_whole and self._callback_parser.remaining():
            # The parser keeps the next request until its turn comes, but not any size of it.
            self._pause_reading()
        return going_on

    def _on_headers_complete(self) -> Any:
        self._head_clock.stop()
        self._first = b""
        self._syntax = 0
        self._answer_begun = False
        outcome = super()._on_headers_complete()
        if self._current_request.content_length:
            self.worker.reads.begin(self, self._current_request.content_length)
        for name, value in self._current_request.headers_bytes:
            if name == b"transfer-encoding" and value.lower() != b"chunked":
                raise UnsupportedTransferCoding("The only transfer coding known here is chunked.")
        return outcome

    def _on_body(self, chunk: bytes) -> None:
        self._syntax = 0
        self.worker.reads.arrived(self, len(chunk))
        super()._on_body(chunk)

    def _on_message_complete(self) -> None:
        self.worker.reads.end(self)
        super()._on_message_complete()

    def eof_received(self) -> bool:
        """Keep the way back open while a request that is whole has no answer yet.

        With TLS there is no such way.
        """
        answering = self._current_request is not None and self._request_is_whole
        if self._closed or self._is_ssl or not answering:
            return False
        self._keepalive = 0
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the clocks; the request is told of it behind what has arrived of its body."""
        self._head_clock.stop()
        self._stall_clock.stop()
        self.worker.reads.end(self)
        if self._close_timer is not None:
            self._close_timer.cancel()
        if self._copying is not None:
            self._copying.cancel()
        self._lost, self._loss = True, exc
        self._flow_control.resume_writing()  # Nobody takes any more of what was answered before.
        self.tell_end()
        self._task.add_done_callback(self._let_go)

    def tell_end(self) -> None:
        """Tell gunicorn that the connection is lost, if it is and nothing waits to be taken.

        It ends the request then, also one that was about to begin: bytes that come with the end of
        a connection would be lost. Whoever answers takes no more of them.
        """
        receiver = self._body_receiver
        waiting = receiver is not None and receiver.buffered and not self._answer_begun
        if self._lost and not waiting:
            super().connection_lost(self._loss)

    def _let_go(self, _task: asyncio.Task[None]) -> None:
        """Drop what refers back to this: it would stay in memory until Python looks for cycles."""
        super().connection_lost(self._loss)
        self._callback_parser = self._body_receiver = None
        del self.app, self._head_clock, self._stall_clock

    def pause_writing(self) -> None:
        """Start the clock of a client that takes less than there is for it."""
        super().pause_writing()
        self._stall_clock.start()

    def resume_writing(self) -> None:
        """Stop that clock."""
        self._stall_clock.stop()
        if self._copying is None:
            super().resume_writing()
        else:  # Whoever sends a file waits for the end of its copying.
            self._taken.set()

    def _stalled(self) -> None:
        self.log.info("An answer ended early: its client took nothing of it.")
        self.transport.abort()

    def _build_http_scope(self, request: Any, sockname: Any, peername: Any) -> Scope:
        scope: Scope = super()._build_http_scope(request, sockname, peername)
        if request.method == "GET" and self._callback_parser is not None and not self._is_ssl:
            scope.setdefault("extensions", {})[sendfile.EXTENSION] = {}
        return scope

    async def _call(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Call the application, and know what it says in the extension.

        Not before the client takes what was answered before: of answers without a body nobody
        waits for that.
        """
        await self._flow_control.drain()

        async def send_or_copy(message: Message) -> None:
            if message["type"] == sendfile.EXTENSION:
                span = sendfile.FileSpan(message["file"], message["offset"], message["count"])
                more = message.get("more_body", False)
                message = {"type": "http.response.body", "body": span, "more_body": more}
            await send(message)

        extended = sendfile.EXTENSION in scope.get("extensions", ())
        await self._application(scope, receive, send_or_copy if extended else send)

    def _send_body(
        self, body: Any, chunked: bool = False, last: bool = False, size: int | None = None
    ) -> None:
        if type(body) is not sendfile.FileSpan:
            super()._send_body(body, chunked, last, size)
            return
        # Whoever sends a body waits for the flow control behind it.
        self._flow_control.pause_writing()
        self._copying = self.worker.loop.create_task(self._copy(body))

    async def _copy(self, span: sendfile.FileSpan) -> None:
        try:
            # Only what answers a pipelined request finds something that was not sent yet.
            if self.transport.get_write_buffer_size():
                await self._all_taken()
            head, self._response_buffer = self._response_buffer or b"", None
            peer = self.transport.get_extra_info("socket")
            await sendfile.Copying(peer, head, span).run(
                self.worker.copiers, self.worker.idle_timeout
            )
        except TimeoutError:
            self._stalled()
        except (OSError, EOFError) as error:
            self.log.info("An answer ended early: %s", error)
            self.transport.abort()
        else:
            self._flow_control.resume_writing()
        finally:
            self._copying = None

    async def _all_taken(self) -> None:
        self._taken.clear()
        self.transport.set_write_buffer_limits(high=0)
        await self._taken.wait()
        self.transport.set_write_buffer_limits(high=HIGH_WATER_LIMIT)

    def _head_timed_out(self) -> None:
        self._send_error_response(408, f"No complete request head in {HEAD_TIMEOUT:g} s.")
        self._close_transport()

    def _close_transport(self) -> None:
        if self._closed or self.transport is None:
            return
        if not self._refused:
            super()._close_transport()
            self._give_up_unless_sending(None)
            return
        self._closed = True
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self._close_timer = self.worker.loop.call_later(LINGER, self.transport.close)
        # What the connection's task may be waiting for; it then finds the connection closed.
        self._request_ready.set()
        if self._body_receiver is not None:
            self._body_receiver.signal_disconnect()

    def _give_up_unless_sending(self, unsent_before: int | None) -> None:
        unsent = self.transport.get_write_buffer_size()
        if unsent and unsent == unsent_before:
            self.transport.abort()
        elif unsent:
            self._close_timer = self.worker.loop.call_later(
                FLUSH_TIMEOUT, self._give_up_unless_sending, unsent
            )

    def _send_error_response(
        self, status: int, message: str, extra_headers: tuple[tuple[str, str], ...] = ()
    ) -> None:
        self._refused = True
        if self._answer_begun and self._current_request is not None:
            return
        problem = problems.of_status(status)
        ours = status >= 500 and status != HTTPStatus.NOT_IMPLEMENTED
        detail = problem.title if ours else message or problem.title
        if (here := context.current()) is not None:
            self._answer(here, problem, detail, extra_headers)
            return
        request = self._current_request
        with context.refused(() if request is None else request.headers_bytes) as here:
            metrics.REFUSED.labels(problem.status).inc()
            self.log.info("Refused %s, before it was a request: %s", self._peer, problem.title)
            self._answer(here, problem, detail, extra_headers)

    def _answer(
        self,
        here: context.RequestContext,
        problem: problems.Problem,
        detail: str,
        extra_headers: tuple[tuple[str, str], ...],
    ) -> None:
        body = problems.body(problem, detail)
        headers = (
            ("Content-Type", problems.MEDIA_TYPE),
            ("Content-Length", str(len(body))),
            *caching.STATE.items(),
            (context.HEADER, here.id),
            *extra_headers,
        )
        super()._send_response_start(problem.status, headers, _UNKNOWN, close=True)
        head, self._response_buffer = self._response_buffer or b"", None
        self._safe_write(head if self._asks_for_head else head + body)

    @property
    def _asks_for_head(self) -> bool:
        """Whether the answer has no body (RFC 9110, 9.3.2); the C parser tells no method early."""
        if self._current_request is None:
            return self._first.startswith(_HEAD)
        return bool(self._current_request.method == "HEAD")

    def _build_environ(self, request: Any, sockname: Any, peername: Any) -> dict[str, str]:
        """What the access log is written from."""
        environ: dict[str, str] = super()._build_environ(request, sockname, peername)
        logged = ("RAW_URI", "PATH_INFO", "HTTP_REFERER")
        shown = {name: target.without_secrets(environ.get(name, "")) for name in logged}
        return {**environ, **{name: text for name, text in shown.items() if text}}

    def _send_response_start(
        self,
        status: int,
        headers: list[tuple[bytes, bytes]],
        request: Any,
        *,
        close: bool = False,
    ) -> None:
        self._answer_begun = True
        self.tell_end()
        if request.version < (1, 1) or (b"connection", b"close") in headers:
            self._keepalive, close = 0, True
        super()._send_response_start(status, headers, request, close=close)


_UNKNOWN = SimpleNamespace(version=(1, 1))
"""What gunicorn has to know of a request whose head was not read: in which version to answer."""


def _log_request(worker: Any, request: Any) -> None:
    """What gunicorn logs of each request at the level debug, without a link's secret."""
    worker.log.debug("%s %s", request.method, target.without_secrets(request.path))
