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
* HTTP/1.0 connections end after one answer, whatever they ask for: its end may be the only mark
  of the answer's end.
* Less is read ahead of a slow application, so that many uploads at once stay small.
* ``Connection: close`` in an answer closes the connection.
* A number with more digits than Python reads is a bad request, like any other that is none.

It leans on inner names of gunicorn's (`inner_names`); the end-to-end tests hold every point of the
list against the version that is installed.
"""

from __future__ import annotations

import asyncio
from contextlib import nullcontext
from http import HTTPStatus
from types import SimpleNamespace
from typing import Any

from gunicorn.asgi.parser import UnsupportedTransferCoding
from gunicorn.asgi.protocol import ASGIProtocol

from file_uploader import metrics
from file_uploader.http import caching, context, problems

from .sending import Sending
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


class Connection(Sending, ASGIProtocol):  # type: ignore[misc]
    """One connection."""

    def __init__(self, worker: Any) -> None:
        super().__init__(worker)
        self._closed: bool
        self._callback_parser: Any
        self._body_receiver: Any
        worker.connections.add(self)
        self._max_buffer_size = READ_AHEAD
        self._head_clock = TimeLimit(worker.loop, HEAD_TIMEOUT, self._head_timed_out)
        self._syntax = 0
        self._first = b""
        self._answer_begun = False
        self._refused = False
        self._lost = False
        self._loss: Exception | None = None
        self._peer = "-"

    @property
    def serving(self) -> asyncio.Task[None] | None:
        """The task that serves this connection, while it runs."""
        task: asyncio.Task[None] | None = self._task
        return None if task is None or task.done() else task

    def close_if_idle(self) -> bool:
        """Close it where no request is being served. Returns whether it still serves something."""
        if self._awaiting_request and not self._finishing_calls:
            self._close_transport()
            return False
        return self.serving is not None

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
        self._stop_sending()
        self.worker.reads.end(self)
        self._lost, self._loss = True, exc
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

    def _head_timed_out(self) -> None:
        self._send_error_response(408, f"No complete request head in {HEAD_TIMEOUT:g} s.")
        self._close_transport()

    def _close_transport(self) -> None:
        if self._closed or self.transport is None:
            return
        if not self._refused:
            super()._close_transport()
            self._give_up_unless_sending()
            return
        self._closed = True
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self._close_timer = self.worker.loop.call_later(LINGER, self.transport.close)
        # What the connection's task may be waiting for; it then finds the connection closed.
        self._request_ready.set()
        if self._body_receiver is not None:
            self._body_receiver.signal_disconnect()

    def _send_error_response(
        self, status: int, message: str, extra_headers: tuple[tuple[str, str], ...] = ()
    ) -> None:
        self._refused = True
        if self._answer_begun and self._current_request is not None:
            return
        problem = problems.of_status(status)
        ours = status >= 500 and status != HTTPStatus.NOT_IMPLEMENTED
        detail = problem.title if ours else message or problem.title
        request, served = self._current_request, context.current()
        named = () if request is None else request.headers_bytes
        with context.refused(named) if served is None else nullcontext(served) as here:
            if served is None:
                metrics.REFUSED.labels(problem.status).inc()
                self.log.info("Refused %s, before it was a request: %s", self._peer, problem.title)
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
