"""Promise 1: a name shows one version, whole, with what was said of it."""

from __future__ import annotations

import asyncio
import hashlib
from datetime import UTC, datetime, timedelta

import pytest

from file_uploader.errors import NoSuchFile, PreconditionFailed, StorageError
from file_uploader.model.files import ByteRange, FileInfo, Metadata
from file_uploader.model.names import Container, FileName
from file_uploader.storage.base import Storage
from tests.contract.stores import Place, sizes_around
from tests.support.bodies import KIB, MIB, body_of, content, ragged
from tests.support.files import put, read


def same_version(one: FileInfo, other: FileInfo) -> bool:
    """All but the time to the second: a listing may know it more exactly than an answer."""
    return (
        (one.name, one.size, one.etag, one.metadata)
        == (other.name, other.size, other.etag, other.metadata)
    ) and abs(one.modified - other.modified) < timedelta(seconds=2)


async def test_every_size_comes_back_byte_for_byte(
    place: Place, store: Storage, container: Container
) -> None:
    for size in sizes_around(place):
        data = content(size)
        for announced in (True, False):
            name = f"{size}-{announced}"
            stored = await put(store, container, name, body_of(data, announced=announced))
            assert stored.size == size
            assert stored.name == FileName(name)
            async with store.open(container, FileName(name)) as found:
                got = b"".join([chunk async for chunk in found.chunks])
            assert got == data, f"{name}: {len(got)} bytes"
            assert same_version(found.info, stored)
            assert same_version(await store.head(container, FileName(name)), stored)


@pytest.mark.parametrize("chunk", [1, 7, 1000, 16 * KIB, MIB])
async def test_every_chunking_of_a_small_file(
    store: Storage, container: Container, chunk: int
) -> None:
    for size in (1, 16 * KIB - 1, 16 * KIB + 1, 40_000):
        data = content(size, chunk)
        for announced in (True, False) if chunk > 1 else (bool(size % 2),):
            body = body_of(data, chunk=chunk, announced=announced)
            await put(store, container, "file", body)
            assert await read(store, container, "file") == data


@pytest.mark.parametrize("seed", range(2))
async def test_ragged_chunkings_of_a_large_file(
    place: Place, store: Storage, container: Container, seed: int
) -> None:
    data = content(place.part_size + 12_345, seed)
    for announced in (True, False):
        body = body_of(data, chunks=ragged(data, seed), announced=announced)
        await put(store, container, "file", body)
        assert await read(store, container, "file") == data


async def test_digests_are_of_the_content_or_unknown(store: Storage, container: Container) -> None:
    for size in (0, 100, 300 * KIB):
        data = content(size, "digest")
        digest = hashlib.sha256(data).digest()
        stored = await put(store, container, "file", data)
        assert stored.sha256 == digest
        assert (await store.head(container, FileName("file"))).sha256 in (digest, None)


async def test_an_announced_digest_is_kept_at_every_size(
    place: Place, store: Storage, container: Container
) -> None:
    for size in (0, 100, 300 * KIB, place.part_size + 1):
        data = content(size, "announced")
        digest = hashlib.sha256(data).digest()
        body = body_of(data, expected={"sha256": digest})
        assert (await put(store, container, "file", body)).sha256 == digest
        assert (await store.head(container, FileName("file"))).sha256 == digest
        async with store.open(container, FileName("file")) as found:
            assert found.info.sha256 == digest


async def test_time_is_now_and_in_utc(store: Storage, container: Container) -> None:
    before = datetime.now(UTC) - timedelta(seconds=2)
    stored = await put(store, container, "file", b"1")
    found = await store.head(container, FileName("file"))
    after = datetime.now(UTC) + timedelta(seconds=2)
    for info in (stored, found):
        assert info.modified.utcoffset() == timedelta(0)
        assert before <= info.modified <= after


async def test_a_new_version_replaces_all_of_the_old(
    place: Place, store: Storage, container: Container
) -> None:
    sizes = [0, 100, 300 * KIB, place.part_size + 1, 100, 300 * KIB, 0, place.part_size + 1]
    etags = set()
    for turn, size in enumerate(sizes):
        data = content(size, turn)
        metadata = Metadata(content_type=f"text/x-{turn}", custom={f"turn-{turn}": "yes"})
        stored = await put(store, container, "file", data, metadata=metadata)
        etags.add(stored.etag)
        assert await read(store, container, "file") == data
        found = await store.head(container, FileName("file"))
        assert (found.size, found.metadata, found.etag) == (size, metadata, stored.etag)
    assert len(etags) == len(sizes) - 1  # the two empty ones have the same content
    assert all(etag and '"' not in etag for etag in etags)


async def test_every_range(place: Place, store: Storage, container: Container) -> None:
    for size in (1, 1000, 300 * KIB, place.part_size + 1000):
        data = content(size, "range")
        await put(store, container, "file", data)
        edges = {0, 1, size // 2, place.part_size - 1, place.part_size, size - 2, size - 1}
        inside = sorted(edge for edge in edges if 0 <= edge < size)
        for start in inside:
            for end in inside:
                if start <= end:
                    asked = ByteRange(start, end)
                    got = await read(store, container, "file", byte_range=asked)
                    assert got == data[start : end + 1], asked


async def test_a_missing_file(store: Storage, container: Container) -> None:
    await put(store, container, "there", b"1")
    missing = FileName("missing")
    with pytest.raises(NoSuchFile):
        await store.head(container, missing)
    with pytest.raises(NoSuchFile):
        await read(store, container, "missing")
    with pytest.raises(NoSuchFile):
        await read(store, container, "missing", byte_range=ByteRange(0, 0))
    with pytest.raises(NoSuchFile):
        await read(store, container, "missing", etag="x")
    with pytest.raises(NoSuchFile):
        await store.delete(container, missing)


async def test_a_deleted_file_is_missing(
    place: Place, store: Storage, container: Container
) -> None:
    for size in (10, 300 * KIB, place.part_size + 1):
        await put(store, container, "file", content(size))
        await store.delete(container, FileName("file"))
        with pytest.raises(NoSuchFile):
            await store.head(container, FileName("file"))
        with pytest.raises(NoSuchFile):
            await read(store, container, "file")
        with pytest.raises(NoSuchFile):
            await store.delete(container, FileName("file"))


async def test_open_pins_the_version_asked_for(store: Storage, container: Container) -> None:
    for size in (10, 300 * KIB):
        old = await put(store, container, "file", content(size, "old"))
        assert await read(store, container, "file", etag=old.etag) == content(size, "old")
        new = await put(store, container, "file", content(size, "new"))
        assert await read(store, container, "file", etag=new.etag) == content(size, "new")
        for byte_range in (None, ByteRange(1, 2)):
            with pytest.raises(PreconditionFailed):
                await read(store, container, "file", etag=old.etag, byte_range=byte_range)


@pytest.mark.parametrize("change", ["replace", "delete", "sweep"])
async def test_an_open_file_stays_the_version_it_was(
    place: Place, store: Storage, container: Container, change: str
) -> None:
    for size in (10, 300 * KIB, place.part_size + 1, 3 * place.part_size):
        old = content(size, "old")
        await put(store, container, "file", old)
        async with store.open(container, FileName("file")) as found:
            got = await anext(found.chunks)
            if change == "replace":
                await put(store, container, "file", content(size + 1, "new"))
            else:
                await store.delete(container, FileName("file"))
            if change == "sweep":
                await store.sweep()
            try:
                got += b"".join([chunk async for chunk in found.chunks])
            except (StorageError, PreconditionFailed, NoSuchFile):
                assert place.kind != "local", "an open file on disk stays readable"
                assert old.startswith(got)
            else:
                assert got == old


async def test_a_reader_may_leave_early(store: Storage, container: Container) -> None:
    await put(store, container, "file", content(3 * MIB))
    for _ in range(30):
        async with store.open(container, FileName("file")) as found:
            assert content(3 * MIB).startswith(await anext(found.chunks))
        async with store.open(container, FileName("file")):
            pass
    async with asyncio.timeout(10):
        assert await read(store, container, "file") == content(3 * MIB)


VISIBLE = "".join(map(chr, range(0x21, 0x7F)))

METADATA = {
    "default": Metadata(),
    "all fields": Metadata(
        content_type='text/html; charset="utf-8"; x=1',
        content_encoding="gzip",
        content_language="de-CH, en",
        content_disposition="attachment; filename*=UTF-8''na%C3%AFve.txt",
        cache_control="private, max-age=60",
        custom={"mtime": "1700000000.25", "colour": "red"},
    ),
    "visible ASCII": Metadata(custom={"v": VISIBLE, "inner": "a b  c", "quoted": '"\\"'}),
    "odd names": Metadata(custom={"a-b": "2", "a.b": "3", "1": "4", "x" * 60: "5", "!~": "6"}),
    "underscores": Metadata(custom={"a_b": "1", "a-b": "2"}),
    "names of our own": Metadata(
        custom={"id": "1", "sha256": "2", "size": "3", "name": "4", "fu-id": "5", "version": "6"}
    ),
    "looks encoded": Metadata(custom={"q": "=?UTF-8?B?w6k=?=", "p": "%C3%A9", "e": "-"}),
    "1.5 KiB in many": Metadata(custom={f"n{i:02}": "v" * 45 for i in range(32)}),
    "1.5 KiB in one": Metadata(custom={"n": "v" * (1536 - 1)}),
}


@pytest.mark.parametrize("metadata", METADATA.values(), ids=METADATA.keys())
async def test_metadata_comes_back_word_for_word(
    place: Place, store: Storage, container: Container, metadata: Metadata
) -> None:
    for size in (0, 300 * KIB, place.part_size + 1):
        stored = await put(store, container, "file", content(size), metadata=metadata)
        assert stored.metadata == metadata
        assert (await store.head(container, FileName("file"))).metadata == metadata
        async with store.open(container, FileName("file"), byte_range=None) as found:
            assert found.info.metadata == metadata
