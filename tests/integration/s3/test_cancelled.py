"""Cancelled at every stage: no multipart upload stays open, and a commit is whole or not at all."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from file_uploader.model.names import Container
from tests.contract.stores import S3Place
from tests.support import s3_proxy
from tests.support.bodies import MIB, content
from tests.support.files import put, read
from tests.support.s3_proxy import Break, faulty_proxy
from tests.support.s3_servers import S3Server

DATA = content(9 * MIB)
STAGES = {
    "create": s3_proxy.create_upload,
    "part": s3_proxy.upload_part,
    "complete": s3_proxy.complete_upload,
}


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("again", [False, True], ids=["once", "and-again"])
@pytest.mark.parametrize("kind", ["moto", "ceph"])
async def test_cancelled_while_s3_works(
    kind: str, stage: str, again: bool, request: pytest.FixtureRequest, container: Container
) -> None:
    server: S3Server = request.getfixturevalue(kind)
    bucket = server.fresh_bucket()
    async with faulty_proxy(server) as proxy:
        place = S3Place(replace(server, endpoint=proxy.endpoint), bucket, own_buckets=False)
        store = await place.open()
        await put(store, container, "file", b"old")
        proxy.breaks(STAGES[stage], Break.HOLD)
        writing = asyncio.create_task(put(store, container, "file", DATA))
        await proxy.held.wait()
        writing.cancel()
        if again:
            await asyncio.sleep(0.01)
            writing.cancel()
        if not again:
            proxy.release()
        with pytest.raises(asyncio.CancelledError):
            await writing
        proxy.release()
        store = await place.reopen(store)
        stored = await read(store, container, "file")
        assert stored == (DATA if stage == "complete" else b"old")
        await place.close()
    assert server.leftovers(bucket).uploads == []
    server.remove_bucket(bucket)


async def test_closing_waits_for_a_commit_whose_client_is_gone(
    moto: S3Server, container: Container
) -> None:
    async with faulty_proxy(moto) as proxy:
        bucket = moto.fresh_bucket()
        place = S3Place(replace(moto, endpoint=proxy.endpoint), bucket, own_buckets=False)
        store = await place.open()
        proxy.breaks(s3_proxy.put_object, Break.HOLD)
        writing = asyncio.create_task(put(store, container, "file", b"data"))
        await proxy.held.wait()
        writing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await writing
        closing = asyncio.create_task(store.aclose())
        await asyncio.sleep(0.1)
        assert not closing.done()
        proxy.release()
        await closing
        assert moto.leftovers(bucket).objects == [f"files/{container.name}/file"]
