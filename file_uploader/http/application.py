"""The application as a server calls it: its life, and the way of every request."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from time import monotonic

from starlette.middleware import Middleware
from starlette.routing import Router
from starlette.types import ASGIApp, Lifespan, Message, Receive, Scope, Send
from starlette.websockets import WebSocketClose

from .access import AccessLog

CLIENT_GONE = 499
"""What the access log says of a request whose client left before it was answered."""


class Application:
    """An ASGI 3 application. ``layers`` are around the endpoint, the first of them outermost.

    An endpoint or a layer is called for HTTP only.
    """

    def __init__(
        self,
        endpoint: ASGIApp,
        *,
        layers: Sequence[Middleware],
        lifespan: Lifespan[Router],
        log: AccessLog,
    ) -> None:
        for cls, arguments, options in reversed(layers):
            endpoint = cls(endpoint, *arguments, **options)
        self._outermost = endpoint
        self._life = Router(lifespan=lifespan)
        self._log = log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve what the server asks for."""
        if scope["type"] == "http":
            await self._serve(scope, receive, send)
        elif scope["type"] == "lifespan":
            await self._life.lifespan(scope, receive, send)
        else:
            await WebSocketClose()(scope, receive, send)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        began = monotonic()
        status = sent = 0

        async def send_and_note(message: Message) -> None:
            nonlocal status, sent
            if message["type"] == "http.response.start":
                status = message["status"]
            elif message["type"] == "http.response.body":
                sent += len(message.get("body", b""))
            await send(message)

        try:
            await self._outermost(scope, receive, send_and_note)
        except asyncio.CancelledError:
            status = status or CLIENT_GONE
            raise
        finally:
            self._log.note(scope, status or 500, sent, monotonic() - began)
