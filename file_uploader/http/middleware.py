"""What holds for every answer, whichever endpoint gave it: the layers of `application`."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from file_uploader.errors import ClientDisconnected
from file_uploader.http.fields.headers import combined, has_body

from . import caching, problems
from .fields import base_url, target
from .refusals import UnsupportedTusVersion
from .streams import incoming
from .tus import headers as tus_headers

DRAIN_SECONDS = 2.0
DRAIN_BYTES = 64 * 2**20

_log = logging.getLogger(__name__)


class BodilessHead:
    """Leave out the body of every answer to HEAD, whoever rendered it (RFC 9110, 9.3.2)."""

    def concerns(self, scope: Scope) -> bool:
        """Every HEAD."""
        return scope["method"] == "HEAD"  # type: ignore[no-any-return]

    async def __call__(self, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the application without its bodies."""

        async def send_head(message: Message) -> None:
            if message["type"] != "http.response.start":
                more = message.get("more_body", False)
                message = {"type": "http.response.body", "body": b"", "more_body": more}
            await send(message)

        await app(scope, receive, send_head)


class DrainUnread:
    """Let a client that is still sending see the answer to what was refused.

    Closing a connection with unread bytes in it resets it, and the reset can overtake the answer.
    So the rest of the body is read and thrown away, for a while, and the connection then closed
    (RFC 9112, 9.6).
    """

    def concerns(self, scope: Scope) -> bool:
        """What has a body."""
        return has_body(scope["headers"])

    async def __call__(self, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the application, then drain what it left."""
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


class AnswerFailure:
    """Answer what the application raises, with problem details.

    What nobody foresaw is answered with `500`, logged, and raised on: gunicorn logs only what is
    raised before an answer is whole.
    """

    def concerns(self, _scope: Scope) -> bool:
        """All."""
        return True

    async def __call__(self, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the application; answer for it if it fails before it began to answer."""
        started = False

        async def send_and_note(message: Message) -> None:
            nonlocal started
            started = started or message["type"] == "http.response.start"
            await send(message)

        try:
            await app(scope, receive, send_and_note)
        except Exception as error:
            if started:
                raise
            if problems.of_error(error) is problems.INTERNAL:
                detail = "The server failed; the log tells its operator."
                path = target.without_secrets(scope["raw_path"].decode("latin-1"))
                _log.exception("%s %s failed", scope["method"], path)
                await problems.response(problems.INTERNAL, detail)(scope, receive, send)
                raise
            await problems.answer(error)(scope, receive, send)


class UploadProtocol:
    """What tus 1.0.0 asks of every request to the uploads, and promises of every answer.

    * ``Tus-Resumable`` is in every answer to a request that has it, and to OPTIONS.
    * A request in another version is answered before anything of it is processed.
    * Nobody stores the answer to a question.
    """

    def concerns(self, scope: Scope) -> bool:
        """What is sent to the uploads."""
        return target.of_upload(scope["raw_path"])

    async def __call__(self, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on what speaks this version, or another protocol."""
        version = combined(Headers(scope=scope), "Tus-Resumable")
        if scope["method"] == "OPTIONS":
            version = tus_headers.VERSION  # whatever the client says, or not
        if version is None:
            await app(scope, receive, send)
            return

        async def send_version(message: Message) -> None:
            if message["type"] == "http.response.start":
                said = MutableHeaders(raw=list(message["headers"]))
                said["Tus-Resumable"] = tus_headers.VERSION
                if scope["method"] in ("GET", "HEAD"):
                    said.update(caching.UPLOAD_ASKED)
                message = {**message, "headers": said.raw}
            await send(message)

        if version == tus_headers.VERSION:
            await app(scope, receive, send_version)
            return
        answer = problems.answer(UnsupportedTusVersion(tus_headers.VERSION))
        await answer(scope, receive, send_version)


class UploadMethod:
    """What comes before all else for requests to the uploads, preflights included.

    The method is what ``X-HTTP-Method-Override`` says, in either dialect; and every answer to
    OPTIONS has the headers ``described``. One that nobody knows turns no OPTIONS into a refusal:
    that takes no token, and tells which methods there are.
    """

    def __init__(self, described: Mapping[str, str]) -> None:
        self._described = described

    def concerns(self, scope: Scope) -> bool:
        """What is sent to the uploads."""
        return target.of_upload(scope["raw_path"])

    async def __call__(self, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the application with the method that is meant."""
        meant = combined(Headers(scope=scope), "X-HTTP-Method-Override")
        if meant is None or (scope["method"] == "OPTIONS" and meant not in target.METHODS):
            meant = scope["method"]

        async def send_described(message: Message) -> None:
            if meant == "OPTIONS" and message["type"] == "http.response.start":
                said = MutableHeaders(raw=list(message["headers"]))
                said.update(self._described)
                message = {**message, "headers": said.raw}
            await send(message)

        await app({**scope, "method": meant}, receive, send_described)


class RequireBaseURL:
    """Refuse what does not tell where it was sent (RFC 9112, 3.2), which the server lets by."""

    def concerns(self, scope: Scope) -> bool:
        """What does not tell where it was sent."""
        return isinstance(scope[base_url.KEY], base_url.Misaddressed)

    async def __call__(self, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer for the application."""
        detail = str(scope[base_url.KEY])
        await problems.response(problems.BAD_REQUEST, detail)(scope, receive, send)
