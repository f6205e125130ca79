"""What is the same for everybody as long as the process runs: sent with a strong tag.

It is compressed for whoever takes that, and not sent to who has it.
"""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256

from starlette.datastructures import Headers
from starlette.responses import Response

from file_uploader.http import caching
from file_uploader.http.fields.conditions import tag_not_modified
from file_uploader.http.fields.headers import combined
from file_uploader.http.fields.negotiation import admits


@dataclass(frozen=True, slots=True)
class _Encoded:
    """The content in one coding. Its tag is of the bytes that are sent, and so strong."""

    content: bytes
    etag: str
    headers: dict[str, str]


@dataclass(frozen=True, slots=True)
class _Made:
    """All that there is to send."""

    headers: dict[str, str]
    plain: _Encoded
    compressed: _Encoded


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
        self._made: _Made | None = None

    async def endpoint(self, headers: Headers) -> Response:
        """Send it, or `304` to who has it. Raises `InvalidHeader`."""
        if self._made is None:
            self._made = await asyncio.to_thread(self._make_all)
        made = self._made
        accepted = combined(headers, "Accept-Encoding")
        chosen = made.compressed if admits(accepted, "gzip") else made.plain
        about = {**made.headers, "etag": f'"{chosen.etag}"'}
        if tag_not_modified(headers, chosen.etag):
            return Response(status_code=304, headers=about)
        headers_of_all = {**about, **chosen.headers}
        return Response(chosen.content, headers=headers_of_all, media_type=self._media_type)

    def _make_all(self) -> _Made:
        content, headers = self._make()
        # Without a time in it, all processes make the same bytes, and so the same tag.
        compressed = gzip.compress(content, compresslevel=9, mtime=0)
        return _Made(
            {**caching.PUBLIC, **headers},
            _Encoded(content, sha256(content).hexdigest(), {}),
            _Encoded(compressed, sha256(compressed).hexdigest(), {"content-encoding": "gzip"}),
        )
