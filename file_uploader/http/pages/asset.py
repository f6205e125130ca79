"""What is the same for everybody as long as the process runs: sent with a strong tag.

It is compressed for whoever takes that, and not sent to who has it.
"""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256

from starlette.datastructures import Headers
from starlette.responses import Response

from file_uploader.http import caching
from file_uploader.http.fields.conditions import tag_not_modified
from file_uploader.http.fields.headers import combined
from file_uploader.http.fields.negotiation import admits


class Asset:
    """A content of one media type, made by ``make``, with the headers of each of its answers.

    That is called by the first who asks, in a thread: no process is kept from its start by what
    nobody may ever ask it for. Of several at once each may call it, and gets the same.
    """

    def __init__(
        self, media_type: str, make: Callable[[], tuple[bytes, Mapping[str, str]]]
    ) -> None:
        self._media_type = media_type
        self._make = make
        self._made: tuple[Mapping[str, str], Sequence[tuple[bytes, str]]] | None = None

    async def endpoint(self, headers: Headers) -> Response:
        """Send it, or `304` to who has it. Raises `InvalidHeader`."""
        if self._made is None:
            self._made = await asyncio.to_thread(self._make_all)
        headers_of_all, contents = self._made
        compressed = admits(combined(headers, "Accept-Encoding"), "gzip")
        content, etag = contents[compressed]
        about = {**headers_of_all, "etag": f'"{etag}"'}
        if tag_not_modified(headers, etag):
            return Response(status_code=304, headers=about)
        if compressed:
            about["content-encoding"] = "gzip"
        return Response(content, headers=about, media_type=self._media_type)

    def _make_all(self) -> tuple[Mapping[str, str], Sequence[tuple[bytes, str]]]:
        """The headers, and the content plain and compressed. Tags are of what is sent: strong."""
        content, headers = self._make()
        # Without a time in it, all processes make the same bytes, and so the same tag.
        compressed = gzip.compress(content, compresslevel=9, mtime=0)
        contents = [(each, sha256(each).hexdigest()) for each in (content, compressed)]
        return {**caching.PUBLIC, **headers}, contents
