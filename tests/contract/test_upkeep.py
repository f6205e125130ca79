"""What a store offers to whoever looks after it, moves it or checks it."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from file_uploader.model.names import Container, FileName
from file_uploader.model.uploads import UploadPlan
from file_uploader.storage.base import Storage
from file_uploader.storage.upkeep import Leftover, Swept
from file_uploader.uploads.rules import Uploads
from tests.contract.kinds import EVERY_KIND
from tests.contract.stores import LocalPlace, Place
from tests.contract.uploading import EXPIRY, PLAN, begun, piece
from tests.support.bodies import KIB, MIB, body_of, content, pieces
from tests.support.files import new_container, put, read

everywhere = pytest.mark.parametrize("place", EVERY_KIND, indirect=True)


@everywhere
async def test_it_tells_the_containers_in_order(
    place: Place, store: Storage, uploads: Uploads
) -> None:
    assert [each async for each in store.containers()] == []
    owners = [new_container() for _ in range(5)]
    for owner in owners:
        for name in ("a", "b/c", "\U0010ffff"):
            await put(store, owner, name, b"1")
    uploading = new_container()
    await begun(uploads, uploading, 10)
    expected = sorted([*owners, uploading], key=lambda each: each.name)
    other = await place.open()
    assert [each async for each in other.containers()] == expected


@pytest.mark.parametrize("place", ["local", "ceph"], indirect=True)
async def test_it_tells_more_containers_than_a_page_holds(store: Storage) -> None:
    owners = [new_container() for _ in range(1_010)]
    for start in range(0, len(owners), 10):
        await asyncio.gather(*(put(store, each, "a", b"") for each in owners[start : start + 10]))
    told = [each async for each in store.containers()]
    assert told == sorted(owners, key=lambda each: each.name)


async def test_a_time_from_elsewhere_is_kept_where_that_can_be(
    place: Place, store: Storage, container: Container
) -> None:
    then = datetime(2020, 2, 29, 1, 2, 3, 456_789, tzinfo=UTC)
    for data in (b"small", content(300 * KIB)):
        info = await store.put(
            container, FileName("file"), body_of(data), metadata=PLAN.metadata, modified=then
        )
        found = await store.head(container, FileName("file"))
        if place.kind == "local":
            assert found.modified == info.modified == then
        else:
            assert found.modified > then + timedelta(days=1000)
        assert await read(store, container, "file") == data


@everywhere
async def test_it_takes_the_key_of_another_store_where_it_has_none(
    place: Place, store: Storage
) -> None:
    wanted = bytes(range(32))
    assert await store.kept_key(wanted) == wanted
    other = await place.open()
    assert await other.kept_key() == wanted
    assert await other.kept_key(bytes(32)) == wanted


@pytest.mark.parametrize("size", [0, 1, 16 * KIB, 300 * KIB, 8 * MIB, 20 * MIB + 1])
@pytest.mark.parametrize("announced", [True, False])
async def test_a_content_is_proven_by_what_is_kept(
    store: Storage, container: Container, size: int, announced: bool
) -> None:
    """Also one whose digest nobody knew before it was there."""
    data = content(size)
    await put(store, container, "file", body_of(data, announced=announced))
    info = await store.head(container, FileName("file"))
    whole = store.proof(info)
    for chunk in pieces(data, 100_001):
        whole.update(chunk)
    assert whole.holds() is True
    other = store.proof(info)
    other.update(data[:-1] + bytes([data[-1] ^ 1]) if data else b"x")
    assert other.holds() is (False if info.sha256 or size <= 8 * MIB else None)


async def test_nothing_is_wrong_with_what_is_in_use(
    store: Storage, uploads: Uploads, container: Container
) -> None:
    for size in (0, 300 * KIB, 9 * MIB):
        await put(store, container, f"{size}", content(size))
    for sent in (0, 100, 300 * KIB):
        upload_id = await begun(uploads, container, MIB, replace(PLAN, name=FileName(f"u{sent}")))
        await uploads.append(container, upload_id, piece(content(sent)), offset=0)
    assert [flaw async for flaw in store.examine()] == []


async def test_a_sweep_tells_what_it_removes_and_a_dry_one_removes_nothing(
    place: Place, container: Container
) -> None:
    short = timedelta(seconds=1)
    store = await place.open(upload_expiry=short)
    if place.kind != "moto":  # by which every multipart upload was begun in 2010
        assert await store.sweep() == Swept()
    dying, staying = Uploads(store, expiry=short), Uploads(store, expiry=EXPIRY)
    live = await begun(staying, container, MIB)
    await staying.append(container, live, piece(content(100)), offset=0)
    for sent in (100, 9 * MIB):
        upload_id = await begun(dying, container, 20 * MIB, UploadPlan(FileName(f"{sent}")))
        await dying.append(container, upload_id, piece(content(sent)), offset=0)
    await asyncio.sleep(short.total_seconds() + place.clock)
    if isinstance(place, LocalPlace):
        left = place.directory / "blobs" / "ab" / f"ab{'0' * 14}-{'0' * 16}"
        left.write_bytes(bytes(1000))
    would = await store.sweep(dry=True)
    assert would is not None
    assert await store.sweep(dry=True) == would
    assert await store.sweep() == would
    assert await store.sweep() == Swept()
    gone = would.amounts[Leftover.UPLOADS]
    assert (gone.count, gone.size) == (2, 100 + 9 * MIB)
    if isinstance(place, LocalPlace):
        left_over = would.amounts[Leftover.UNFINISHED]
        assert (left_over.count, left_over.size) == (1, 1000)
    assert (await staying.look(container, live)).offset == 100
    for each in (dying, staying):
        await each.aclose()
