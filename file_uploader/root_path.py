"""The path that all paths of the service may stand below, where a proxy has it there."""

from __future__ import annotations

import re

# RFC 3986, 3.3, but for what divides a header that has URLs in it.
_PATH = re.compile(r"(?:/(?:[A-Za-z0-9._~!$&'()*+=:@-]|%[0-9A-Fa-f]{2})+)+")
_DOTS = re.compile(r"/(?:\.|%2e){1,2}(?:/|\Z)", re.IGNORECASE)
_OWN = re.compile(
    r"/api|/(?:api/(?:files|uploads|links|docs|openapi\.json)|docs/api\.md|health|ready|metrics)(?:/.*)?"
)


def check(text: str) -> str:
    """The path, if it is one. Raises `ValueError`, which says how to write it."""
    if not _PATH.fullmatch(text) or _DOTS.search(text):
        raise ValueError(
            "write a path as it is in a URL, for example /files or /team/files: with a slash before"
            " each segment and none at the end"
        )
    return text


def is_own(text: str) -> bool:
    """Whether it could not be told from a path of the service itself."""
    return _OWN.fullmatch(text) is not None
