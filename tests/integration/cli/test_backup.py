"""``backup`` and ``restore``, as processes, beside a server and killed on the way."""

from __future__ import annotations

import asyncio
import random
import shutil
import signal
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import apsw
import pytest

from file_uploader.uploads.rules import Uploads
from tests.contract.stores import LocalPlace
from tests.contract.uploading import EXPIRY, piece
from tests.integration.cli.filling import FILES, fill, filled
from tests.support.bodies import KIB, MIB, content
from tests.support.command import Done, RunsHere, command, started
from tests.support.files import new_container, put, read
from tests.support.local_disk import assert_sound, blobs_on
from tests.support.rot import flip
from tests.support.rounds import rounds
from tests.support.waiting import until

TABLES = ("files", "contents", "uploads")


@pytest.fixture
def place(tmp_path: Path) -> LocalPlace:
    return LocalPlace(tmp_path / "data")


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "backups" / "daily"


@dataclass
class Backups:
    """Backups of a place in a directory, by commands in this process."""

    place: LocalPlace
    target: Path
    here: RunsHere

    async def make(self, *more: str) -> Done:
        return await self.here(self.place.settings)("backup", self.target, *more)

    async def restore(self, to: Path) -> tuple[Done, LocalPlace]:
        place = LocalPlace(to)
        return await self.here(place.settings)("restore", self.target), place


@pytest.fixture
def backups(place: LocalPlace, target: Path, here: RunsHere) -> Backups:
    return Backups(place, target, here)


def assert_private(target: Path) -> None:
    """It holds what a backup holds, for its owner only."""
    assert {path.name for path in target.iterdir()} == {"index.db", "blobs", "this-is-a-backup"}
    for path in target.rglob("*"):
        assert path.stat().st_mode & 0o077 == 0


def begun(target: Path) -> bool:
    """Whether a content is being copied just now."""
    return bool(list((target / "blobs").glob("??/*.new")))


def rows_of(directory: Path) -> dict[str, list[Any]]:
    with closing(apsw.Connection(str(directory / "index.db"))) as index:
        return {table: list(index.execute(f"SELECT * FROM {table}")) for table in TABLES}


async def test_what_is_restored_is_what_was_there(
    place: LocalPlace, target: Path, tmp_path: Path
) -> None:
    owners = await filled(place)
    store = await place.open()
    key = await store.kept_key()
    done = command("backup", target, "--json", settings=place.settings, cwd=tmp_path)
    assert (done.status, done.err) == (0, "")
    blobs = 2 * len([size for size in FILES.values() if size > 16 * KIB]) + 1
    large = 2 * sum(size for size in FILES.values() if size > 16 * KIB)
    assert done.json == [{"copied": blobs, "bytes": large + 300 * KIB, "wrong": 0}]
    assert_private(target)
    other = LocalPlace(tmp_path / "restored")
    done = command("restore", target, settings=other.settings, cwd=tmp_path)
    assert (done.status, done.err) == (0, "")
    assert rows_of(other.directory) == rows_of(place.directory)
    assert command("verify", settings=other.settings, cwd=tmp_path).status == 0
    found = await other.open()
    for owner in owners:
        for name in FILES:
            assert await read(found, owner, name) == await read(store, owner, name)
    uploads = Uploads(found, expiry=EXPIRY)
    [upload] = [each async for each in uploads.list(owners[0])]
    data = content(MIB)
    assert upload.offset == 300 * KIB
    await uploads.append(owners[0], upload.id, piece(data[upload.offset :]), offset=upload.offset)
    assert (await read(found, owners[0], "unfinished"))[300 * KIB :] == data[300 * KIB :]
    await uploads.aclose()
    assert await found.kept_key() != key
    await place.close()
    await other.close()


async def test_only_what_is_new_is_copied_and_what_is_gone_goes(
    place: LocalPlace, target: Path, tmp_path: Path, backups: Backups
) -> None:
    [owner, _] = await filled(place)
    assert (await backups.make()).status == 0
    store = await place.open()
    await fill(store, owner, "f", version=1)
    await put(store, owner, "large\u009b", b"small")
    uploads = Uploads(store, expiry=EXPIRY)
    [upload] = [each async for each in uploads.list(owner)]
    await uploads.append(owner, upload.id, piece(content(100 * KIB)), offset=300 * KIB)
    done = await backups.make("--json")
    assert done.json == [{"copied": 2, "bytes": 300 * KIB + 400 * KIB, "wrong": 0}]
    assert (await backups.make("--json")).json == [{"copied": 0, "bytes": 0, "wrong": 0}]
    assert blobs_on(target) == blobs_on(place.directory)
    done, other = await backups.restore(tmp_path / "restored")
    assert done.status == 0
    assert rows_of(other.directory) == rows_of(place.directory)
    await uploads.aclose()
    await place.close()


async def test_killed_at_any_moment_it_is_complete_or_none(
    place: LocalPlace, target: Path, tmp_path: Path, backups: Backups, here: RunsHere
) -> None:
    """Then the old one is there, or the new one, or none yet; and the next one makes it whole."""
    store, owner = await place.open(), new_container()
    chance = random.Random()
    old: list[Any] | None = None
    """What the backup is, until it is another one."""
    outcomes = set()
    began = time.monotonic()
    command("backup", tmp_path / "measured", settings=place.settings, cwd=tmp_path)
    seconds = time.monotonic() - began
    for turn in range(rounds(3, 20)):
        for number in range(30):
            name = f"{number}"
            await put(store, owner, name, content(200 * KIB, (turn, number)))
        new = rows_of(place.directory)["files"]
        process = started(("backup", target), settings=place.settings, cwd=tmp_path)
        await asyncio.sleep(chance.uniform(0.3, 1.3) * seconds)
        process.kill()
        process.communicate()
        done, other = await backups.restore(tmp_path / f"restored-{turn}")
        if not (target / "index.db").exists():
            assert old is None
            assert done.status == 3
            assert done.err == (
                f"file-uploader: {target} is no backup, or one that was not finished.\n"
            )
            outcomes.add("none")
            continue
        assert (done.status, done.err) == (0, "")
        found = rows_of(other.directory)["files"]
        assert found in (old, new)
        outcomes.add("new" if found == new else "old")
        old = found
        assert (await here(other.settings)("verify")).status == 0
        if chance.random() < 0.5:
            assert (await backups.make()).status == 0
            old = rows_of(target)["files"]
            assert old == new
            assert blobs_on(target) == blobs_on(place.directory)
    print(outcomes)
    await place.close()


async def test_a_restore_that_was_killed_is_no_store_and_can_be_begun_again(
    place: LocalPlace, target: Path, tmp_path: Path, backups: Backups, here: RunsHere
) -> None:
    store, owner = await place.open(), new_container()
    for number in range(60):
        await put(store, owner, f"{number}", content(200 * KIB, number))
    await place.close()
    await backups.make()
    to = LocalPlace(tmp_path / "restored")
    for pause in (0.6, 1.0):
        process = started(("restore", target), settings=to.settings, cwd=tmp_path)
        await asyncio.sleep(pause)
        process.kill()
        process.communicate()
        if (to.directory / "index.db").exists():
            shutil.rmtree(to.directory)
        done = await here(to.settings)("usage")
        assert done.status == 3
    done, _ = await backups.restore(to.directory)
    assert done.status == 0
    assert rows_of(to.directory) == rows_of(place.directory)
    assert_sound(to.directory)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_a_signal_leaves_the_older_one(
    place: LocalPlace, target: Path, tmp_path: Path, number: int, backups: Backups
) -> None:
    store, owner = await place.open(), new_container()
    await put(store, owner, "old", content(200 * KIB))
    await backups.make()
    old = rows_of(target)
    for each in range(3):
        await put(store, owner, f"{each}", content(24 * MIB, each))
    process = started(("backup", target), settings=place.settings, cwd=tmp_path)
    until(lambda: begun(target), "it is on its way", 60)
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err) == (128 + number, "", "")
    assert rows_of(target) == old
    assert (await backups.make()).status == 0
    assert blobs_on(target) == blobs_on(place.directory)
    await place.close()


async def test_what_is_damaged_is_named(
    place: LocalPlace, tmp_path: Path, backups: Backups
) -> None:
    owners = await filled(place)
    flip(place, owners[0], "f")
    done = await backups.make()
    wrong = f"{owners[0].name} f: its bytes are not those that were stored"
    assert (done.status, done.out.splitlines()[0]) == (1, wrong)
    done, other = await backups.restore(tmp_path / "restored")
    assert (done.status, done.out.splitlines()[0]) == (1, wrong)
    assert rows_of(other.directory) == rows_of(place.directory)
    await place.close()


async def test_a_size_that_is_none_is_named_and_the_content_kept(
    place: LocalPlace, tmp_path: Path, backups: Backups
) -> None:
    owners = await filled(place)
    with closing(apsw.Connection(str(place.directory / "index.db"))) as index:
        set_size = "UPDATE files SET size = -5 WHERE container = ? AND name = 'f'"
        index.execute(set_size, (bytes.fromhex(owners[0].name),))
    wrong = f"{owners[0].name} f: its row in the index is damaged"
    for done in (await backups.make(), (await backups.restore(tmp_path / "restored"))[0]):
        assert (done.status, done.out.splitlines()[0]) == (1, wrong)
    assert blobs_on(tmp_path / "restored") == blobs_on(place.directory)
    await place.close()


async def test_what_cannot_be_is_refused_in_a_line(
    place: LocalPlace, target: Path, tmp_path: Path, backups: Backups, here: RunsHere
) -> None:
    await filled(place)
    other = LocalPlace(tmp_path / "other")
    await other.open()
    assert (await backups.make()).status == 0
    with closing(apsw.Connection(str(target / "index.db"))) as index:
        version = index.pragma("user_version")

    def refused(done: Done, message: str) -> None:
        assert (done.status, done.out, done.err) == (3, "", f"file-uploader: {message}\n")

    for served in (other.directory, place.directory):
        refused(
            await Backups(place, served, here).make(), f"{served} holds a store, and no backup."
        )
    await other.close()  # Nobody serves it any more, and still it is one.
    refused(
        await Backups(place, other.directory, here).make(),
        f"{other.directory} holds a store, and no backup.",
    )
    verified = await here({"DATA_DIR": str(target)})("verify")
    assert verified.status == 0
    assert (await backups.make()).status == 0
    done, _ = await backups.restore(other.directory)
    refused(done, f"DATA_DIR: {other.directory} holds a store already; move it away first.")
    done, _ = await Backups(place, tmp_path / "nowhere", here).restore(tmp_path / "restored")
    refused(done, f"{tmp_path / 'nowhere'} is no backup, or one that was not finished.")
    with closing(apsw.Connection(str(target / "index.db"))) as index:
        index.pragma("user_version", 99)
    done, _ = await backups.restore(tmp_path / "restored")
    refused(
        done,
        f"{target} has schema 99, and this version knows {version}; use the version of"
        " file-uploader that made it.",
    )
    on_s3 = {**place.settings, "BUCKET": "bucket"}
    for act in ("backup", "restore"):
        done = await here(on_s3)(act, target)
        assert (done.status, done.err.count("\n")) == (3, 1)
        assert done.err.startswith("file-uploader: BUCKET: ")
    await place.close()
    await other.close()
