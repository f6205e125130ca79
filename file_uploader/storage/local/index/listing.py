"""The walk through a sorted container that a list is; the index supplies the rows."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

from file_uploader.model.listing import ListedFile, ListedPrefix, ListEntry, ListQuery, after_prefix

SKIP = 16
"""Rows of a rolled-up prefix to step over before seeking past it: a seek costs about as much."""

_SURROGATE = re.compile("[\ud800-\udfff]")

Scan = Callable[[str], AbstractContextManager[Iterator[ListedFile]]]
"""Opens the sorted files of a container from a name on, that name included."""


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
    return _encodable(start)


def page(scan: Scan, query: ListQuery, start: str, size: int) -> tuple[list[ListEntry], str | None]:
    """At most ``size`` entries from ``start`` on, and where the next page starts (None: nowhere).

    ``scan`` yields nothing beyond the prefix.
    """
    entries: list[ListEntry] = []
    position: str | None = start
    while position is not None and len(entries) < size:
        with scan(position) as files:
            position = _collect(files, query, size, entries)
    return entries, position


def _collect(
    files: Iterator[ListedFile], query: ListQuery, size: int, entries: list[ListEntry]
) -> str | None:
    """Add to ``entries`` until they are full, or seeking pays; return where to go on."""
    rolled: str | None = None
    skipped = 0
    for file in files:
        if rolled is not None and file.name.startswith(rolled):
            skipped += 1
            if skipped == SKIP:
                return after_prefix(rolled)
            continue
        if len(entries) == size:
            return file.name
        rolled, skipped = query.rolled_up(file.name), 0
        entries.append(file if rolled is None else ListedPrefix(rolled))
    return None


def _encodable(text: str) -> str:
    """The least string of valid UTF-8 that is not below ``text``."""
    found = _SURROGATE.search(text)
    return text if found is None else text[: found.start()] + "\ue000"
