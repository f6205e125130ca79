"""Names are kept byte for byte: no two of them are ever the same file."""

from __future__ import annotations

import pytest

from file_uploader.errors import NoSuchFile
from file_uploader.model.listing import ListQuery
from file_uploader.model.names import Container, FileName
from file_uploader.storage.base import Storage
from tests.contract.kinds import EVERY_KIND
from tests.contract.stores import Place, clean
from tests.support.files import put, read
from tests.support.listing import listed, names_in
from tests.support.names import TRAPS

pytestmark = pytest.mark.parametrize("place", EVERY_KIND, indirect=True)


async def test_all_traps_at_once(place: Place, store: Storage, container: Container) -> None:
    for name in TRAPS:
        stored = await put(store, container, name, name.encode())
        assert stored.name == FileName(name)
    in_order = sorted(TRAPS, key=str.encode)
    assert await names_in(store, container) == in_order
    for name in TRAPS:
        assert await read(store, container, name) == name.encode()
        assert (await store.head(container, FileName(name))).name == FileName(name)
    for count, name in enumerate(TRAPS, 1):
        await store.delete(container, FileName(name))
        with pytest.raises(NoSuchFile):
            await store.head(container, FileName(name))
        if count % 20 == 0:
            left = sorted(TRAPS[count:], key=str.encode)
            assert await names_in(store, container) == left
    await clean(place, store, {})


@pytest.mark.parametrize("text", ["\x00", "a\x00", "\x01", "\n", "\x7f", "//", "/", "..", "a//b"])
async def test_a_list_may_ask_for_what_cannot_be_a_name(
    store: Storage, container: Container, text: str
) -> None:
    for name in ("a", "a/b", "\x80", "~"):
        await put(store, container, name, b"")
    everything = [name.encode() for name in sorted(["a", "a/b", "\x80", "~"])]

    async def found(query: ListQuery) -> list[bytes]:
        return [entry.name for entry in await listed(store, container, query)]

    assert await found(ListQuery(prefix=text)) == []
    assert await found(ListQuery(marker=text)) == [n for n in everything if n > text.encode()]
    assert await found(ListQuery(delimiter=text)) == (
        [b"a", b"a/", b"~", "\x80".encode()] if text == "/" else everything
    )
