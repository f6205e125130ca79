"""The application as a server calls it: its life, and the way of every request."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from functools import partial
from time import monotonic
from types import MappingProxyType

from starlette.routing import Router
from starlette.types import ASGIApp, Lifespan, Message, Receive, Scope, Send
from starlette.websockets import WebSocketClose

from file_uploader import metrics, tracing
from file_uploader.http.fields import target
from file_uploader.http.fields.base_url import KEY, BaseURLs, Misaddressed
from file_uploader.http.fields.headers import has_body
from file_uploader.http.operations.traces import traced
from file_uploader.http.tus.protocol import meant, versioned

from . import context, problems, sendfile
from .access_log import AccessLog
from .cors import cross_origin
from .middleware import answered, bodiless, drained

CLIENT_GONE = 499
"""What logs and figures say of a request whose client left before it was answered."""

_REQUEST_ID = context.HEADER.lower().encode()


class Application:
    """An ASGI 3 application. ``endpoint`` is called for HTTP only, with the scope of `BaseURLs`.

    Pages of the ``origins`` are let in. ``uploads_described`` are headers of OPTIONS for uploads.
    """

    def __init__(
        self,
        endpoint: ASGIApp,
        *,
        base_urls: BaseURLs,
        lifespan: Lifespan[Router],
        log: AccessLog,
        origins: Collection[str] = (),
        uploads_described: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self._endpoint = endpoint
        self._base_urls = base_urls
        self._life = Router(lifespan=lifespan)
        self._log = log
        self._origins = frozenset(origins)
        self._uploads_described = uploads_described

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve what the server asks for."""
        if scope["type"] == "lifespan":
            await self._life.lifespan(scope, receive, send)
            return
        if scope["type"] == "websocket":
            await WebSocketClose()(scope, receive, send)
            return
        began = monotonic()
        here = context.begin(scope["headers"])
        located = self._base_urls.located(scope)
        here.prefix = located["root_path"]
        identified = (_REQUEST_ID, here.id.encode())

        async def receive_and_count() -> Message:
            message = await receive()
            here.received += len(message.get("body", b""))
            return message

        async def send_and_count(message: Message) -> None:
            if message["type"] == "http.response.body":
                here.sent += len(message.get("body", b""))
            elif message["type"] == sendfile.EXTENSION:
                here.sent += message["count"]
            elif message["type"] == "http.response.start":
                here.status = message["status"]
                message = {**message, "headers": [*message["headers"], identified]}
            await send(message)

        app = self._around(located)
        metrics.IN_PROGRESS.inc()
        try:
            await app(located, receive_and_count, send_and_count)
        except asyncio.CancelledError:
            here.status = here.status or CLIENT_GONE
            raise
        finally:
            metrics.IN_PROGRESS.dec()
            here.status = here.status or 500
            here.seconds = monotonic() - began
            self._log.note(scope, here)
            metrics.request_ended(
                scope["method"] if scope["method"] in target.METHODS else "other",
                here.route,
                here.status,
                received=here.received,
                sent=here.sent,
                seconds=here.seconds,
            )

    def _around(self, scope: Scope) -> ASGIApp:
        """What answers a request, and around it what concerns that one, the outermost last."""
        app, base = self._endpoint, scope[KEY]
        if isinstance(base, Misaddressed):
            app = problems.response(problems.BAD_REQUEST, str(base))
        app = partial(answered, app)
        of_upload = target.of_upload(scope["raw_path"])
        if of_upload:
            app = partial(versioned, app)
        if has_body(scope["headers"]):
            app = partial(drained, app)
        if self._origins:
            app = partial(cross_origin, self._origins, app)
        if of_upload:
            app = partial(meant, self._uploads_described, app)
        if scope["method"] == "HEAD":
            app = partial(bodiless, app)
        return partial(traced, app) if tracing.active() else app
