"""Resumable Uploads for HTTP: what is told where something fails, or is lost."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from file_uploader.errors import NoSuchUpload, StorageFull
from file_uploader.http.app import create_app
from file_uploader.stores import open_storage
from tests.support.asgi import Client, running
from tests.support.double import StorageDouble, raise_
from tests.unit.http.conftest import ALICE, Serve, settings
from tests.unit.http.resumable import EARLY, FILE, PARTIAL, Pairs, append, begun, creation, named


async def test_4_1_4_options_names_the_media_type_of_an_append(client: Client) -> None:
    answer = await client("OPTIONS", FILE, named(8))
    assert answer.get("accept-patch") == "application/partial-upload"


FAILURES: list[tuple[Pairs, bytes]] = [
    ([("Upload-Length", "4")], b"def"),
    ([("Content-Digest", "md5=:AAAA:")], b"def"),
    ([("Content-MD5", "1B2M2Y8AsgTpgAmY7PhCfg==")], b"def"),
]


@pytest.mark.parametrize("version", EARLY)
@pytest.mark.parametrize(("headers", "data"), FAILURES)
async def test_until_version_6_an_append_that_is_refused_is_told_the_offset(
    client: Client, version: int, headers: Pairs, data: bytes
) -> None:
    uri = await begun(client, b"abc", version=version)
    answer = await client("PATCH", uri, [*append(3, version, complete=True), *headers], data)
    assert (answer.status, answer.get("upload-offset")) == (400, "3")


@pytest.mark.parametrize("version", EARLY)
async def test_until_version_6_an_append_without_an_offset_is_told_it(
    client: Client, version: int
) -> None:
    uri = await begun(client, b"abc", version=version)
    fields = [pair for pair in append(3, version, complete=True) if pair[0] != "Upload-Offset"]
    answer = await client("PATCH", uri, fields, b"def")
    assert (answer.status, answer.get("upload-offset")) == (400, "3")


async def test_in_version_6_an_append_of_another_type_is_told_the_offset(client: Client) -> None:
    uri = await begun(client, b"abc", version=6)
    fields = [pair for pair in append(3, 6, complete=True) if pair != PARTIAL]
    answer = await client("PATCH", uri, fields, b"def")
    assert (answer.status, answer.get("upload-offset")) == (415, "3")


@pytest.mark.parametrize("version", EARLY)
async def test_until_version_6_too_large_an_append_is_told_the_offset(
    serve: Serve, version: int
) -> None:
    client = await serve(max_file_size=5)
    uri = await begun(client, b"abc", version=version)
    answer = await client("PATCH", uri, append(3, version, complete=True), b"def")
    assert (answer.status, answer.get("upload-offset")) == (413, "3")


@pytest.mark.parametrize("version", EARLY)
@pytest.mark.parametrize("complete", [False, True])
async def test_until_version_6_a_creation_that_fails_on_its_way_is_told_the_offset(
    client: Client, double: StorageDouble, version: int, complete: bool
) -> None:
    double.uploads.checkpoint = 1
    double.before["upload-chunk"] = raise_(StorageFull("Full."), at=2)
    answer = await client("PUT", FILE, creation(version, complete=complete), [b"abc", b"def"])
    assert (answer.status, answer["location"]) == (507, answer.interim[0].headers["location"])
    assert answer.get("upload-offset") == "3"


async def test_4_1_1_what_the_store_has_lost_is_not_there(
    client: Client, double: StorageDouble
) -> None:
    uri = await begun(client, b"abc")
    double.before["upload-chunk"] = raise_(NoSuchUpload("The store has lost it."))
    answer = await client("PATCH", uri, append(3, complete=False), b"def")
    assert answer.status == 404
    assert (await client("HEAD", uri)).status == 404


@pytest.fixture
async def local(tmp_path: Path) -> AsyncIterator[Client]:
    app = create_app(settings(data_dir=tmp_path), open_storage)
    async with running(app) as started:
        yield Client(started, ALICE)


@pytest.mark.parametrize("loss", ["cut", "gone"])
async def test_4_1_1_what_the_disk_has_lost_is_not_there(
    local: Client, tmp_path: Path, loss: str
) -> None:
    uri = await begun(local, b"x" * 100_000)
    [blob] = [path for path in (tmp_path / "blobs").rglob("*") if path.is_file()]
    if loss == "cut":
        with blob.open("r+b") as file:
            file.truncate(50_000)
    else:
        blob.unlink()
    answer = await local("PATCH", uri, append(100_000, complete=False), b"def")
    assert answer.status >= 400
    assert (await local("HEAD", uri)).status in (404, 410)
