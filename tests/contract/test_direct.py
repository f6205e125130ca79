"""URLs at which a store itself serves files, to whoever has one."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from file_uploader.model.names import Container, FileName
from file_uploader.storage.base import Storage
from tests.contract.kinds import EVERY_KIND
from tests.support.files import put

DATA = b"0123456789"
NAME = "dir/ä b+c%.bin"
MINUTE = timedelta(minutes=1)

on_s3 = pytest.mark.parametrize(
    "place", [kind for kind in EVERY_KIND if kind != "local"], indirect=True
)


async def direct_url(store: Storage, container: Container, lifetime: timedelta = MINUTE) -> str:
    await put(store, container, NAME, DATA)
    url = await store.direct_url(
        container, FileName(NAME), lifetime=lifetime, disposition='attachment; filename="x"'
    )
    assert url is not None
    return url


@pytest.mark.parametrize("place", ["local"], indirect=True)
async def test_the_embedded_store_has_none(store: Storage, container: Container) -> None:
    await put(store, container, NAME, DATA)
    name = FileName(NAME)
    assert await store.direct_url(container, name, lifetime=MINUTE, disposition="x") is None


@on_s3
async def test_it_sends_the_file_as_told(store: Storage, container: Container) -> None:
    url = await direct_url(store, container)
    status, disposition, body = await asyncio.to_thread(asked, Request(url))
    assert (status, disposition, body) == (200, 'attachment; filename="x"', DATA)
    some = Request(url, headers={"Range": "bytes=2-4"})
    status, _, body = await asyncio.to_thread(asked, some)
    assert (status, body) == (206, DATA[2:5])


@pytest.mark.parametrize("place", ["ceph"], indirect=True)
async def test_it_is_for_one_file_to_be_read_for_a_while(
    store: Storage, container: Container
) -> None:
    url = await direct_url(store, container)
    refused = [
        Request(url, method="DELETE"),
        Request(url, method="PUT", data=b"x"),
        Request(url.replace("%25.bin", "%25.bim")),
        Request(url.replace("attachment", "inline")),
        Request(url.partition("?")[0]),
    ]
    for request in refused:
        assert (await asyncio.to_thread(asked, request))[0] == 403, request.full_url
    brief = Request(await direct_url(store, container, timedelta(seconds=1)))
    await asyncio.sleep(2.5)
    assert (await asyncio.to_thread(asked, brief))[0] == 403


def asked(request: Request) -> tuple[int, str | None, bytes]:
    """Status, Content-Disposition and body of what answers."""
    try:
        with urlopen(request, timeout=10) as answer:
            return answer.status, answer.headers["content-disposition"], answer.read()
    except HTTPError as error:
        with error:
            return error.code, None, error.read()
