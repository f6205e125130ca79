"""The walk through a sorted container that a list is, page by page."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import closing, suppress

import apsw

from file_uploader.model.listing import ListedFile, ListedPrefix, ListEntry, ListQuery, after_prefix
from file_uploader.model.names import Container, is_file_name, surely_file_names

from .reads import Index
from .rows import is_time, key, text_of, time_of, typed

SKIP = 16
"""Rows of a rolled-up prefix to step over before seeking past it: a seek costs about as much."""

_ABOVE_ALL_TEXT = b""
"""SQLite orders every BLOB above every TEXT, so that this ends no range of names."""

_FIRST = time_of(0)
_SURROGATE = re.compile("[\ud800-\udfff]")


def start_of(query: ListQuery) -> str | None:
    """The least string that a listed name can be, or None where none can be listed."""
    if _SURROGATE.search(query.prefix):
        return None
    start = query.prefix
    if query.marker:
        start = max(start, query.marker + "\0")  # The least string above the marker.
    passed = query.passed_prefix
    if passed is not None:
        following = after_prefix(passed)
        if following is None:
            return None
        start = max(start, following)
    # The least string of valid UTF-8 that is not below it.
    found = _SURROGATE.search(start)
    return start if found is None else start[: found.start()] + "\ue000"


def page(
    index: Index, container: Container, query: ListQuery, start: str, size: int
) -> tuple[list[ListEntry], str | None]:
    """At most ``size`` entries from ``start`` on, and where the next page starts (None: nowhere).

    A row that is damaged is left out: `audit` tells of it. To look at each row takes as long as
    the rest. So that is done only where all of them together do not look sound, and where rows are
    passed that are not in the page.
    """
    with index.reading() as connection:
        if not query.delimiter:
            with suppress(UnicodeDecodeError, OverflowError):
                found = _page(connection, container, query, start, size, careful=False)
                if _are_sound(found[0]):
                    return found
        return _page(connection, container, query, start, size, careful=True)


def _page(
    connection: apsw.Connection,
    container: Container,
    query: ListQuery,
    start: str,
    size: int,
    *,
    careful: bool,
) -> tuple[list[ListEntry], str | None]:
    end = after_prefix(query.prefix) or _ABOVE_ALL_TEXT
    sql = (
        f"SELECT {'CAST(name AS BLOB)' if careful else 'name'}, size, sha256, modified FROM files"  # noqa: S608
        " WHERE container = ? AND name >= ? AND name < ? ORDER BY name"
    )
    entries: list[ListEntry] = []
    position: str | None = start
    while position is not None and len(entries) < size:
        rows = connection.execute(sql, (key(container), position, end))
        position = None
        rolled: str | None = None
        skipped = 0
        with closing(rows):  # And with it the read transaction.
            for file in _undamaged(rows) if careful else _as_they_are(rows):
                if rolled is not None and file.name.startswith(rolled):
                    skipped += 1
                    if skipped == SKIP:
                        position = after_prefix(rolled)
                        break
                elif len(entries) == size:
                    position = file.name
                    break
                else:
                    rolled, skipped = query.rolled_up(file.name), 0
                    entries.append(file if rolled is None else ListedPrefix(rolled))
    return entries, position


def _as_they_are(rows: apsw.Cursor) -> Iterator[ListedFile]:
    return (
        ListedFile(name, size, sha256.hex(), time_of(modified))
        for name, size, sha256, modified in typed(rows)
    )


def _undamaged(rows: apsw.Cursor) -> Iterator[ListedFile]:
    return (
        ListedFile(name, size, sha256.hex(), time_of(modified))
        for data, size, sha256, modified in typed(rows)
        if is_file_name(name := text_of(data)) and is_time(modified)
    )


def _are_sound(page: Sequence[ListEntry]) -> bool:
    """Whether none of these files is surely of a damaged row."""
    times = [entry.modified for entry in page if isinstance(entry, ListedFile)]
    return min(times, default=_FIRST) >= _FIRST and surely_file_names(
        [entry.name for entry in page]
    )
