"""Which conditions a provider decides natively, and that races have one winner where it does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from file_uploader.errors import PreconditionFailed
from file_uploader.model.conditions import EntityTags, Precondition
from file_uploader.model.names import Container, FileName
from file_uploader.storage.base import Storage
from file_uploader.storage.s3.client.client import Client
from file_uploader.storage.s3.config import S3Config
from file_uploader.storage.s3.write.conditions import Conditions, Probe, Support
from file_uploader.transfer.tasks import OwnedTasks
from tests.contract.stores import S3Place
from tests.support.bodies import MIB, content
from tests.support.files import put, read
from tests.support.s3_servers import S3Server

ONCE = Precondition(if_none_match=EntityTags(any=True))


async def _probed(server: S3Server) -> Conditions:
    bucket = server.fresh_bucket()
    client = await Client.open(
        S3Config(
            bucket=bucket,
            endpoint_url=server.endpoint,
            region=server.region,
            access_key=server.access_key,
            secret_key=server.secret_key,
        )
    )
    probe = Probe(client, bucket, OwnedTasks())
    found = await probe.conditions()
    assert await probe.conditions() is found
    await client.aclose()
    assert not server.leftovers(bucket), "a probe cleans up"
    return found


async def test_what_ceph_16_decides(ceph: S3Server) -> None:
    assert await _probed(ceph) == Conditions(
        put=Support(if_none_match=True, if_match="{}"), complete=Support(), delete=Support()
    )


async def test_what_moto_decides(moto: S3Server) -> None:
    """It looks at the condition and writes after that, which a probe cannot see."""
    found = await _probed(moto)
    assert found.put == Support(if_none_match=True, if_match='"{}"')


@pytest.fixture
async def store(ceph: S3Server) -> AsyncIterator[Storage]:
    place = S3Place(ceph, ceph.fresh_bucket(), own_buckets=False)
    yield await place.open()
    await place.close()


async def test_one_of_many_creates(store: Storage, container: Container) -> None:
    async def create(number: int) -> int | None:
        try:
            await put(store, container, "file", b"%d" % number, precondition=ONCE)
        except PreconditionFailed:
            return None
        return number

    for _ in range(3):
        done = await asyncio.gather(*map(create, range(24)))
        winners = [number for number in done if number is not None]
        assert len(winners) == 1
        assert await read(store, container, "file") == b"%d" % winners[0]
        await store.delete(container, FileName("file"))


async def test_no_update_is_lost(store: Storage, container: Container) -> None:
    await put(store, container, "file", b"0")

    async def count() -> None:
        while True:
            info = await store.head(container, FileName("file"))
            try:
                old = int(await read(store, container, "file", etag=info.etag))
                same = Precondition(if_match=EntityTags(frozenset({info.etag})))
                await put(store, container, "file", b"%d" % (old + 1), precondition=same)
            except PreconditionFailed:
                continue
            return

    async with asyncio.timeout(60):
        await asyncio.gather(*(count() for _ in range(16)))
    assert await read(store, container, "file") == b"16"


async def test_conditions_hold_for_bodies_in_parts_too(
    store: Storage, container: Container
) -> None:
    data = content(9 * MIB)
    first = await put(store, container, "file", data, precondition=ONCE)
    with pytest.raises(PreconditionFailed):
        await put(store, container, "file", data, precondition=ONCE)
    same = Precondition(if_match=EntityTags(frozenset({first.etag})))
    await put(store, container, "file", data + b"!", precondition=same)
    with pytest.raises(PreconditionFailed):
        await put(store, container, "file", data, precondition=same)
    with pytest.raises(PreconditionFailed):
        await store.delete(container, FileName("file"), precondition=same)
    assert await read(store, container, "file") == data + b"!"
