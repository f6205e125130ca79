"""How a list is written down, entry by entry, whatever it is of."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import datetime
from typing import TypeVar

JSON, LINES, TEXT = "application/json", "application/x-ndjson", "text/plain"

T = TypeVar("T")


async def json_array(
    pages: AsyncIterator[Sequence[T]], render: Callable[[T], object]
) -> AsyncIterator[bytes]:
    """One array; pages are not empty."""
    opening = "["
    async for page in pages:
        # All at once, without the brackets: one by one takes twice as long.
        yield (opening + _dumps([render(entry) for entry in page])[1:-1]).encode()
        opening = ","
    yield b"[]" if opening == "[" else b"]"


async def json_lines(
    pages: AsyncIterator[Sequence[T]], render: Callable[[T], object]
) -> AsyncIterator[bytes]:
    """One value a line."""
    async for page in pages:
        yield "".join(f"{_dumps(render(entry))}\n" for entry in page).encode()


async def text(
    pages: AsyncIterator[Sequence[T]], render: Callable[[T], object]
) -> AsyncIterator[bytes]:
    """One entry a line, as it is."""
    async for page in pages:
        yield "".join(f"{render(entry)}\n" for entry in page).encode()


def rfc3339(moment: datetime) -> str:
    """A moment in UTC, to the millisecond."""
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


FORMATS = {JSON: json_array, LINES: json_lines, TEXT: text}
"""The writers by media type."""

_dumps = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
