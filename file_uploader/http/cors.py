"""What pages of other origins may do: the CORS protocol of the Fetch standard."""

from __future__ import annotations

from collections.abc import Sequence

from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

METHODS = ("GET", "HEAD", "PUT", "POST", "PATCH", "DELETE", "OPTIONS")

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


class CrossOrigin:
    """Lets pages of these origins in, ``*`` for all.

    Any request header is allowed, since those that are kept have names of the client's own making.
    Without credentials: a token is a header that a page has to send by itself.
    """

    def __init__(self, origins: Sequence[str]) -> None:
        self._origins = origins

    def concerns(self, scope: Scope) -> bool:
        """See `Layer.concerns`."""
        return bool(self._origins) and any(name == b"origin" for name, _ in scope["headers"])

    async def __call__(self, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a preflight; else say whose pages may read the answer."""
        around = CORSMiddleware(
            app,
            allow_origins=self._origins,
            allow_methods=METHODS,
            allow_headers=["*"],
            expose_headers=EXPOSED,
            max_age=MAX_AGE,
        )
        await around(scope, receive, send)
