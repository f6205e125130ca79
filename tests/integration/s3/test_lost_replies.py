"""What the way to S3 loses: the verdict is about the file, not about the last answer."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import timedelta

import pytest

from file_uploader.errors import PreconditionFailed, StorageError, StorageUnavailable
from file_uploader.model.conditions import EntityTags, Precondition
from file_uploader.model.names import Container, FileName
from file_uploader.storage.base import Storage
from file_uploader.storage.s3 import S3Config, S3Storage
from file_uploader.storage.s3.client.retry import FAILING
from tests.support import s3_proxy
from tests.support.bodies import KIB, MIB, body_of, content
from tests.support.files import put, read
from tests.support.s3_proxy import Break, FaultyProxy, faulty_proxy
from tests.support.s3_servers import S3Server

ONCE = Precondition(if_none_match=EntityTags(any=True))
LARGE = content(9 * MIB)


@dataclass
class Setup:
    server: S3Server
    bucket: str
    proxy: FaultyProxy
    store: Storage


@pytest.fixture(params=["moto", "ceph"])
async def setup(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Setup]:
    monkeypatch.setattr("file_uploader.storage.s3.client.client.FAILING", replace(FAILING, tries=4))
    server: S3Server = request.getfixturevalue(request.param)
    bucket = server.fresh_bucket()
    async with faulty_proxy(server) as proxy:
        store = await S3Storage.connect(config_of(replace(server, endpoint=proxy.endpoint), bucket))
        yield Setup(server, bucket, proxy, store)
        await store.aclose()
    server.remove_bucket(bucket)


def config_of(server: S3Server, bucket: str) -> S3Config:
    return S3Config(
        bucket=bucket,
        endpoint_url=server.endpoint,
        region=server.region,
        access_key=server.access_key,
        secret_key=server.secret_key,
    )


@pytest.mark.parametrize("precondition", [Precondition(), ONCE], ids=["plain", "create-only"])
@pytest.mark.parametrize("times", [1, 3])
async def test_the_reply_to_a_put_is_lost(
    setup: Setup, container: Container, precondition: Precondition, times: int
) -> None:
    if precondition:  # the probe's own writes come first and are not what is broken
        await put(setup.store, container, "first", b"", precondition=precondition)
    setup.proxy.breaks(s3_proxy.put_object, Break.CUT_REPLY, times=times)
    info = await put(setup.store, container, "file", b"data", precondition=precondition)
    assert info.etag == (await setup.store.head(container, FileName("file"))).etag
    assert await read(setup.store, container, "file") == b"data"


async def test_every_reply_to_a_put_is_lost_and_yet_it_is_done(
    setup: Setup, container: Container
) -> None:
    setup.proxy.breaks(s3_proxy.put_object, Break.CUT_REPLY, times=99)
    await put(setup.store, container, "file", b"data")
    assert await read(setup.store, container, "file") == b"data"


async def test_the_reply_to_a_replacement_is_lost(setup: Setup, container: Container) -> None:
    old = await put(setup.store, container, "file", b"old")
    same = Precondition(if_match=EntityTags(frozenset({old.etag})))
    wrong = Precondition(if_match=EntityTags(frozenset({"0" * 32})))
    with pytest.raises(PreconditionFailed):
        await put(setup.store, container, "file", b"no", precondition=wrong)
    await put(setup.store, container, "probe", b"", precondition=ONCE)
    setup.proxy.breaks(s3_proxy.put_object, Break.CUT_REPLY)
    await put(setup.store, container, "file", b"new", precondition=same)
    assert await read(setup.store, container, "file") == b"new"
    with pytest.raises(PreconditionFailed):
        await put(setup.store, container, "file", b"again", precondition=same)


@pytest.mark.parametrize("precondition", [Precondition(), ONCE], ids=["plain", "create-only"])
@pytest.mark.parametrize("times", [1, 99])
async def test_the_reply_to_a_complete_is_lost(
    setup: Setup, container: Container, precondition: Precondition, times: int
) -> None:
    if precondition:
        await put(setup.store, container, "first", b"", precondition=precondition)
    setup.proxy.breaks(s3_proxy.complete_upload, Break.CUT_REPLY, times=times)
    info = await put(setup.store, container, "file", LARGE, precondition=precondition)
    assert info.etag == (await setup.store.head(container, FileName("file"))).etag
    assert await read(setup.store, container, "file") == LARGE
    await setup.store.aclose()
    assert not setup.server.leftovers(setup.bucket).uploads


async def test_an_error_inside_a_200_is_an_error(setup: Setup, container: Container) -> None:
    setup.proxy.breaks(s3_proxy.complete_upload, Break.ERROR_IN_200)
    await put(setup.store, container, "file", LARGE)
    assert setup.proxy.count(s3_proxy.complete_upload) == 2
    assert await read(setup.store, container, "file") == LARGE


async def test_busy_for_a_while(setup: Setup, container: Container) -> None:
    for request in (s3_proxy.create_upload, s3_proxy.upload_part, s3_proxy.complete_upload):
        setup.proxy.breaks(request, Break.BUSY, times=2)
    await put(setup.store, container, "file", LARGE)
    assert await read(setup.store, container, "file") == LARGE


@pytest.mark.parametrize(
    "request_", [s3_proxy.create_upload, s3_proxy.upload_part, s3_proxy.complete_upload]
)
async def test_busy_for_too_long(
    setup: Setup, container: Container, request_: s3_proxy.Matcher
) -> None:
    await put(setup.store, container, "file", b"old")
    setup.proxy.breaks(request_, Break.BUSY, times=99)
    with pytest.raises(StorageUnavailable):
        await put(setup.store, container, "file", LARGE)
    assert await read(setup.store, container, "file") == b"old"
    await setup.store.aclose()
    assert not setup.server.leftovers(setup.bucket).uploads


async def test_a_part_whose_reply_is_lost_is_sent_again(setup: Setup, container: Container) -> None:
    setup.proxy.breaks(s3_proxy.upload_part, Break.CUT_REPLY, times=2)
    await put(setup.store, container, "file", LARGE)
    assert setup.proxy.count(s3_proxy.upload_part) == 4
    assert await read(setup.store, container, "file") == LARGE


async def test_a_download_that_is_cut_never_just_ends(setup: Setup, container: Container) -> None:
    await put(setup.store, container, "file", content(900 * KIB))
    setup.proxy.breaks(s3_proxy.get_object, Break.CUT_REPLY_BODY)
    async with setup.store.open(container, FileName("file")) as opened:
        with pytest.raises(StorageError):
            await anext(chunk async for chunk in opened.chunks if not chunk)


async def test_an_upload_whose_creation_got_lost_is_swept(
    setup: Setup, container: Container
) -> None:
    setup.proxy.breaks(s3_proxy.create_upload, Break.CUT_REPLY)
    await put(setup.store, container, "file", body_of(LARGE))
    assert len(setup.server.leftovers(setup.bucket).uploads) == 1
    old = replace(config_of(setup.server, setup.bucket), upload_expiry=timedelta(0))
    sweeping = await S3Storage.connect(old)
    await sweeping.sweep()
    await sweeping.aclose()
    assert not setup.server.leftovers(setup.bucket).uploads
