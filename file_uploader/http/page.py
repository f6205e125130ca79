"""The web page: one file without references, made by ``npm run build`` in ``web/``.

Its script and its style are allowed by their hashes. ``'self'`` would do as well for them, and for
any script that somebody stored and has a link to.
"""

from __future__ import annotations

import gzip
import hashlib
from base64 import b64encode
from html.parser import HTMLParser
from pathlib import Path

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse, Response

from . import conditions
from .negotiation import accepts_coding

BUILT = Path(__file__).parent / "static" / "index.html"
"""Where the build puts it."""

_MISSING = "The page is not built. Run 'make page' (it needs npm), and start the server again.\n"
_UNUSED = "camera", "display-capture", "geolocation", "microphone", "payment", "usb"
_HEADERS = {
    "cache-control": "no-cache",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": ", ".join(f"{feature}=()" for feature in _UNUSED),
    "referrer-policy": "no-referrer",
    "vary": "Accept-Encoding",
    "x-content-type-options": "nosniff",
}


class Page:
    """The page as it was built when the server started, or a line that tells how to build it."""

    def __init__(self, file: Path = BUILT) -> None:
        try:
            self._plain: bytes | None = file.read_bytes()
        except FileNotFoundError:
            self._plain = None
            return
        self._zipped = gzip.compress(self._plain, 9, mtime=0)
        self._policy = policy(self._plain.decode())

    async def get(self, headers: Headers) -> Response:
        """Send the page, compressed to who takes that."""
        if self._plain is None:
            return PlainTextResponse(_MISSING, 404, {"cache-control": "no-store"})
        zipped = accepts_coding(headers.get("accept-encoding"), "gzip")
        body = self._zipped if zipped else self._plain
        etag = hashlib.sha256(body).hexdigest()[:32]
        said = {**_HEADERS, "content-security-policy": self._policy, "etag": f'"{etag}"'}
        if conditions.has_tag(headers, etag):
            return Response(status_code=304, headers=said)
        if zipped:
            said["content-encoding"] = "gzip"
        return Response(body, headers=said, media_type="text/html")


def policy(page: str) -> str:
    """The Content-Security-Policy of a page: its own inline scripts and styles, and no others."""
    inline = _Inline()
    inline.feed(page)
    inline.close()
    sources = {
        "default-src": "'none'",
        "script-src": " ".join(inline.hashes["script"]) or "'none'",
        "style-src": " ".join(inline.hashes["style"]) or "'none'",
        "img-src": "'self' blob: data:",
        "media-src": "'self'",
        "connect-src": "'self'",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
    }
    return "; ".join(f"{directive} {source}" for directive, source in sources.items())


class _Inline(HTMLParser):
    """Collects the hashes of inline scripts and styles (CSP 3, 6.7.3.3)."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.hashes: dict[str, list[str]] = {"script": [], "style": []}
        self._text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._text = ""

    def handle_data(self, data: str) -> None:
        self._text += data

    def handle_endtag(self, tag: str) -> None:
        if tag in self.hashes:
            digest = hashlib.sha256(self._text.encode()).digest()
            self.hashes[tag].append(f"'sha256-{b64encode(digest).decode()}'")
