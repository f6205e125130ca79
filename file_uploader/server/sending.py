"""What a connection sends: gunicorn's way, but for two things.

* A client that takes nothing of an answer is let go of, also at the end of a connection.
* The kernel copies files to the client, where the application asks for it (`http.sendfile`).
"""

from __future__ import annotations

import asyncio
from typing import Any

from gunicorn.asgi.protocol import HIGH_WATER_LIMIT, ASGIProtocol
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from file_uploader.http import sendfile

from .time_limit import TimeLimit

FLUSH_TIMEOUT = 15.0
"""Seconds without any progress after which a closed connection's unsent bytes are given up."""


class Sending(ASGIProtocol):  # type: ignore[misc]
    """How a connection sends."""

    def __init__(self, worker: Any) -> None:
        super().__init__(worker)
        self._response_buffer: bytes | None
        self.app: ASGIApp
        self._application = self.app
        self.app = self._call
        self._copying: asyncio.Task[None] | None = None
        self._taken = asyncio.Event()
        self._close_timer: asyncio.TimerHandle | None = None
        self._stall_clock = TimeLimit(worker.loop, worker.idle_timeout, self._stalled)

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

    def _stop_sending(self) -> None:
        """Give up what was not sent yet: nobody takes any more of it."""
        self._stall_clock.stop()
        if self._close_timer is not None:
            self._close_timer.cancel()
        if self._copying is not None:
            self._copying.cancel()
        self._flow_control.resume_writing()

    def _give_up_unless_sending(self, unsent_before: int | None = None) -> None:
        """Abort a closed connection once its client takes nothing any more."""
        unsent = self.transport.get_write_buffer_size()
        if unsent and unsent == unsent_before:
            self.transport.abort()
        elif unsent:
            self._close_timer = self.worker.loop.call_later(
                FLUSH_TIMEOUT, self._give_up_unless_sending, unsent
            )

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
            copying = sendfile.Copying(peer, head, span)
            await copying.run(self.worker.copiers, self.worker.idle_timeout)
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
