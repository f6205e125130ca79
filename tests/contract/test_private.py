"""Promise 8: whatever one client asks, it finds nothing of another's."""

from __future__ import annotations

from itertools import product

import pytest

from file_uploader.errors import InvalidName, NoSuchFile, PreconditionFailed
from file_uploader.model.conditions import EntityTags, Precondition
from file_uploader.model.files import ByteRange, Metadata
from file_uploader.model.listing import ListQuery
from file_uploader.model.names import Container, FileName
from file_uploader.storage.base import Storage
from tests.contract.kinds import EVERY_KIND
from tests.contract.stores import Place, clean
from tests.support.bodies import KIB, content
from tests.support.files import new_container, put, read
from tests.support.listing import listed, names_in

pytestmark = pytest.mark.parametrize("place", EVERY_KIND, indirect=True)

NAMES = ["a", "a/b", "a/b/c", "b", "\U0010ffff", "\ufffd", "z/z"]


def _prying_names(owner: Container) -> list[str]:
    """Names that would reach the owner's files if a store glued strings together."""
    texts = [
        f"{depth}{owner.name}/a"
        for depth in ("", "../", "../../", "files/", "../files/", "/", "./", "a/../../", "%2e%2e/")
    ]
    return [*NAMES, *texts, *(text.replace("/", "%2F") for text in texts)]


async def test_names_of_another(place: Place, store: Storage) -> None:
    """Every call on every name of another's, plain and with a path in it."""
    owner, stranger = new_container(), new_container()
    live = {}
    etags = {}
    for name in NAMES:
        for size in (10, 300 * KIB):
            data = content(size, f"{owner.name}{name}")
            etags[name] = (await put(store, owner, name, data)).etag
            live[owner, name] = size
    for name in _prying_names(owner):
        try:
            file = FileName(name)
        except InvalidName:
            continue
        known = Precondition(if_match=EntityTags(frozenset(etags.values())))
        with pytest.raises(NoSuchFile):
            await store.head(stranger, file)
        for etag, byte_range in product([None, etags["a"]], [None, ByteRange(0, 5)]):
            with pytest.raises(NoSuchFile):
                await read(store, stranger, name, etag=etag, byte_range=byte_range)
        with pytest.raises(NoSuchFile):
            await store.delete(stranger, file)
        for precondition in (known, Precondition(if_match=EntityTags(any=True))):
            with pytest.raises((NoSuchFile, PreconditionFailed)):
                await store.delete(stranger, file, precondition=precondition)
            with pytest.raises(PreconditionFailed):
                await put(store, stranger, name, b"x", precondition=precondition)
        created = await put(
            store,
            stranger,
            name,
            b"mine",
            precondition=Precondition(if_none_match=EntityTags(any=True)),
        )
        assert created.size == 4
        assert await read(store, stranger, name) == b"mine"
        await store.delete(stranger, file)
    assert await names_in(store, stranger) == []
    for name in NAMES:
        data = content(300 * KIB, f"{owner.name}{name}")
        assert await read(store, owner, name, etag=etags[name]) == data
    await clean(place, store, live)


async def test_lists_of_another(place: Place, store: Storage) -> None:
    """Every kind of query, in a container with files and in one without."""
    owner, neighbour, empty = sorted((new_container() for _ in range(3)), key=lambda c: c.name)
    for name in NAMES:
        await put(store, owner, name, b"owner's")
    await put(store, neighbour, "mine", b"neighbour's")
    texts = ["", "/", "a", "a/", "..", "../", owner.name, owner.name + "/", f"../{owner.name}/"]
    texts += [f"files/{owner.name}/", "%", "_", "*", "\U0010ffff", "m", "mine", "\x01"]
    queries = list(product(texts, texts, ("", "/", "m")))
    for prefix, marker, delimiter in queries if place.kind == "local" else queries[::7]:
        query = ListQuery(prefix=prefix, marker=marker, delimiter=delimiter, limit=100)
        assert await listed(store, empty, query) == []
        entries = await listed(store, neighbour, query)
        assert {entry.name for entry in entries} <= {b"mine", b"m"}


async def test_what_is_counted_is_ones_own(store: Storage) -> None:
    owner, stranger = new_container(), new_container()
    await put(store, owner, "a", content(1000))
    found = await store.usage(stranger)
    assert found is not None
    assert (found.files, found.size) == (0, 0)


async def test_the_same_name_and_content_in_two_containers(place: Place, store: Storage) -> None:
    """What is equal is not shared: deleting one leaves the other."""
    one, other = new_container(), new_container()
    for size in (10, 300 * KIB):
        data = content(size)
        await put(store, one, "file", data, metadata=Metadata(content_type="text/one"))
        await put(store, other, "file", data, metadata=Metadata(content_type="text/other"))
        assert (await store.head(one, FileName("file"))).metadata.content_type == "text/one"
        await store.delete(one, FileName("file"))
        await store.sweep()
        assert await read(store, other, "file") == data
    await clean(place, store, {(other, "file"): 300 * KIB})
