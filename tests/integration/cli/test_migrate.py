"""``migrate``: everything is in the other store in the end, however often it was interrupted."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import apsw
import pytest

from file_uploader.model.names import FileName
from file_uploader.storage.base import Storage
from tests.contract.kinds import place_of
from tests.contract.stores import LocalPlace, Place, S3Place, clean
from tests.integration.cli.filling import FILES, METADATA, fill, filled
from tests.support.bodies import KIB, MIB, content
from tests.support.command import Done, command, started
from tests.support.files import new_container, put, read
from tests.support.listing import names_in
from tests.support.rot import flip
from tests.support.rounds import rounds
from tests.support.s3_servers import admin_of


@dataclass
class Pair:
    """A store on disk and one on S3, which a command finds with one set of settings."""

    disk: LocalPlace
    s3: S3Place

    @property
    def settings(self) -> dict[str, str]:
        return {**self.s3.settings, "DATA_DIR": str(self.disk.directory)}

    def migrate(self, to: str, *more: str) -> Done:
        cwd = self.disk.directory.parent
        return command("migrate", to, *more, settings=self.settings, cwd=cwd, patience=600)

    def onto(self, directory: Path) -> Pair:
        """The same bucket, and another directory."""
        return Pair(LocalPlace(directory), self.s3)

    def roles(self, to: str) -> tuple[Place, Place]:
        """Source and target."""
        return (self.disk, self.s3) if to == "to-s3" else (self.s3, self.disk)


@pytest.fixture(params=["ceph", "ceph-own-buckets"])
async def pair(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Pair]:
    s3 = place_of(request.param, request, tmp_path)
    assert isinstance(s3, S3Place)
    made = Pair(LocalPlace(tmp_path / "data"), s3)
    yield made
    await made.disk.close()
    await made.s3.close()


one_bucket = pytest.mark.parametrize("pair", ["ceph"], indirect=True)
both_ways = pytest.mark.parametrize("to", ["to-s3", "to-disk"])


async def everything(store: Storage) -> dict[tuple[str, str], tuple[Any, ...]]:
    """All files, with all that both stores keep of them."""
    found = {}
    async for container in store.containers():
        for name in await names_in(store, container):
            info = await store.head(container, FileName(name))
            kept = (info.size, info.sha256, info.metadata)
            found[container.name, name] = kept
    return found


async def test_there_and_back_it_is_the_same(pair: Pair, tmp_path: Path) -> None:
    owners = await filled(pair.disk)
    on_disk = await pair.disk.open()
    key = await on_disk.kept_key()
    done = pair.migrate("to-s3", "--json")
    in_all = 2 * sum(FILES.values())
    same = {"not_carried": 0, "different": 0, "failed": 0}
    same |= {"unfinished_uploads": 1, "same_link_key": True}
    assert (done.status, done.err) == (0, "")
    assert done.json == [{"copied": 12, "bytes": in_all, "there_already": 0, **same}]
    on_s3 = await pair.s3.open()
    assert await everything(on_s3) == await everything(on_disk)
    assert await on_s3.kept_key() == key
    back = pair.onto(tmp_path / "back")
    done = back.migrate("to-disk")
    assert (done.status, done.err) == (0, "")
    assert done.out == "copied 12 files, 18.6 MiB; 0 were there already\n"
    again = await back.disk.open()
    assert await everything(again) == await everything(on_disk)
    assert await again.kept_key() == key
    for owner in owners:
        for name in FILES:
            assert await read(again, owner, name) == await read(on_disk, owner, name)
            moved = await again.head(owner, FileName(name))
            was = await on_s3.head(owner, FileName(name))
            assert moved.modified == was.modified
            assert moved.metadata == METADATA
    done = back.migrate("to-disk", "--json")
    assert done.json == [
        {"copied": 0, "bytes": 0, "there_already": 12, **same, "unfinished_uploads": 0}
    ]
    await back.disk.close()


async def _killed_twice(pair: Pair, to: str, count: int) -> None:
    source, target = pair.roles(to)
    store = await source.open()
    owners = [new_container() for _ in range(3)]
    names = [(owners[number % 3], f"{number % 7}/{number:06}") for number in range(count)]
    sizes = (3 * KIB, 0, 1, 20 * KIB, 100)

    async def work(every: int) -> None:
        for number in range(every, count, 16):
            await put(store, *names[number], content(sizes[number % 5], number))

    await asyncio.gather(*map(work, range(16)))
    cwd = pair.disk.directory.parent
    for part in (count // 4, count // 2):
        process = started(("migrate", to), settings=pair.settings, cwd=cwd)
        for _ in range(20 * 600):
            if _number_there(target) >= part:
                break
            assert process.poll() is None, process.communicate()
            await asyncio.sleep(0.05)
        process.kill()
        process.communicate()
        there = _number_there(target)
        print(f"killed when {there} of {count} were there")
        assert part <= there < count
    done = pair.migrate(to, "--json")
    [summary] = done.json
    assert (done.status, summary["different"]) == (0, 0)
    assert summary["copied"] + summary["there_already"] == count
    assert summary["there_already"] >= count // 2
    other = await target.open()
    assert await everything(other) == await everything(store)
    live = {(owner, name): sizes[number % 5] for number, (owner, name) in enumerate(names)}
    await clean(target, other, live)


def _number_there(place: Place) -> int:
    if isinstance(place, S3Place):
        admin, bucket = admin_of(place.server), place.settings["BUCKET"]
        pages = admin.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix="files/")
        return sum(page["KeyCount"] for page in pages)
    assert isinstance(place, LocalPlace)
    index = place.directory / "index.db"
    if not index.exists():
        return 0
    with closing(apsw.Connection(str(index))) as connection:
        connection.set_busy_timeout(5000)
        try:
            [(count,)] = connection.execute("SELECT count(*) FROM files")
        except apsw.SQLError:  # It is being made.
            return 0
    assert isinstance(count, int)
    return count


@one_bucket
@both_ways
async def test_killed_twice_it_ends_the_same(pair: Pair, to: str) -> None:
    await _killed_twice(pair, to, 400)


@pytest.mark.soak
@one_bucket
@both_ways
async def test_killed_twice_with_many_files_it_ends_the_same(pair: Pair, to: str) -> None:
    await _killed_twice(pair, to, rounds(2_000, 10_000))


@one_bucket
@both_ways
async def test_what_is_newer_or_only_there_is_left_alone(pair: Pair, to: str) -> None:
    source, target = pair.roles(to)
    [owner, _] = await filled(source)
    store = await target.open()
    await asyncio.sleep(1.1)  # S3 tells times in seconds.
    await put(store, owner, "b", b"newer")
    await put(store, owner, "another", b"another")
    done = pair.migrate(to, "--json")
    assert done.status == 1
    newer, extra, summary = done.json
    whose = {"container": owner.name}
    assert newer == {
        **whose,
        "file": "b",
        "wrong": "the target has a newer one, which was left alone",
    }
    assert extra == {**whose, "file": "another", "wrong": "only the target has it"}
    assert (summary["copied"], summary["different"]) == (11, 2)
    assert await read(store, owner, "b") == b"newer"
    assert await read(store, owner, "another") == b"another"


@one_bucket
@both_ways
async def test_what_has_changed_since_is_copied_again(pair: Pair, to: str) -> None:
    source, target = pair.roles(to)
    [owner, _] = await filled(source)
    assert pair.migrate(to).status == 0
    store, other = await source.open(), await target.open()
    await asyncio.sleep(1.1)
    data = await fill(store, owner, "f", version=1)
    await put(store, owner, "new", b"new")
    done = pair.migrate(to, "--json")
    assert (done.status, done.json[-1]["copied"], done.json[-1]["there_already"]) == (0, 2, 11)
    assert await read(other, owner, "f") == data
    await store.delete(owner, FileName("new"))
    done = pair.migrate(to)
    assert done.status == 1
    assert f"{owner.name} new: only the target has it\n" in done.out


@one_bucket
@both_ways
async def test_what_is_damaged_is_named_and_not_copied(pair: Pair, to: str) -> None:
    source, target = pair.roles(to)
    owners = await filled(source)
    flip(source, owners[1], "f")
    done = pair.migrate(to, "--json")
    assert done.status == 1
    [found, summary] = done.json
    assert (found["container"], found["file"]) == (owners[1].name, "f")
    assert found["wrong"] == "its bytes are not those that were stored, so it was not copied"
    assert (summary["copied"], summary["different"]) == (11, 1)
    other = await target.open()
    assert "f" not in await names_in(other, owners[1])


@one_bucket
async def test_a_signal_in_the_middle_of_files_leaves_nothing_half_done(
    pair: Pair, tmp_path: Path
) -> None:
    store, owner = await pair.disk.open(), new_container()
    live = {}
    for number in range(4):
        live[owner, f"{number}"] = 40 * MIB
        await put(store, owner, f"{number}", content(40 * MIB, number))
    process = started(("migrate", "to-s3"), settings=pair.settings, cwd=tmp_path)
    admin, bucket = admin_of(pair.s3.server), pair.settings["BUCKET"]
    while not admin.list_multipart_uploads(Bucket=bucket, Prefix="files/").get("Uploads"):
        assert process.poll() is None
        await asyncio.sleep(0.01)
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err) == (128 + signal.SIGTERM, "", "")
    assert not [each for each in pair.s3.strays({}) if "upload of" in each]
    assert pair.migrate("to-s3").status == 0
    await clean(pair.s3, await pair.s3.open(), live)


@one_bucket
@pytest.mark.parametrize("pause", [0.0, 0.1, 0.3])
async def test_a_signal_while_it_finds_out_what_s3_can_do(
    pair: Pair, tmp_path: Path, pause: float
) -> None:
    await filled(pair.disk)
    process = started(("migrate", "to-s3"), settings=pair.settings, cwd=tmp_path)
    admin, bucket = admin_of(pair.s3.server), pair.settings["BUCKET"]
    while not admin.list_objects_v2(Bucket=bucket, Prefix="uploads/.probe/").get("Contents"):
        assert process.poll() is None
        await asyncio.sleep(0.005)
    await asyncio.sleep(pause)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err) == (128 + signal.SIGINT, "", "")
    assert not [each for each in pair.s3.strays({}) if "files/" not in each]


@one_bucket
async def test_without_a_bucket_it_says_so_and_makes_nothing(pair: Pair, tmp_path: Path) -> None:
    settings = {"DATA_DIR": str(pair.disk.directory)}
    done = command("migrate", "to-disk", settings=settings, cwd=tmp_path)
    assert (done.status, done.out) == (3, "")
    assert done.err == "file-uploader: BUCKET: not set, so there is no store on S3.\n"
    assert not _is_there(pair.disk.directory)
    done = pair.migrate("to-s3")
    assert done.err == f"file-uploader: DATA_DIR: there is no store in {pair.disk.directory}.\n"


def _is_there(path: Path) -> bool:
    return path.exists()
