"""Range requests: RFC 9110, section 14."""

from __future__ import annotations

import re

from file_uploader.http.refusals import RangeNotSatisfiable
from file_uploader.model.files import ByteRange

# Python refuses to read numbers of more than 4,300 digits.
_ONE = re.compile(r"bytes\s*=\s*(\d{0,4000})-(\d{0,4000})\s*", re.ASCII | re.IGNORECASE)


def requested(value: str | None, size: int) -> ByteRange | None:
    """The one range that is asked for, or None where the whole file is the answer.

    That is so for several ranges, for other units, and for what is no range at all (14.2: a
    server may ignore it). Raises `RangeNotSatisfiable`.
    """
    match = _ONE.fullmatch(value) if value is not None else None
    if match is None:
        return None
    first, last = match.groups()
    if first:
        start, end = int(first), int(last) if last else size - 1
        if last and end < start:
            return None
    elif last:
        start, end = max(size - int(last), 0), size - 1
        if int(last) == 0:
            raise RangeNotSatisfiable(size)
        if size == 0:
            return None  # satisfiable, but no Content-Range could say so
    else:
        return None
    if start >= size:
        raise RangeNotSatisfiable(size)
    return ByteRange(start, min(end, size - 1))


def content_range(byte_range: ByteRange, size: int) -> str:
    """Render ``Content-Range`` for a `206`."""
    return f"bytes {byte_range.start}-{byte_range.end}/{size}"
