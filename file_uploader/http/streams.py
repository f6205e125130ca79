"""Bodies between ASGI and the rest: pulled in, and pushed out."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Mapping

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from file_uploader.errors import ClientDisconnected, FileUploaderError
from file_uploader.storage.base import FilePosition

from . import sendfile

_log = logging.getLogger(__name__)


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


class Answer(Response):
    """An answer without a body. The names of its headers are in lower case."""

    body = b""
    background = None

    def __init__(self, status: int, headers: Mapping[str, str]) -> None:
        self.status_code = status
        self.raw_headers = [
            (name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()
        ]


class Streamed(Answer):
    """An answer whose body is pulled from ``chunks`` as fast as the client takes it.

    ``size`` in bytes, where it is known. Where it is also known in which ``file`` they are, and the
    server can have them copied from there, that is left to it.

    A failure before the first chunk is raised, and so gets an answer of its own. One after it ends
    the answer before it looks complete: the server then closes the connection.
    """

    def __init__(
        self,
        chunks: AsyncIterator[bytes],
        status: int,
        headers: Mapping[str, str],
        size: int | None = None,
        file: FilePosition | None = None,
    ) -> None:
        super().__init__(status, headers)
        self._chunks = chunks
        self._left = size
        self._file = file

    async def __call__(self, scope: Scope, _receive: Receive, send: Send) -> None:
        """Send the head with the first chunk, then the rest."""
        start = {"status": self.status_code, "headers": self.raw_headers}
        start["type"] = "http.response.start"
        if self._left and self._file and sendfile.EXTENSION in scope.get("extensions", ()):
            await send(start)
            where = {"file": self._file.descriptor, "offset": self._file.offset}
            await send({"type": sendfile.EXTENSION, **where, "count": self._left})
            return
        chunk = await anext(self._chunks, b"")
        await send(start)
        try:
            while chunk:
                last = self._ends_with(chunk)
                await send({"type": "http.response.body", "body": chunk, "more_body": not last})
                if last:
                    return
                chunk = await anext(self._chunks, b"")
        except FileUploaderError as error:
            _log.warning("a download ended early: %s", error)
        else:
            await send({"type": "http.response.body", "body": b"", "more_body": False})

    def _ends_with(self, chunk: bytes) -> bool:
        if self._left is not None:
            self._left -= len(chunk)
        return self._left == 0
