"""Promise 6: records of uploads, each store with the rules that are common to all."""

from __future__ import annotations

import asyncio
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime

import apsw
import pytest

from file_uploader.errors import NoSuchUpload, StorageFailed, Superseded
from file_uploader.model.conditions import EntityTags, Precondition
from file_uploader.model.names import Container, FileName
from file_uploader.model.uploads import Upload, UploadPlan, UploadState
from file_uploader.storage.base import Storage
from file_uploader.storage.upkeep import Flaw
from file_uploader.uploads.rules import Uploads
from tests.contract.stores import LocalPlace, Place, S3Place
from tests.contract.uploading import EXPIRY, METADATA, begun, piece, record
from tests.support.files import new_container
from tests.support.s3_servers import admin_of


async def test_a_record_is_swapped_on_its_version(store: Storage, container: Container) -> None:
    created = await store.uploads.create(container, record())
    assert await store.uploads.load(container, created.id) == created
    one = await store.uploads.swap(container, replace(created, generation=1))
    assert one.version != created.version
    with pytest.raises(Superseded):
        await store.uploads.swap(container, replace(created, generation=2))
    assert await store.uploads.load(container, created.id) == one
    # A record that is what it was before has another version all the same.
    back = await store.uploads.swap(container, replace(one, generation=0))
    assert back.version not in (created.version, one.version)
    with pytest.raises(Superseded):
        await store.uploads.swap(container, replace(created, generation=3))


async def test_of_many_swaps_one_wins(store: Storage, place: Place, container: Container) -> None:
    if not place.swaps_atomically:
        pytest.skip("moto looks, and then writes")
    other = await place.open()
    upload = await store.uploads.create(container, record())
    for generation in range(1, 11):
        results = await asyncio.gather(
            *(
                each.uploads.swap(container, replace(upload, generation=generation, offset=number))
                for number, each in enumerate([store, other] * 4)
            ),
            return_exceptions=True,
        )
        [won] = [each for each in results if isinstance(each, Upload)]
        assert sum(isinstance(each, Superseded) for each in results) == 7
        upload = await store.uploads.load(container, upload.id)
        assert (upload, upload.version) == (won, won.version)


async def test_a_record_says_everything(store: Storage, container: Container) -> None:
    plan = UploadPlan(
        FileName("a/ü %2F"),
        replace(METADATA, cache_control="no-store", content_language="de"),
        Precondition(
            EntityTags(frozenset(["a", "b"])),
            EntityTags(any=True),
            datetime(2026, 1, 2, tzinfo=UTC),
        ),
        {"sha256": bytes(32)},
        notes={"tus_metadata": "filename YQ==", "tus_concat": "partial"},
    )
    created = await store.uploads.create(container, record(None, plan))
    assert (await store.uploads.load(container, created.id)).plan == plan


async def test_a_record_that_is_removed_stays_away(store: Storage, container: Container) -> None:
    upload = await store.uploads.create(container, record())
    cancelled = await store.uploads.swap(container, replace(upload, state=UploadState.CANCELLED))
    await store.uploads.remove(container, cancelled)
    for _ in range(2):
        with pytest.raises(NoSuchUpload):
            await store.uploads.load(container, upload.id)
        with pytest.raises(NoSuchUpload):
            await store.uploads.swap(container, cancelled)


async def test_a_list_is_in_the_order_of_creation(store: Storage, container: Container) -> None:
    made = []
    for number in range(20):
        made.append(await store.uploads.create(container, record(number)))
        await asyncio.sleep(0.002)  # an id tells the millisecond
    await store.uploads.create(new_container(), record())
    assert [upload async for upload in store.uploads.list(container)] == made
    assert [upload async for upload in store.uploads.list(new_container())] == []


async def test_nobody_reaches_the_upload_of_another(
    store: Storage, uploads: Uploads, container: Container
) -> None:
    upload_id = await begun(uploads, container, 10)
    stranger = new_container()
    with pytest.raises(NoSuchUpload):
        await uploads.look(stranger, upload_id)
    with pytest.raises(NoSuchUpload):
        await uploads.append(stranger, upload_id, piece(b"1"), offset=0)
    with pytest.raises(NoSuchUpload):
        await uploads.cancel(stranger, upload_id)
    with pytest.raises(NoSuchUpload):
        await store.uploads.swap(stranger, await store.uploads.load(container, upload_id))
    assert [each async for each in uploads.list(stranger)] == []
    assert (await uploads.look(container, upload_id)).offset == 0


async def test_one_that_cannot_be_read_hides_no_other(
    place: Place, store: Storage, container: Container
) -> None:
    ids = [(await store.uploads.create(container, record())).id for _ in range(20)]
    spoil_record(place, container, ids[3])
    with pytest.raises(StorageFailed, match="cannot be read"):
        await store.uploads.load(container, ids[3])
    listed = [each async for each in store.uploads.list(container)]
    assert [each.id if isinstance(each, Upload) else each.upload_id for each in listed] == sorted(
        ids
    )
    [flaw] = [each for each in listed if isinstance(each, Flaw)]
    assert (flaw.container, flaw.upload_id) == (container, ids[3])
    uploads = Uploads(store, expiry=EXPIRY)
    assert [each.id async for each in uploads.list(container)] == sorted({*ids} - {ids[3]})
    await uploads.aclose()
    examined = [each async for each in store.examine() if not each.harmless]
    assert [(each.container, each.upload_id) for each in examined] == [(container, ids[3])]


def spoil_record(place: Place, container: Container, upload_id: str) -> None:
    """Damage a record behind the store's back."""
    if isinstance(place, S3Place):
        key = f"uploads/{container.name}/{upload_id}/record"
        bucket = place.settings["BUCKET"]
        admin_of(place.server).put_object(Bucket=bucket, Key=key, Body=b"\xffmark\n{")
    elif isinstance(place, LocalPlace):
        with closing(apsw.Connection(str(place.directory / "index.db"))) as index:
            index.execute("UPDATE uploads SET record = '{' WHERE id = ?", (upload_id,))
