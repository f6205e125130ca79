"""The application as a server calls it: its life, and the way of every request."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial
from time import monotonic
from typing import Protocol

from starlette.routing import Router
from starlette.types import ASGIApp, Lifespan, Message, Receive, Scope, Send
from starlette.websockets import WebSocketClose

from file_uploader import metrics
from file_uploader.http.fields.base_url import BaseURLs
from file_uploader.http.fields.target import METHODS

from . import context, sendfile
from .access_log import AccessLog, Served

CLIENT_GONE = 499
"""What logs and figures say of a request whose client left before it was answered."""

_REQUEST_ID = context.HEADER.lower().encode()


class Layer(Protocol):
    """What is around the endpoint for some of the requests."""

    def concerns(self, scope: Scope) -> bool:
        """Whether a request takes its way through here."""
        ...

    async def __call__(self, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        """Have it answered by ``app``, which is what is further inside."""
        ...


class Application:
    """An ASGI 3 application. ``layers`` are around the endpoint, the first of them outermost.

    An endpoint or a layer is called for HTTP only, with the scope that `BaseURLs` makes.
    """

    def __init__(
        self,
        endpoint: ASGIApp,
        *,
        layers: Sequence[Layer],
        base_urls: BaseURLs,
        lifespan: Lifespan[Router],
        log: AccessLog,
    ) -> None:
        self._endpoint = endpoint
        self._layers = tuple(reversed(layers))
        self._base_urls = base_urls
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
        here = context.begin(scope["headers"])
        located = self._base_urls.located(scope)
        here.prefix = located["root_path"]
        identified = (_REQUEST_ID, here.id.encode())
        status = received = sent = 0

        async def receive_and_count() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            return message

        async def send_and_count(message: Message) -> None:
            nonlocal status, sent
            if message["type"] == "http.response.body":
                sent += len(message.get("body", b""))
            elif message["type"] == sendfile.EXTENSION:
                sent += message["count"]
            elif message["type"] == "http.response.start":
                status = message["status"]
                message = {**message, "headers": [*message["headers"], identified]}
            await send(message)

        app = self._endpoint
        for layer in self._layers:
            if layer.concerns(located):
                app = partial(layer, app)
        metrics.IN_PROGRESS.inc()
        try:
            await app(located, receive_and_count, send_and_count)
        except asyncio.CancelledError:
            status = status or CLIENT_GONE
            raise
        finally:
            metrics.IN_PROGRESS.dec()
            seconds = monotonic() - began
            served = Served(scope, here, status or 500, received, sent, seconds)
            self._log.note(served)
            _count(served)


def _count(served: Served) -> None:
    method = served.scope["method"]
    metrics.request_ended(
        method if method in METHODS else "other",
        served.context.route,
        served.status,
        received=served.received,
        sent=served.sent,
        seconds=served.seconds,
    )
