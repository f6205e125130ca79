"""What a list has to hold, worked out the slow and obvious way from all names."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from file_uploader.model.listing import ListedPrefix, ListEntry, ListQuery
from file_uploader.model.names import Container
from file_uploader.storage.base import Storage


@dataclass(frozen=True, order=True)
class Entry:
    """A list's entry without what the store makes up."""

    name: bytes
    is_prefix: bool


def expected_entries(names: Iterable[str], query: ListQuery) -> list[Entry]:
    """The model: filter, roll up, remove doubles, sort, skip, cut; all of it on UTF-8 bytes."""
    prefix, delimiter, marker = (
        text.encode() for text in (query.prefix, query.delimiter, query.marker)
    )
    found = set()
    for name in (each.encode() for each in names):
        if not name.startswith(prefix):
            continue
        end = name.find(delimiter, len(prefix)) if delimiter else -1
        if end < 0:
            if name > marker:
                found.add(Entry(name, is_prefix=False))
            continue
        rolled_up = name[: end + len(delimiter)]
        if rolled_up > marker and not marker.startswith(rolled_up):
            found.add(Entry(rolled_up, is_prefix=True))
    return sorted(found)[: query.limit]


def entry_of(entry: ListEntry) -> Entry:
    return Entry(entry.name.encode(), isinstance(entry, ListedPrefix))


async def listed(
    store: Storage, container: Container, query: ListQuery | None = None
) -> list[Entry]:
    """All entries of all pages; every page has at least one."""
    found: list[Entry] = []
    async for page in store.list(container, query or ListQuery()):
        assert page, "an empty page"
        found += map(entry_of, page)
    return found


async def names_in(store: Storage, container: Container) -> list[str]:
    """The names of all files, in the order of the list."""
    return [entry.name.decode() for entry in await listed(store, container)]
