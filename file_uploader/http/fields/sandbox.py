"""What a browser may do with a stored file that it shows: no script, nothing fetched but itself."""

from __future__ import annotations

import re
from collections.abc import Callable
from urllib.parse import quote

from file_uploader.http.caching import NOSNIFF

_SHOWN = "sandbox; default-src 'none'; style-src 'unsafe-inline'"
# A player fetches the file once more, by its URL and as its own origin.
_PLAYED = "sandbox allow-same-origin; default-src 'none'; media-src "

# Of a list of types a browser takes the last, so there is no second slash; and +xml is a page.
_PLAYABLE = re.compile(r"(audio|video)/[a-z0-9.-]+\s*(;[^/]*)?", re.IGNORECASE)
# A policy is divided by spaces, semicolons and commas, and knows no addresses in brackets.
_SOURCE = re.compile(r"https?://[A-Za-z0-9.-]+(:[0-9]+)?/[^\s;,]*")

# Wherever it is in the value: of a list of types a browser takes the last.
_FOLLOWED = re.compile(r"application/signed-exchange|multipart/", re.IGNORECASE)


def only_saved(content_type: str) -> bool:
    """Whether a file of this type is to be saved, since no policy holds for what else is done.

    A broken signed exchange sends its reader on to the address in its first bytes, and a multipart
    file has heads of its own in it.
    """
    return _FOLLOWED.search(content_type) is not None


def described(content_type: str, url: Callable[[str], str], path: bytes) -> dict[str, str]:
    """The headers of an answer with a file of this type; ``url(path)`` is where it was found.

    Playlists are media too, and name what else to fetch. So what is played may fetch that URL, and
    not all of its origin.
    """
    policy = _SHOWN
    if _PLAYABLE.fullmatch(content_type):
        source = url(quote(path, safe="/%"))  # what has a meaning in a policy is encoded
        if _SOURCE.fullmatch(source):
            policy = _PLAYED + source
    return {
        **NOSNIFF,
        "content-security-policy": policy,
        # The policy does not keep a browser from connecting to where it then sends nothing.
        "connection-allowlist": "(response-origin)",
    }
