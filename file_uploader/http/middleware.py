"""What holds for every answer, whichever endpoint gave it: what `application` puts around them."""

from __future__ import annotations

import asyncio
import logging

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from file_uploader.errors import ClientDisconnected

from . import context, problems
from .fields import target
from .streams import incoming

DRAIN_SECONDS = 2.0
DRAIN_BYTES = 64 * 2**20

_log = logging.getLogger(__name__)


async def bodiless(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    """Leave out the body of an answer to HEAD, whoever rendered it (RFC 9110, 9.3.2)."""

    async def send_head(message: Message) -> None:
        if message["type"] != "http.response.start":
            more = message.get("more_body", False)
            message = {"type": "http.response.body", "body": b"", "more_body": more}
        await send(message)

    await app(scope, receive, send_head)


async def drained(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    """Let a client that is still sending see the answer to what was refused.

    Closing a connection with unread bytes in it resets it, and the reset can overtake the answer.
    So the rest of the body is read and thrown away, for a while, and the connection then closed
    (RFC 9112, 9.6).
    """
    unread = True

    async def receive_and_note() -> Message:
        nonlocal unread
        message = await receive()
        unread = message["type"] == "http.request" and message.get("more_body", False)
        return message

    async def send_and_announce(message: Message) -> None:
        if unread and message["type"] == "http.response.start":
            headers = [*message["headers"], (b"connection", b"close")]
            message = {**message, "headers": headers}
        await send(message)

    try:
        await app(scope, receive_and_note, send_and_announce)
    except Exception:
        if unread:
            await _drain(receive)
        raise
    if unread:
        await _drain(receive)


async def _drain(receive: Receive) -> None:
    drained = 0
    try:
        async with asyncio.timeout(DRAIN_SECONDS):
            async for chunk in incoming(receive):
                drained += len(chunk)
                if drained > DRAIN_BYTES:
                    return
    except (TimeoutError, ClientDisconnected):
        return


async def answered(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    """Answer what the application raises before it began to answer, with problem details.

    What nobody foresaw is answered with `500`, logged, and raised on: gunicorn logs only what is
    raised before an answer is whole.
    """
    try:
        await app(scope, receive, send)
    except Exception as error:
        if (here := context.current()) is not None and here.status:
            raise
        if problems.of_error(error) is problems.INTERNAL:
            detail = "The server failed; the log tells its operator."
            path = target.without_secrets(scope["raw_path"].decode("latin-1"))
            _log.exception("%s %s failed", scope["method"], path)
            await problems.response(problems.INTERNAL, detail)(scope, receive, send)
            raise
        await problems.answer(error)(scope, receive, send)
