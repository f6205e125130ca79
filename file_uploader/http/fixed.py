"""What is the same for everybody as long as the process runs: sent with a strong tag.

It is compressed for whoever takes that, and not sent to who has it.
"""

from __future__ import annotations

import gzip
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256

from starlette.datastructures import Headers
from starlette.responses import Response

from .conditions import tag_not_modified
from .headers import combined
from .negotiation import admits

_ALWAYS = {
    "cache-control": "no-cache",
    "vary": "Accept-Encoding",
    "x-content-type-options": "nosniff",
}


@dataclass(frozen=True, slots=True)
class _Encoded:
    """The content in one coding. Its tag is of the bytes that are sent, and so strong."""

    content: bytes
    etag: str
    headers: dict[str, str]


class Fixed:
    """A content of one media type; ``headers`` go with each of its answers."""

    def __init__(
        self, content: bytes, media_type: str, headers: Mapping[str, str] | None = None
    ) -> None:
        self._media_type = media_type
        self._headers = {**_ALWAYS, **(headers or {})}
        self._plain = _Encoded(content, sha256(content).hexdigest(), {})
        # Without a time in it, all processes make the same bytes, and so the same tag.
        compressed = gzip.compress(content, compresslevel=9, mtime=0)
        coding = {"content-encoding": "gzip"}
        self._gzip = _Encoded(compressed, sha256(compressed).hexdigest(), coding)

    async def endpoint(self, headers: Headers) -> Response:
        """Send it, or `304` to who has it. Raises `InvalidHeader`."""
        accepted = combined(headers, "Accept-Encoding")
        chosen = self._gzip if admits(accepted, "gzip") else self._plain
        about = {**self._headers, "etag": f'"{chosen.etag}"'}
        if tag_not_modified(headers, chosen.etag):
            return Response(status_code=304, headers=about)
        headers_of_all = {**about, **chosen.headers}
        return Response(chosen.content, headers=headers_of_all, media_type=self._media_type)
