"""Promise 4: lists are in UTF-8 byte order, hold what was written, and can be gone through."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from file_uploader.errors import InvalidName
from file_uploader.model.listing import ListedFile, ListQuery
from file_uploader.model.names import Container, FileName
from file_uploader.storage.base import Storage
from tests.contract.kinds import KINDS, place_of
from tests.contract.stores import Place
from tests.support.bodies import KIB, content
from tests.support.files import new_container, put
from tests.support.listing import Entry, expected_entries, listed, names_in
from tests.support.names import TRAPS
from tests.support.rounds import rounds

pytestmark = pytest.mark.asyncio(loop_scope="module")

WIDE = ["\u00e9", "e\u0301", "\ufffd", "\ue000", "\U00010000", "\U0010ffff"]
ALPHABET = [*"ab/-.%0", "--", *WIDE]
DELIMITERS = [*"/-ab%", "", "--", "a/", "/a", "-/", "\u00e9", "\uffff", "\U0010ffff", "zz", "\x00"]


def valid(name: str) -> bool:
    try:
        FileName(name)
    except InvalidName:
        return False
    return True


def _rich_names() -> list[str]:
    chance = random.Random(20261)
    made = {"".join(chance.choices(ALPHABET, k=chance.randint(1, 5))) for _ in range(900)}
    some = sorted(filter(valid, made))
    return [*chance.sample(some, 170), *TRAPS]


NAMES = sorted(set(_rich_names()))


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=[*KINDS, "moto-own-buckets"])
async def shelf(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[tuple[Place, Storage, Container]]:
    """A store with all the names in one container, and other containers on both sides of it."""
    directory: Path = tmp_path_factory.mktemp("lists")
    place = place_of(request.param, request, directory)
    store = await place.open()
    below, container, above = sorted((new_container() for _ in range(3)), key=lambda c: c.name)
    try:
        for other in (below, above):
            for name in ("a", "a/b", "\U0010ffff"):
                await put(store, other, name, b"another's")
        await put_all(store, container, NAMES)
        yield place, store, container
    finally:
        await place.close()


async def put_all(store: Storage, container: Container, names: list[str]) -> None:
    names = list(names)

    async def work() -> None:
        while names:
            name = names.pop()
            await put(store, container, name, name.encode())

    await asyncio.gather(*(work() for _ in range(8)))


def queries_about(names: list[str]) -> st.SearchStrategy[ListQuery]:
    """Queries that are near the names: parts of them, what comes just after, and noise."""
    parts = st.sampled_from(names).flatmap(
        lambda name: st.integers(0, len(name)).map(lambda end: name[:end])
    )
    noise = st.lists(st.sampled_from([*ALPHABET, "\x00", "\x7f", "//"]), max_size=3).map("".join)
    beside = st.tuples(parts, noise).map("".join)
    near = st.one_of(st.just(""), st.sampled_from(names), parts, beside)
    return st.builds(
        ListQuery,
        prefix=st.one_of(st.just(""), parts, noise),
        delimiter=st.one_of(st.sampled_from(DELIMITERS), noise),
        marker=near,
        limit=st.one_of(st.none(), st.integers(1, 12), st.sampled_from([999, 1000, 1001, 10**9])),
    )


@settings(
    max_examples=rounds(30, 300),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(queries=st.lists(queries_about(NAMES), min_size=8, max_size=8))
async def test_any_query_gives_what_the_model_gives(
    shelf: tuple[Place, Storage, Container], queries: list[ListQuery]
) -> None:
    place, store, container = shelf
    for query in queries if place.kind == "local" else queries[:1]:
        assert await listed(store, container, query) == expected_entries(NAMES, query)


async def test_markers_around_every_entry(shelf: tuple[Place, Storage, Container]) -> None:
    """For each entry: the marker on it, and inside of what is rolled up."""
    place, store, container = shelf
    everywhere = place.kind == "local"
    for delimiter in ("", "/", "-", "a/"):
        whole = expected_entries(NAMES, ListQuery(delimiter=delimiter))
        for entry in whole[:: rounds(3, 1)] if everywhere else whole[::17]:
            name = entry.name.decode()
            ends = ("", "\U0010ffff", "\x00", "/") if everywhere else ("", "\U0010ffff")
            for marker in (name[:-1], *(name + end for end in ends)):
                query = ListQuery(delimiter=delimiter, marker=marker, limit=3)
                assert await listed(store, container, query) == expected_entries(NAMES, query)


@pytest.mark.parametrize("delimiter", ["", "/", "a", "\U0010ffff"])
@pytest.mark.parametrize("limit", [1, 2, 7, 100])
async def test_going_on_after_the_last_entry_gives_each_once_and_ends(
    shelf: tuple[Place, Storage, Container], delimiter: str, limit: int
) -> None:
    place, store, container = shelf
    for prefix in ("", "a", "b/"):
        query = ListQuery(prefix=prefix, delimiter=delimiter, limit=limit)
        if limit < 7 and not prefix and place.kind != "local":
            continue  # a hundred requests and more
        found: list[Entry] = []
        while True:
            page = await listed(store, container, query)
            assert len(page) <= limit
            found += page
            assert len(found) <= len(NAMES), "it does not end"
            if len(page) < limit:
                break
            query = replace(query, marker=page[-1].name.decode())
        assert found == expected_entries(NAMES, replace(query, marker="", limit=None))


async def test_entries_say_what_head_says(shelf: tuple[Place, Storage, Container]) -> None:
    _, store, container = shelf
    seen = 0
    async for page in store.list(container, ListQuery(prefix="a")):
        for entry in page:
            assert isinstance(entry, ListedFile)
            info = await store.head(container, FileName(entry.name))
            assert (entry.size, entry.etag) == (info.size, info.etag)
            assert entry.modified.replace(microsecond=0) == info.modified.replace(microsecond=0)
            seen += 1
    assert seen == sum(name.startswith("a") for name in NAMES)


async def test_an_unknown_container_is_empty(shelf: tuple[Place, Storage, Container]) -> None:
    _, store, _ = shelf
    for query in (ListQuery(), ListQuery(delimiter="/"), ListQuery("a", "/", "a", limit=1)):
        assert await listed(store, new_container(), query) == []


async def test_every_finished_write_is_in_the_next_list(
    shelf: tuple[Place, Storage, Container],
) -> None:
    place, store, _ = shelf
    container = new_container()
    other = await place.open()
    there: set[str] = set()
    for turn, name in enumerate(NAMES[::9]):
        await put(store, container, name, content(100 if turn % 2 else 300 * KIB))
        there.add(name)
        if turn % 4 == 3:
            gone = min(there)
            await store.delete(container, FileName(gone))
            there.remove(gone)
        for each in (store, other):
            assert await names_in(each, container) == sorted(there)


async def test_a_list_under_way_disturbs_nobody(shelf: tuple[Place, Storage, Container]) -> None:
    """Who stops reading a list half-way holds no lock; and what does not change is in it."""
    _, store, _ = shelf
    container = new_container()
    await put_all(store, container, [f"{number:04}" for number in range(40)])
    reading = store.list(container, ListQuery())
    page = await anext(reading)
    await put(store, container, "0000", b"again")
    await store.delete(container, FileName("0001"))
    await store.sweep()
    names = [entry.name for entry in page]
    async for page in reading:
        names += [entry.name for entry in page]
    assert [name for name in names if name != "0001"] == [
        f"{number:04}" for number in range(40) if number != 1
    ]


async def test_more_than_a_page_of_every_kind(shelf: tuple[Place, Storage, Container]) -> None:
    """Over 1,000 names, S3's largest page: alone, rolled up into one, and rolled up into many."""
    _, store, _ = shelf
    container = new_container()
    names = [f"{kind}{number:04}" for number in range(530) for kind in ("d/", "-")]
    names += [f"e{number:02}/{name}" for number in range(20) for name in "ab"]
    names += ["c", "d", "d0", "\U0010ffff"]
    await put_all(store, container, names)
    whole = sorted(names)
    assert await names_in(store, container) == whole
    assert len(whole) > 1000
    for query in (
        ListQuery(delimiter="/"),
        ListQuery(delimiter="/", limit=2),
        ListQuery(delimiter="/", marker="d/0300"),
        ListQuery(delimiter="-"),
        ListQuery(delimiter="0"),
        ListQuery(limit=1000),
        ListQuery(limit=1001),
        ListQuery(limit=1, marker=whole[999]),
        ListQuery(marker=whole[17]),
        ListQuery(prefix="d", delimiter="/"),
        ListQuery(prefix="d/", marker="d/0100", limit=401),
    ):
        assert await listed(store, container, query) == expected_entries(names, query), query
    usage = await store.usage(container)
    assert usage is not None
    assert (usage.files, usage.size) == (len(names), sum(len(name.encode()) for name in names))


NAME_SETS = st.sets(
    st.lists(st.sampled_from(ALPHABET), min_size=1, max_size=5).map("".join).filter(valid),
    max_size=12,
)


@settings(max_examples=rounds(30, 300), deadline=None)
@given(data=st.data(), names=NAME_SETS)
async def test_any_names_and_any_query(
    shelf: tuple[Place, Storage, Container], data: st.DataObject, names: set[str]
) -> None:
    """Each time other names. Only where a write costs little; elsewhere the names stay the same."""
    place, store, _ = shelf
    if place.kind != "local":
        pytest.skip("each example writes its names anew: too slow over a network")
    container = new_container()
    await put_all(store, container, sorted(names))
    for _ in range(6):
        query = data.draw(queries_about(sorted(names) or ["a"]))
        assert await listed(store, container, query) == expected_entries(names, query)
