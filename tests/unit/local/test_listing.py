"""How the embedded store walks through a container: few rows, whatever the query."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

import apsw
import pytest

from file_uploader.model.files import Usage
from file_uploader.model.listing import ListQuery
from file_uploader.model.names import FileName
from file_uploader.storage.local.index import reads
from file_uploader.storage.local.index.listing import SKIP, page, start_of
from file_uploader.storage.local.index.reads import Index
from file_uploader.storage.local.index.rows import connect, key
from tests.support.files import new_container, put
from tests.support.local_disk import opened


class Rows:
    """A container that counts what is read of it."""

    def __init__(self, directory: Path, names: list[str]) -> None:
        self._index = Index(directory / "index.db")
        self._container = new_container()
        self.read = 0
        self.seeks = 0
        rows = ((key(self._container), name) for name in names)
        with closing(connect(directory / "index.db")) as connection, connection:
            connection.executemany(
                "INSERT INTO files VALUES (?, ?, 1, x'00', 0, '{}', NULL, 1)", rows
            )
        with self._index.reading() as connection:  # The only one: there are no threads.
            connection.row_trace = self._row
            connection.exec_trace = self._query

    def _row(self, _cursor: apsw.Cursor, row: tuple[Any, ...]) -> tuple[Any, ...]:
        self.read += 1
        return row

    def _query(self, *_: object) -> bool:
        self.seeks += 1
        return True

    def listed(self, query: ListQuery, size: int) -> list[str]:
        found = []
        start = start_of(query)
        while start is not None:
            entries, start = page(self._index, self._container, query, start, size)
            assert len(entries) <= size
            found += [entry.name for entry in entries]
        return found


@pytest.mark.parametrize("size", [1, 3, 10, 1000])
def test_rolled_up_prefixes_are_sought_past(tmp_path: Path, size: int) -> None:
    names = [f"{folder}/{number:04}" for folder in range(10) for number in range(1000)]
    rows = Rows(tmp_path, names)
    assert rows.listed(ListQuery(delimiter="/"), size) == [f"{folder}/" for folder in range(10)]
    assert rows.read <= 10 * (SKIP + 2)


def test_many_small_prefixes_are_stepped_over(tmp_path: Path) -> None:
    rows = Rows(tmp_path, [f"{folder:03}/{number}" for folder in range(500) for number in range(2)])
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
