"""Promise 6: how uploads end, each store with the rules that are common to all."""

from __future__ import annotations

import asyncio
import hashlib
from contextlib import aclosing, suppress
from dataclasses import replace
from datetime import timedelta

import pytest

from file_uploader.errors import (
    DigestMismatch,
    NoSuchFile,
    NoSuchUpload,
    PreconditionFailed,
    Superseded,
)
from file_uploader.model.conditions import EntityTags, Precondition
from file_uploader.model.names import Container, FileName
from file_uploader.model.uploads import Upload, UploadPlan, UploadState
from file_uploader.storage.base import Storage
from file_uploader.uploads.rules import Uploads
from tests.contract.stores import Place
from tests.contract.uploading import EXPIRY, METADATA, NAME, PLAN, begun, piece, record, send
from tests.support.bodies import MIB, body_of, content
from tests.support.files import put, read

CREATE = Precondition(if_none_match=EntityTags(any=True))


async def test_completing_again_and_at_once_writes_once(
    store: Storage, place: Place, uploads: Uploads, container: Container
) -> None:
    for size in (0, 100, 9 * MIB):
        for digests in ({}, {"sha256": hashlib.sha256(content(size)).digest()}):
            name = FileName(f"{size}-{len(digests)}")
            plan = UploadPlan(name, digests=digests)
            upload = await _completing(store, container, content(size), plan)
            nodes = [store, await place.open(), await place.open()]
            if place.kind == "moto":  # it fails where several do it at once
                done = [await node.uploads.complete(container, upload) for node in nodes]
            else:
                completing = (node.uploads.complete(container, upload) for node in nodes)
                done = await asyncio.gather(*completing)
            assert {each.state for each in done} == {UploadState.COMPLETE}
            assert await read(store, container, name.value) == content(size)
            await put(store, container, name.value, b"newer")
            again = await uploads.look(container, upload.id)
            assert again.state is UploadState.COMPLETE
            with suppress(NoSuchUpload, Superseded):
                await store.uploads.complete(container, upload)
            assert await read(store, container, name.value) == b"newer"


async def _completing(
    store: Storage, container: Container, data: bytes, plan: UploadPlan
) -> Upload:
    """An upload whose process died when it had all bytes."""
    upload = await store.uploads.create(container, record(len(data), plan))
    upload = await store.uploads.swap(container, replace(upload, generation=1, claimed=True))
    body = body_of(data)
    storing = store.uploads.append(container, upload, body, final=True)
    async with aclosing(storing):
        async for stored in storing:
            state = UploadState.COMPLETING if stored.last else UploadState.OPEN
            swapped = replace(
                upload, offset=stored.offset, held=stored.held, state=state, claimed=False
            )
            upload = await store.uploads.swap(container, swapped)
    return upload


async def test_one_that_is_cancelled_just_then_makes_no_file(
    store: Storage, container: Container
) -> None:
    for digests in ({}, {"sha256": hashlib.sha256(content(100)).digest()}):
        plan = UploadPlan(FileName("late"), digests=digests)
        upload = await _completing(store, container, content(100), plan)
        await store.uploads.swap(container, replace(upload, state=UploadState.CANCELLED))
        with pytest.raises(NoSuchUpload):
            await store.uploads.complete(container, upload)
        with pytest.raises(NoSuchFile):
            await store.head(container, FileName("late"))


async def test_whoever_comes_by_completes_it(
    store: Storage, other_node: Uploads, container: Container
) -> None:
    upload = await _completing(store, container, content(9 * MIB), PLAN)
    assert (await other_node.look(container, upload.id)).state is UploadState.COMPLETE
    assert await read(store, container, "file") == content(9 * MIB)


@pytest.mark.parametrize("size", [100, 9 * MIB])
@pytest.mark.parametrize("verified", [True, False], ids=["digest", "no-digest"])
async def test_conditions_are_those_at_the_end(
    store: Storage, uploads: Uploads, container: Container, size: int, verified: bool
) -> None:
    data = content(size)
    digests = {"sha256": hashlib.sha256(data).digest()} if verified else {}
    plan = UploadPlan(NAME, precondition=CREATE, digests=digests)
    one, other = [await begun(uploads, container, size, plan) for _ in range(2)]
    await uploads.append(container, one, piece(data), offset=0)
    with pytest.raises(PreconditionFailed):
        await uploads.append(container, other, piece(data), offset=0)
    assert await read(store, container, "file") == data
    with pytest.raises(NoSuchUpload):
        await uploads.look(container, other)
    with pytest.raises(PreconditionFailed):
        await begun(uploads, container, size, plan)


@pytest.mark.parametrize("size", [0, 100, 9 * MIB])
async def test_the_digest_of_the_whole(
    store: Storage, uploads: Uploads, other_node: Uploads, container: Container, size: int
) -> None:
    data = content(size)
    await put(store, container, "file", b"old")
    right = {"sha256": hashlib.sha256(data).digest(), "sha512": hashlib.sha512(data).digest()}
    wrong = await begun(
        uploads, container, size, replace(PLAN, digests={**right, "sha512": bytes(64)})
    )
    half = size // 2
    if half:
        await uploads.append(container, wrong, piece(data[:half]), offset=0)
    with pytest.raises(DigestMismatch):
        await other_node.append(container, wrong, piece(data[half:]), offset=half)
    assert await read(store, container, "file") == b"old"
    with pytest.raises(NoSuchUpload):
        await uploads.look(container, wrong)
    upload_id = await begun(uploads, container, size, replace(PLAN, digests=right))
    if half:
        await uploads.append(container, upload_id, piece(data[:half]), offset=0)
    await other_node.append(container, upload_id, piece(data[half:]), offset=half)
    info = await store.head(container, NAME)
    assert (info.sha256, info.metadata) == (right["sha256"], METADATA)
    assert await read(store, container, "file") == data


@pytest.mark.parametrize(
    "sizes",
    [[0], [100], [0, 100, 0], [5 * MIB, 6 * MIB], [1, 9 * MIB, 1, 1], [17 * MIB, 3 * MIB]],
    ids=lambda sizes: "+".join(map(str, sizes)),
)
async def test_concatenation(
    store: Storage, uploads: Uploads, other_node: Uploads, container: Container, sizes: list[int]
) -> None:
    sources = []
    for number, size in enumerate(sizes):
        part = await begun(uploads, container, size, UploadPlan(None))
        await uploads.append(container, part, piece(content(size, number)), offset=0)
        sources.append(part)
    whole = b"".join(content(size, number) for number, size in enumerate(sizes))
    for name in ("once", "twice"):
        plan = UploadPlan(
            FileName(name),
            METADATA,
            sources=tuple(sources),
            digests={"sha256": hashlib.sha256(whole).digest()} if name == "twice" else {},
        )
        upload = await other_node.concatenate(container, plan)
        assert (upload.state, upload.offset) == (UploadState.COMPLETE, len(whole))
        assert await read(store, container, name) == whole
    assert (await store.head(container, FileName("once"))).metadata == METADATA
    await uploads.cancel(container, sources[0])
    with pytest.raises(NoSuchUpload):
        await uploads.concatenate(container, plan)


async def test_cancelled_uploads_leave_nothing(
    store: Storage, place: Place, uploads: Uploads, container: Container
) -> None:
    plans = [PLAN, UploadPlan(None), replace(PLAN, digests={"sha256": bytes(32)})]
    for plan in plans:
        for sent in (0, 100, 9 * MIB, 20 * MIB):
            upload_id = await begun(uploads, container, 20 * MIB, plan)
            if sent < 20 * MIB or plan is plans[1]:
                await uploads.append(container, upload_id, piece(content(sent)), offset=0)
            await uploads.cancel(container, upload_id)
            with pytest.raises(NoSuchUpload):
                await uploads.cancel(container, upload_id)
    await uploads.aclose()
    store = await place.reopen(store)
    assert place.strays({}) == []


async def test_a_finished_upload_is_forgotten_and_its_file_is_not(
    store: Storage, place: Place, uploads: Uploads, container: Container
) -> None:
    for digests in ({}, {"sha256": hashlib.sha256(content(9 * MIB)).digest()}):
        upload_id = await begun(uploads, container, 9 * MIB, replace(PLAN, digests=digests))
        await send([uploads], container, upload_id, content(9 * MIB), [3 * MIB])
        await uploads.cancel(container, upload_id)
        with pytest.raises(NoSuchUpload):
            await uploads.look(container, upload_id)
    await uploads.aclose()
    store = await place.reopen(store)
    assert place.strays({(container, "file"): 9 * MIB}) == []
    assert await read(store, container, "file") == content(9 * MIB)


async def test_the_sweep_takes_what_has_expired_and_nothing_else(
    place: Place, container: Container
) -> None:
    short = timedelta(seconds=2)
    store = await place.open(upload_expiry=short)
    dying, staying = Uploads(store, expiry=short), Uploads(store, expiry=EXPIRY)
    live = await begun(staying, container, 20 * MIB, replace(PLAN, name=FileName("live")))
    await staying.append(container, live, piece(content(20 * MIB)[: 9 * MIB]), offset=0)
    for plan in (PLAN, UploadPlan(None), replace(PLAN, digests={"sha256": bytes(32)})):
        for sent in (0, 100, 9 * MIB):
            upload_id = await begun(dying, container, 20 * MIB, plan)
            await dying.append(container, upload_id, piece(content(sent)), offset=0)
        claimed = await store.uploads.load(container, upload_id)
        await store.uploads.swap(container, replace(claimed, claimed=True))
    done = await begun(dying, container, 9 * MIB, replace(PLAN, name=FileName("done")))
    await dying.append(container, done, piece(content(9 * MIB)), offset=0)
    if place.kind != "moto":  # by which every multipart upload was begun in 2010
        await store.sweep()
    assert (await staying.look(container, live)).offset == 9 * MIB
    await asyncio.sleep(short.total_seconds() + place.clock)
    await store.sweep()
    left = await store.uploads.load(container, live)
    assert [each async for each in store.uploads.list(container)] == [left]
    await staying.append(container, live, piece(content(20 * MIB)[9 * MIB :]), offset=9 * MIB)
    assert await read(store, container, "live") == content(20 * MIB)
    await staying.cancel(container, live)
    for each in (dying, staying):
        await each.aclose()
    store = await place.reopen(store)
    await store.sweep()
    assert place.strays({(container, "done"): 9 * MIB, (container, "live"): 20 * MIB}) == []
