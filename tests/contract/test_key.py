"""The key that a store keeps: one for all who share the place."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from file_uploader.errors import StorageFailed
from file_uploader.model.names import Container
from file_uploader.storage.base import Storage
from file_uploader.storage.s3 import S3Storage
from file_uploader.storage.s3 import key as s3_key
from file_uploader.storage.s3.write.conditions import Conditions, Support
from tests.contract.kinds import EVERY_KIND
from tests.contract.stores import Place, S3Place, clean
from tests.support.files import put
from tests.support.listing import names_in
from tests.support.local_disk import opened
from tests.support.s3_servers import admin_of

ROOT = Path(__file__).parents[2]

everywhere = pytest.mark.parametrize("place", EVERY_KIND, indirect=True)


@everywhere
async def test_it_is_the_same_for_all_and_after_reopening(place: Place, store: Storage) -> None:
    others = [await place.open() for _ in range(3)]
    keys = await asyncio.gather(*(each.kept_key() for each in (store, *others, store)))
    assert len(set(keys)) == 1
    assert len(keys[0]) == 32
    for each in others:
        await place.reopen(each)
    store = await place.reopen(store)
    assert await store.kept_key() == keys[0]


@everywhere
async def test_it_is_nobodys_file_and_no_sweep_takes_it(
    place: Place, store: Storage, container: Container
) -> None:
    key = await store.kept_key()
    assert await names_in(store, container) == []
    await put(store, container, "a", b"1")
    store = await clean(place, store, {(container, "a"): 1})
    assert await store.kept_key() == key


@pytest.mark.parametrize("place", ["local"], indirect=True)
async def test_every_place_has_its_own(store: Storage, tmp_path: Path) -> None:
    async with opened(tmp_path / "other") as other:
        assert await store.kept_key() != await other.kept_key()


async def test_on_disk_it_is_for_the_owner_only(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        assert not (tmp_path / "link.key").exists()
        key = await store.kept_key()
    assert (tmp_path / "link.key").read_bytes() == key
    assert (tmp_path / "link.key").stat().st_mode & 0o777 == 0o600


async def test_on_disk_it_is_durable_before_it_has_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[str] = []
    fsync, rename = os.fsync, Path.rename

    def noted_fsync(fd: int) -> None:
        steps.append(f"fsync {Path(f'/proc/self/fd/{fd}').readlink().name}")
        fsync(fd)

    def noted_rename(path: Path, to: Path) -> Path:
        steps.append(f"rename {path.name} {to.name}")
        return rename(path, to)

    async with opened(tmp_path) as store:
        monkeypatch.setattr(os, "fsync", noted_fsync)
        monkeypatch.setattr(Path, "rename", noted_rename)
        await store.kept_key()
        assert steps == [
            "fsync link.key.new",
            "rename link.key.new link.key",
            f"fsync {tmp_path.name}",
        ]


async def test_what_a_crash_left_on_disk_is_replaced(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        (tmp_path / "link.key.new").write_bytes(b"half")
        assert len(await store.kept_key()) == 32
        assert not (tmp_path / "link.key.new").exists()


@pytest.mark.parametrize("damage", [b"", b"x" * 31, b"x" * 33])
async def test_on_disk_a_damaged_one_is_not_used(tmp_path: Path, damage: bytes) -> None:
    (tmp_path / "link.key").write_bytes(damage)
    async with opened(tmp_path) as store:
        with pytest.raises(StorageFailed, match="damaged"):
            await store.kept_key()
    assert (tmp_path / "link.key").read_bytes() == damage


ASK = """
import asyncio, json, sys
from pathlib import Path
from file_uploader.storage.local import LocalStorage

async def ask():
    store = await LocalStorage.connect(Path(sys.argv[1]))
    print("ready", flush=True)
    sys.stdin.readline()
    print(json.dumps((await store.kept_key()).hex()), flush=True)
    await store.aclose()

asyncio.run(ask())
"""


def test_processes_that_ask_for_it_at_once_agree(tmp_path: Path) -> None:
    command = [sys.executable, "-c", ASK, str(tmp_path)]
    processes = [
        subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(4)
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    keys = {json.loads(process.communicate(timeout=30)[0]) for process in processes}
    assert len(keys) == 1


def object_of(place: Place) -> dict[str, str]:
    assert isinstance(place, S3Place)
    return {"Bucket": place._bucket, "Key": "keys/links"}


@pytest.mark.parametrize("place", ["moto"], indirect=True)
async def test_on_s3_a_damaged_one_is_not_used(place: Place, store: Storage) -> None:
    assert isinstance(place, S3Place)
    admin_of(place.server).put_object(**object_of(place), Body=b"short")
    with pytest.raises(StorageFailed, match="damaged"):
        await store.kept_key()


@pytest.mark.parametrize("place", ["moto", "ceph"], indirect=True)
async def test_on_s3_nodes_agree_where_the_provider_decides_no_conditions(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    # All of them have written by then, also on a machine that is busy with other tests.
    monkeypatch.setattr(s3_key, "SETTLING", 4.0)
    stores = [await place.open() for _ in range(4)]
    for store in stores:
        assert isinstance(store, S3Storage)
        store._context.probe._found = Conditions(Support(), Support(), Support())
    assert len(set(await asyncio.gather(*(store.kept_key() for store in stores)))) == 1
