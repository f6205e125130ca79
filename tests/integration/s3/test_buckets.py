"""Buckets and keys: one bucket for each container, others' objects, the sweep, what is refused."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from file_uploader.errors import (
    ConfigurationError,
    NoSuchFile,
    StorageFailed,
    StorageFull,
    StorageUnavailable,
)
from file_uploader.model.files import Usage
from file_uploader.model.listing import ListQuery
from file_uploader.model.names import Container, FileName
from file_uploader.storage.s3 import S3Config, S3Storage
from tests.contract.stores import S3Place
from tests.support.ceph import Ceph
from tests.support.files import new_container, put, read
from tests.support.listing import names_in
from tests.support.s3_servers import S3Server

KINDS = pytest.mark.parametrize("kind", ["moto", "ceph"])
ZERO = timedelta(0)


def server_of(kind: str, request: pytest.FixtureRequest) -> S3Server:
    server: S3Server = request.getfixturevalue(kind)
    return server


def config_of(server: S3Server, bucket: str, **more: Any) -> S3Config:
    return S3Config(
        bucket=bucket,
        endpoint_url=server.endpoint,
        region=server.region,
        access_key=server.access_key,
        secret_key=server.secret_key,
        **more,
    )


@KINDS
async def test_a_bucket_of_its_own_is_made_when_first_needed(
    kind: str, request: pytest.FixtureRequest, container: Container
) -> None:
    server = server_of(kind, request)
    bucket = server.fresh_bucket()
    own = f"{bucket}-{container.name}"
    place = S3Place(server, bucket, own_buckets=True)
    store = await place.open()
    assert [page async for page in store.list(container, ListQuery())] == []
    assert await store.usage(container) == Usage(0, 0)
    with pytest.raises(NoSuchFile):
        await store.head(container, FileName("file"))
    with pytest.raises(NoSuchFile):
        await store.delete(container, FileName("file"))
    assert own not in server.buckets()
    await put(store, container, "file", b"data")
    assert server.leftovers(own).objects == ["files/file"]
    assert not server.leftovers(bucket)
    await place.close()
    server.remove_bucket(own)


@KINDS
async def test_it_is_made_before_its_name_gets_out(
    kind: str, request: pytest.FixtureRequest, container: Container
) -> None:
    """Whoever knows the name first could make it, and let everybody write to it."""
    server = server_of(kind, request)
    bucket = server.fresh_bucket()
    place = S3Place(server, bucket, own_buckets=True)
    store = await place.open()
    for _ in range(2):
        await store.claim(container)
        assert f"{bucket}-{container.name}" in server.buckets()
    await put(store, container, "file", b"data")
    await store.claim(container)
    await place.close()
    server.remove_bucket(f"{bucket}-{container.name}")


async def test_a_strangers_bucket_is_not_taken_for_ones_own(
    ceph_node: Ceph, container: Container
) -> None:
    """Not even one that lets nobody in: a link into it would be worth nothing."""
    owner, stranger = ceph_node.new_user(), ceph_node.new_user()
    bucket = owner.fresh_bucket()
    with contextlib.closing(stranger.client()) as client:
        client.create_bucket(Bucket=f"{bucket}-{container.name}")
    pattern = f"{bucket}-{{container}}"
    store = await S3Storage.connect(config_of(owner, bucket, container_bucket=pattern))
    with pytest.raises(StorageFailed):
        await store.claim(container)
    await store.aclose()


async def test_in_one_bucket_for_all_there_is_nothing_to_make(
    moto: S3Server, container: Container
) -> None:
    bucket = moto.fresh_bucket()
    store = await S3Storage.connect(config_of(moto, bucket))
    before = moto.buckets()
    await store.claim(container)
    await store.aclose()
    assert moto.buckets() == before


async def test_no_more_buckets_is_full(ceph_node: Ceph, container: Container) -> None:
    """Ceph gives a user 1,000 buckets; this one may have two."""
    limited = ceph_node.new_user("--max-buckets=2")
    bucket = limited.fresh_bucket()
    pattern = f"{bucket}-{{container}}"
    store = await S3Storage.connect(config_of(limited, bucket, container_bucket=pattern))
    await put(store, container, "file", b"data")
    with pytest.raises(StorageFull):
        await put(store, new_container(), "file", b"data")
    await store.aclose()


@KINDS
async def test_others_objects_are_not_shown(
    kind: str, request: pytest.FixtureRequest, container: Container
) -> None:
    """Whoever else may write to the bucket does not break lists with names that nobody can use."""
    server = server_of(kind, request)
    bucket = server.fresh_bucket()
    store = await S3Storage.connect(config_of(server, bucket))
    prefix = f"files/{container.name}/"
    foreign = ["", "a//b", "dir/", "x/../y", "./z", "//"]
    with contextlib.closing(server.client()) as client:
        for name in foreign:
            client.put_object(Bucket=bucket, Key=prefix + name, Body=b"")
        client.put_object(Bucket=bucket, Key=f"files/{container.name}x", Body=b"")
        client.put_object(Bucket=bucket, Key=prefix + "plain", Body=b"theirs")
    await put(store, container, "a/c", b"")
    assert await names_in(store, container) == ["a/c", "plain"]
    rolled = [
        entry.name
        async for page in store.list(container, ListQuery(delimiter="/"))
        for entry in page
    ]
    assert [name for name in rolled if name in {"a/", "plain"}] == ["a/", "plain"]
    assert "/" not in rolled
    assert "./" not in rolled
    found = await store.head(container, FileName("plain"))
    assert (found.size, found.sha256) == (6, None)
    assert await read(store, container, "plain") == b"theirs"
    await store.aclose()


@KINDS
@pytest.mark.parametrize("own_buckets", [False, True])
async def test_the_sweep_aborts_what_is_old_and_ours(
    kind: str, own_buckets: bool, request: pytest.FixtureRequest, container: Container
) -> None:
    server = server_of(kind, request)
    bucket = server.fresh_bucket()
    pattern = f"{bucket}-{{container}}" if own_buckets else None
    config = config_of(server, bucket, container_bucket=pattern)
    store = await S3Storage.connect(config)
    await put(store, container, "file", b"data")
    theirs = f"{bucket}-{container.name}" if own_buckets else bucket
    key = "files/old" if own_buckets else f"files/{container.name}/old"
    with contextlib.closing(server.client()) as client:
        client.create_multipart_upload(Bucket=theirs, Key=key)
        client.create_multipart_upload(Bucket=theirs, Key="elsewhere/upload")
        client.put_object(Bucket=bucket, Key="uploads/.probe/left", Body=b"")
    if kind != "moto":  # for moto, every upload was begun in 2010
        await store.sweep()
        assert sorted(server.leftovers(theirs).uploads) == ["elsewhere/upload", key]
    await store.aclose()
    store = await S3Storage.connect(replace(config, upload_expiry=ZERO))
    await store.sweep()
    assert server.leftovers(theirs).uploads == ["elsewhere/upload"]
    assert "uploads/.probe/left" not in server.leftovers(bucket).objects
    assert await read(store, container, "file") == b"data"
    await store.aclose()


async def test_a_bucket_that_is_not_there_stops_the_start(moto: S3Server) -> None:
    with pytest.raises(ConfigurationError, match="BUCKET") as caught:
        await S3Storage.connect(config_of(moto, "no-such-bucket-here"))
    assert "no-such-bucket-here" not in str(caught.value)


async def test_an_endpoint_that_does_not_answer_does_not_stop_the_start(
    moto: S3Server, caplog: pytest.LogCaptureFixture
) -> None:
    nowhere = replace(moto, endpoint="http://127.0.0.1:1")
    store = await S3Storage.connect(config_of(nowhere, "bucket"))
    assert "starting without it" in caplog.text
    with pytest.raises(StorageUnavailable):
        await store.ready()
    await store.aclose()


async def test_an_endpoint_that_is_no_url_stops_the_start(moto: S3Server) -> None:
    with pytest.raises(ConfigurationError, match="AWS_ENDPOINT_URL_S3"):
        await S3Storage.connect(config_of(replace(moto, endpoint="nonsense"), "bucket"))
