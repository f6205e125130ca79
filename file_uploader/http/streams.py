"""Bodies between ASGI and the rest: pulled in, pushed out, and what a refusal leaves unread."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping
from datetime import timedelta

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from file_uploader.errors import ClientDisconnected, FileUploaderError

log = logging.getLogger(__name__)

async def incoming(receive: Receive) -> AsyncIterator[bytes]:
    """Yield the request's body. Raises `ClientDisconnected` unless it came to its end."""
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnected("The connection ended before the body did.")
        more = message.get("more_body", False)
        if chunk := message.get("body", b""):
            yield chunk


class Streamed(Response):
    """An answer whose body is pulled from ``chunks`` as fast as the client takes it.

    A failure before the first chunk is raised, and so gets an answer of its own. One after it, or
    a client that takes nothing for ``idle_timeout``, ends the answer before it looks complete:
    the server then closes the connection.
    """

    def __init__(
        self,
        chunks: AsyncIterator[bytes],
        status: int,
        headers: Mapping[str, str],
        idle_timeout: timedelta,
    ) -> None:
        self.status_code = status
        self.init_headers(headers)
        self._chunks = chunks
        self._idle = idle_timeout.total_seconds()

    async def __call__(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        """Send the head with the first chunk, then the rest."""
        chunk = await anext(self._chunks, b"")
        start = {"status": self.status_code, "headers": self.raw_headers}
        await send({"type": "http.response.start", **start})
        try:
            while chunk:
                async with asyncio.timeout(self._idle):
                    await send({"type": "http.response.body", "body": chunk, "more_body": True})
                chunk = await anext(self._chunks, b"")
        except TimeoutError:
            log.info("a download ended early: the client took nothing for %g s", self._idle)
        except FileUploaderError as error:
            log.warning("a download ended early: %s", error)
        else:
            await send({"type": "http.response.body", "body": b"", "more_body": False})
