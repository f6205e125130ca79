"""How often a header may occur, which every parser of one has to know first."""

from __future__ import annotations

from starlette.datastructures import Headers

from file_uploader.errors import InvalidHeader

_MOST_DIGITS = 4000
"""Python refuses to read numbers of more than 4,300 digits."""


def single(headers: Headers, name: str) -> str | None:
    """The value of a header that is not a list; None without it.

    Raises `InvalidHeader` if it is given twice (RFC 9110, 5.3).
    """
    values = headers.getlist(name)
    if len(values) > 1:
        raise InvalidHeader(f"{name} is given {len(values)} times; send it once.")
    return values[0].strip(" \t") if values else None


def combined(headers: Headers, name: str) -> str | None:
    """The value of a list header, its lines joined (RFC 9110, 5.2); None without it."""
    values = headers.getlist(name)
    return ", ".join(values) if values else None


def content_length(headers: Headers) -> int | None:
    """The announced number of bytes; 0 where there is no body at all (RFC 9112, 6.3)."""
    value = single(headers, "content-length")
    if value is None:
        return None if "transfer-encoding" in headers else 0
    if not (value.isascii() and value.isdigit() and len(value) <= _MOST_DIGITS):
        raise InvalidHeader("Content-Length has to be a number of bytes.")
    return int(value)


def has_body(headers: Headers) -> bool:
    """Whether a body follows the request's head."""
    return "transfer-encoding" in headers or headers.get("content-length", "0") != "0"
