"""How the embedded store walks through a container: few rows, whatever the query."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from file_uploader.model.files import Usage
from file_uploader.model.listing import ListedFile, ListQuery
from file_uploader.model.names import FileName
from file_uploader.storage.local.index import reads
from file_uploader.storage.local.index.listing import SKIP, page, start_of
from tests.support.files import new_container, put
from tests.support.local_disk import opened

NOW = datetime.now(UTC)


class Rows:
    """A sorted container that counts what is read of it."""

    def __init__(self, names: list[str]) -> None:
        self._names = sorted(names)
        self.read = 0
        self.seeks = 0

    @contextmanager
    def scan(self, start: str) -> Iterator[Iterator[ListedFile]]:
        self.seeks += 1
        yield self._from(start)

    def _from(self, start: str) -> Iterator[ListedFile]:
        for name in self._names:
            if name >= start:
                self.read += 1
                yield ListedFile(name, 1, "", NOW)

    def listed(self, query: ListQuery, size: int) -> list[str]:
        found = []
        start = start_of(query)
        while start is not None:
            entries, start = page(self.scan, query, start, size)
            assert len(entries) <= size
            found += [entry.name for entry in entries]
        return found


@pytest.mark.parametrize("size", [1, 3, 10, 1000])
def test_rolled_up_prefixes_are_sought_past(size: int) -> None:
    rows = Rows([f"{folder}/{number:04}" for folder in range(10) for number in range(1000)])
    assert rows.listed(ListQuery(delimiter="/"), size) == [f"{folder}/" for folder in range(10)]
    assert rows.read <= 10 * (SKIP + 2)


def test_many_small_prefixes_are_stepped_over() -> None:
    rows = Rows([f"{folder:03}/{number}" for folder in range(500) for number in range(2)])
    assert len(rows.listed(ListQuery(delimiter="/"), 1000)) == 500
    assert rows.seeks == 1


@pytest.mark.parametrize(
    ("query", "start"),
    [
        (ListQuery(), ""),
        (ListQuery(prefix="b", marker="a"), "b"),
        (ListQuery(prefix="a", marker="b"), "b\0"),
        (ListQuery(delimiter="/", marker="a/b"), "a0"),
        (ListQuery(delimiter="\U0010ffff", marker="\U0010ffff"), None),
        (ListQuery(prefix="a\ud800"), None),
        (ListQuery(marker="a\ud800b"), "a\ue000"),
        (ListQuery(marker="a\udfff"), "a\ue000"),
    ],
)
def test_where_a_list_starts(query: ListQuery, start: str | None) -> None:
    assert start_of(query) == start


async def test_a_count_in_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reads, "_COUNTED_AT_ONCE", 3)
    container, other = new_container(), new_container()
    async with opened(tmp_path) as store:
        await put(store, other, "z", b"123")
        for number in range(8):
            assert await store.usage(container) == Usage(number, 2 * number)
            await put(store, container, f"{number % 2}/{number}", b"12")
        await store.delete(container, FileName("1/7"))
        assert await store.usage(container) == Usage(7, 14)
