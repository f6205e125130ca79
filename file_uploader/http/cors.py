"""What pages of other origins may do: the CORS protocol of the Fetch standard."""

from __future__ import annotations

from collections.abc import Collection

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from file_uploader.errors import InvalidHeader
from file_uploader.http.fields.headers import Fields, combined
from file_uploader.http.fields.target import METHODS

from . import problems

EXPOSED = (
    *("Accept-Patch", "Accept-Ranges", "Allow", "Content-Disposition", "Content-Encoding"),
    *("Content-Range", "ETag", "Link", "Location", "Repr-Digest", "Retry-After"),
    *("Tus-Checksum-Algorithm", "Tus-Extension", "Tus-Max-Size", "Tus-Resumable", "Tus-Version"),
    *("Upload-Complete", "Upload-Concat", "Upload-Defer-Length", "Upload-Draft-Interop-Version"),
    *("Upload-Expires", "Upload-Incomplete", "Upload-Length", "Upload-Limit", "Upload-Metadata"),
    *("Upload-Offset", "WWW-Authenticate"),
    *("X-Container-Bytes-Used", "X-Container-Object-Count", "X-Request-ID"),
    "*",
)
"""Response headers that a page may read. The last stands for X-Object-Meta-* of any name, and for
the others where a browser knows it."""

MAX_AGE = 86_400
"""Seconds for which a browser may remember a preflight; each has a limit of its own."""

_ASKED_BY_PREFLIGHTS = (
    "Origin, Access-Control-Request-Method, Access-Control-Request-Headers,"
    " Access-Control-Request-Private-Network"
)


async def cross_origin(
    origins: Collection[str], app: ASGIApp, scope: Scope, receive: Receive, send: Send
) -> None:
    """Let pages of these origins in, ``*`` for all: answer a preflight, or say who may read.

    Also without an origin the answer depends on that (3.2.5).
    Any request header is allowed, since those that are kept have names of the client's own making.
    Without credentials: a token is a header that a page has to send by itself.
    """
    headers = Fields(scope["headers"])
    origin = combined(headers, "Origin")
    allowed = None
    if origin is not None and ("*" in origins or origin in origins):
        allowed = "*" if "*" in origins else origin
    asks = scope["method"] == "OPTIONS"

    async def send_said(message: Message) -> None:
        if message["type"] == "http.response.start":
            said = MutableHeaders(raw=list(message["headers"]))
            said.add_vary_header(_ASKED_BY_PREFLIGHTS if asks else "Origin")
            if allowed is not None:
                said["Access-Control-Allow-Origin"] = allowed
                said["Access-Control-Expose-Headers"] = ", ".join(EXPOSED)
            message = {**message, "headers": said.raw}
        await send(message)

    if asks and origin is not None and "Access-Control-Request-Method" in headers:
        app = _preflight(headers, let_in=allowed is not None)
    await app(scope, receive, send_said)


def _preflight(headers: Headers, *, let_in: bool) -> Response:
    """What a page of an origin may send (Fetch, 4.8), and whether it may from a public network."""
    said = {
        "Access-Control-Allow-Methods": ", ".join(METHODS),
        "Access-Control-Max-Age": str(MAX_AGE),
    }
    if "Access-Control-Request-Headers" in headers:
        said["Access-Control-Allow-Headers"] = headers["Access-Control-Request-Headers"]
    if not let_in:
        refused = "Pages of this origin are not let in: CORS_ORIGINS of the server names those."
    elif headers["Access-Control-Request-Method"] not in METHODS:
        refused = f"No page needs this method; there are {', '.join(METHODS)}."
    else:
        if headers.get("Access-Control-Request-Private-Network") == "true":
            said["Access-Control-Allow-Private-Network"] = "true"
        return Response(headers=said)
    answer = problems.answer(InvalidHeader(refused))
    answer.headers.update(said)
    return answer
