"""The pages: each one file, in which the policy allows what it holds, by hash, and no more."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Awaitable, Callable, Iterable, Mapping
from hashlib import sha256
from html.parser import HTMLParser
from pathlib import Path

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse, Response

from file_uploader.http import caching

from .asset import Asset

BUILT = Path(__file__).parent / "static"
"""Where the build in ``web/`` puts the pages: `FRONT` and `DOCUMENTATION`."""
FRONT, DOCUMENTATION = "index.html", "docs.html"

_HOW_TO_GET_IT = (
    "The page is not built: `make page` does that, with npm; then start the server again.\n"
)
_NEVER_NEEDED = (
    *("accelerometer", "camera", "display-capture", "geolocation", "gyroscope", "hid"),
    *("magnetometer", "microphone", "midi", "payment", "serial", "usb", "xr-spatial-tracking"),
)
_ALWAYS = {
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": ", ".join(f"{feature}=()" for feature in _NEVER_NEEDED),
    "referrer-policy": "no-referrer",
}


def endpoint(path: Path) -> Callable[[Headers], Awaitable[Response]]:
    """Read a page and return what answers with it; without one, with how to get it."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return _missing
    return unchanging(lambda: content).endpoint


def unchanging(make: Callable[[], bytes]) -> Asset:
    """A page that is the same for everybody, with its policy."""

    def made() -> tuple[bytes, Mapping[str, str]]:
        content = make()
        return content, {**_ALWAYS, "content-security-policy": policy(content)}

    return Asset("text/html", made)


async def _missing(_headers: Headers) -> Response:
    return PlainTextResponse(_HOW_TO_GET_IT, 404, caching.MISSING)


def policy(content: bytes) -> str:
    """The Content-Security-Policy (CSP 3) under which a page can do what it holds inline.

    Script and style are allowed by hash alone: with 'self', a file that a link gives out would be
    a script of this origin.
    """
    inline = _Inline()
    # A browser hashes what is left once it has normalised newlines (HTML, 13.2.3.5).
    inline.feed(content.decode().replace("\r\n", "\n").replace("\r", "\n"))
    inline.close()
    return "; ".join(
        [
            "default-src 'none'",
            f"script-src {_sources(inline.texts['script'])}",
            f"style-src {_sources(inline.texts['style'])}",
            "img-src 'self' blob: data:",
            "media-src 'self' blob:",
            "connect-src 'self'",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
        ]
    )


def _sources(texts: Iterable[str]) -> str:
    """A source list of the hashes of these texts."""
    digests = (b64encode(sha256(text.encode()).digest()).decode() for text in texts)
    return " ".join(f"'sha256-{digest}'" for digest in digests) or "'none'"


class _Inline(HTMLParser):
    """Finds the ``texts`` of inline scripts and styles, which the parser leaves as they are."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: dict[str, list[str]] = {"script": [], "style": []}
        self._inside: list[str] | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note where one begins."""
        self._inside = None if tag == "script" and "src" in dict(attrs) else self.texts.get(tag)
        if self._inside is not None:
            self._inside.append("")

    def handle_data(self, data: str) -> None:
        """Collect what is in it; long text comes in pieces."""
        if self._inside is not None:
            self._inside[-1] += data

    def handle_endtag(self, tag: str) -> None:
        """Note where it ends."""
        self._inside = None
