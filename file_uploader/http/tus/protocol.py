"""What tus 1.0.0 asks of every request to the uploads, and promises of every answer."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from file_uploader.http import caching, problems
from file_uploader.http.fields.headers import combined
from file_uploader.http.fields.target import METHODS
from file_uploader.http.refusals import UnsupportedTusVersion

from .headers import VERSION


async def versioned(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    """Pass on what speaks this version, or another protocol.

    * ``Tus-Resumable`` is in every answer to a request that has it, and to OPTIONS.
    * A request in another version is answered before anything of it is processed.
    * Nobody stores the answer to a question.
    """
    version = combined(Headers(scope=scope), "Tus-Resumable")
    said = {"Tus-Resumable": VERSION}
    if scope["method"] == "OPTIONS":
        version = VERSION  # whatever the client says, or not
    if scope["method"] in ("GET", "HEAD"):
        said.update(caching.UPLOAD_ASKED)
    if version is None:
        await app(scope, receive, send)
        return
    answer = app if version == VERSION else problems.answer(UnsupportedTusVersion(VERSION))
    await answer(scope, receive, _saying(said, send))


async def meant(
    described: Mapping[str, str], app: ASGIApp, scope: Scope, receive: Receive, send: Send
) -> None:
    """Have the method that ``X-HTTP-Method-Override`` says, whichever the protocol.

    This comes before all else, preflights included. Every answer to OPTIONS has the headers
    ``described``. A method that nobody knows turns no OPTIONS into a refusal: that takes no token,
    and tells which methods there are.
    """
    method = combined(Headers(scope=scope), "X-HTTP-Method-Override")
    if method is None or (scope["method"] == "OPTIONS" and method not in METHODS):
        method = scope["method"]
    if method == "OPTIONS":
        send = _saying(described, send)
    await app({**scope, "method": method}, receive, send)


def _saying(said: Mapping[str, str], send: Send) -> Send:
    """What sends an answer with these headers."""

    async def send_said(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(raw=list(message["headers"]))
            headers.update(said)
            message = {**message, "headers": headers.raw}
        await send(message)

    return send_said
