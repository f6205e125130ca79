"""How often a header may occur, which every parser of one has to know first."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from starlette.datastructures import Headers

from file_uploader.errors import InvalidHeader

_MOST_DIGITS = 4000
"""Python refuses to read numbers of more than 4,300 digits."""


class Fields(Headers):
    """The header fields of one request: found at once, where Starlette's walk through all."""

    def __init__(self, raw: list[tuple[bytes, bytes]]) -> None:
        super().__init__(raw=raw)
        self._values: dict[str, list[str]] = {}
        for name, value in raw:
            self._values.setdefault(name.decode("latin-1"), []).append(value.decode("latin-1"))

    def getlist(self, key: str) -> list[str]:
        """Every value of a field, in their order."""
        return self._values.get(key.lower(), [])

    def __getitem__(self, key: str) -> str:
        return self._values[key.lower()][0]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __contains__(self, key: object) -> bool:
        return isinstance(key, str) and key.lower() in self._values


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


def elements(value: str | None) -> list[str]:
    """Those of a list (RFC 9110, 5.6.1): without the empty ones."""
    parts = (part.strip(" \t") for part in (value or "").split(","))
    return [part for part in parts if part]


def content_length(headers: Headers) -> int | None:
    """The announced number of bytes; 0 where there is no body at all (RFC 9112, 6.3)."""
    length = bytes_number(headers, "Content-Length")
    if length is None:
        return None if "transfer-encoding" in headers else 0
    return length


def bytes_number(headers: Headers, name: str) -> int | None:
    """The value of a header that is a number of bytes; None without it. Raises `InvalidHeader`."""
    value = single(headers, name)
    if value is None:
        return None
    if not (value.isascii() and value.isdigit() and len(value) <= _MOST_DIGITS):
        raise InvalidHeader(f"{name} has to be a number of bytes.")
    return int(value)


def has_body(headers: Iterable[tuple[bytes, bytes]]) -> bool:
    """Whether a body follows the request's head, which is as ASGI has it."""
    for name, value in headers:
        if name == b"transfer-encoding" or (name == b"content-length" and value != b"0"):
            return True
    return False
