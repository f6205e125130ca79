"""One bad item of each kind among ninety: it is named, all else is done, and the status says it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import apsw
import pytest

from file_uploader.errors import StorageUnavailable
from file_uploader.model.files import Metadata
from file_uploader.model.names import Container, FileName
from file_uploader.model.uploads import UploadPlan
from file_uploader.storage import passes
from file_uploader.uploads.rules import Uploads
from tests.contract.stores import LocalPlace, S3Place
from tests.contract.uploading import begun, piece
from tests.support.bodies import KIB, content
from tests.support.command import RunsHere
from tests.support.files import new_container, put
from tests.support.listing import names_in
from tests.support.refusing import refuse
from tests.support.s3_servers import S3Server, admin_of

EACH = 30
SOME = 15
"""Requests after which a store refuses: fewer than there are files of one container."""
AT_ONCE = 20
"""More than so many are never under way."""
SHORT = timedelta(seconds=3)
UPLOAD = f"{1:012x}" + "0" * 20
OTHER = f"{2:012x}" + "0" * 20
SPOOF = "\u202egpj\x9b"
"""A name that a terminal would not show as it is."""


@pytest.fixture(autouse=True)
def _hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passes, "PAUSE", 0)
    monkeypatch.setattr(passes, "PATIENCE", (0,))


@pytest.fixture
def owners() -> list[Container]:
    return sorted((new_container() for _ in range(3)), key=lambda each: each.name)


def found_in(lines: list[Any]) -> list[dict[str, Any]]:
    return [each for each in lines if {"wrong", "harmless", "unproven"} & each.keys()]


def what(lines: list[Any], **whose: str) -> str:
    """What is said to be wrong with one, which is named once."""
    [found] = [each for each in lines if whose.items() <= each.items()]
    return str(found.get("wrong") or found.get("harmless"))


class Bucket:
    """Three containers with thirty files each, put there behind the store's back."""

    def __init__(self, place: S3Place, owners: list[Container]) -> None:
        self.place = place
        self.bucket = place.settings["BUCKET"]
        self.admin = admin_of(place.server)
        self.settings = {**place.settings, "UPLOAD_EXPIRY": "3s"}
        for owner in owners:
            for number in range(EACH):
                self.put(f"files/{owner.name}/{number:03}", b"%d" % number)

    def put(self, key: str, data: bytes) -> None:
        self.admin.put_object(Bucket=self.bucket, Key=key, Body=data)

    def begin(self, key: str) -> None:
        self.admin.create_multipart_upload(Bucket=self.bucket, Key=key)

    @property
    def left(self) -> tuple[list[str], list[str]]:
        """The keys below ``uploads/``, and those of multipart uploads."""
        found = self.place.server.leftovers(self.bucket)
        return [key for key in found.objects if key.startswith("uploads/")], found.uploads

    async def expired(self, owner: Container) -> None:
        """An upload that is over in three seconds, with a multipart upload of its own."""
        store = await self.place.open()
        uploads = Uploads(store, expiry=SHORT)
        upload_id = await begun(uploads, owner, 20 * KIB * KIB, UploadPlan(FileName("expired")))
        await uploads.append(owner, upload_id, piece(content(9 * KIB * KIB)), offset=0)
        await uploads.aclose()


@pytest.fixture(params=["moto", "ceph"])
def server(request: pytest.FixtureRequest) -> S3Server:
    found: S3Server = request.getfixturevalue(request.param)
    return found


@pytest.fixture
async def bucket(server: S3Server, owners: list[Container]) -> AsyncIterator[Bucket]:
    place = S3Place.fresh(server)
    yield Bucket(place, owners)
    await place.close()
    place.forget()


@pytest.fixture
async def disk(tmp_path: Path, owners: list[Container]) -> AsyncIterator[LocalPlace]:
    """Three containers with thirty files each, half of them in blobs."""
    place = LocalPlace(tmp_path / "data")
    store = await place.open()
    names = [(owner, f"{number:03}") for owner in owners for number in range(EACH)]

    async def work(every: int) -> None:
        for owner, name in names[every::16]:
            await put(store, owner, name, content(17 * KIB if int(name) % 2 else 9, name))

    await asyncio.gather(*map(work, range(16)))
    yield place
    await place.close()


async def test_a_sweep_on_s3_leaves_only_what_it_cannot_remove(
    bucket: Bucket,
    owners: list[Container],
    monkeypatch: pytest.MonkeyPatch,
    here: RunsHere,
) -> None:
    one, two, three = owners
    for owner in owners:
        await bucket.expired(owner)
        bucket.begin(f"files/{owner.name}/begun")
    bucket.begin(f"files/{two.name}/{SPOOF}")
    bucket.put(f"uploads/{one.name}/{UPLOAD}/record", b"\xff{")
    bucket.put(f"uploads/{one.name}/{OTHER}/record", b"refused")
    bucket.put(f"uploads/{three.name}/{UPLOAD}/1.0", b"nobody's")
    bucket.put("uploads/.probe/stuck", b"")
    bucket.put("uploads/.probe/old", b"")
    await asyncio.sleep(4.1)

    def refuses(operation: str, parameters: Mapping[str, Any]) -> bool:
        key = parameters.get("Key", "")
        return (operation, key) in {
            ("abort_multipart_upload", f"files/{two.name}/{SPOOF}"),
            ("get_object", f"uploads/{one.name}/{OTHER}/record"),
            ("delete_object", "uploads/.probe/stuck"),
        }

    run = here(bucket.settings)
    with monkeypatch.context() as refusing:
        refuse(refusing, refuses)
        done = await run("sweep", "--json")
        assert (done.status, done.err) == (1, "")
        *found, summary = done.json
        assert summary["failed"] == len(found) == 4
        assert "cannot be read" in what(found, upload=UPLOAD, container=one.name)
        assert "AccessDenied (403)" in what(found, upload=OTHER, container=one.name)
        assert "AccessDenied" in what(found, file=SPOOF, container=two.name)
        assert "AccessDenied" in what(found, key="uploads/.probe/stuck")
        # The record that was not read may name what this container has: that is left alone.
        stuck = [f"uploads/{one.name}/{OTHER}/record", "uploads/.probe/stuck"]
        begun = [f"files/{one.name}/begun", f"files/{two.name}/{SPOOF}"]
        assert [sorted(each) for each in bucket.left] == [sorted(stuck), sorted(begun)]
        told = await run("sweep")
        assert told.status == 1
        assert f"{two.name} %E2%80%AEgpj%C2%9B: a multipart upload that nobody" in told.out
        assert told.out.splitlines()[-1] == "3 could not be looked at or removed"
    bucket.put(f"uploads/{one.name}/{OTHER}/record", b"{}")
    await asyncio.sleep(3.1)
    assert (await run("sweep")).status == 1
    assert bucket.left == ([], [])
    done = await run("sweep")
    assert (done.status, done.out) == (0, "nothing to remove\n")


async def test_a_list_that_breaks_off_hides_no_other_clients(
    bucket: Bucket,
    owners: list[Container],
    monkeypatch: pytest.MonkeyPatch,
    here: RunsHere,
) -> None:
    """Neither of records nor of multipart uploads."""
    _, two, three = owners
    for owner in owners:
        await bucket.expired(owner)
        bucket.begin(f"files/{owner.name}/begun")
    await asyncio.sleep(4.1)

    def refuses(operation: str, parameters: Mapping[str, Any]) -> bool:
        listed = parameters.get("Prefix")
        if operation == "list_objects_v2":
            broken = listed == "uploads/" and "Delimiter" not in parameters
            return broken or listed == f"uploads/{two.name}/"
        return operation == "list_multipart_uploads" and listed in {
            "files/",
            f"files/{three.name}/",
        }

    run = here(bucket.settings)
    with monkeypatch.context() as refusing:
        refuse(refusing, refuses)
        done = await run("sweep", "--json")
    assert (done.status, done.err) == (1, "")
    keys = [each["key"] for each in done.json[:-1]]
    assert keys == ["uploads/", f"uploads/{two.name}/", "files/", f"files/{three.name}/"]
    records, multiparts = bucket.left
    assert {key.split("/")[1] for key in records} == {two.name}
    assert {key.split("/")[1] for key in multiparts} == {two.name, three.name}
    assert (await run("sweep")).status == 0
    assert bucket.left == ([], [])


async def test_on_s3_everything_else_is_verified_counted_and_carried(
    bucket: Bucket,
    owners: list[Container],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    here: RunsHere,
) -> None:
    one, two, three = owners
    bucket.put(f"uploads/{one.name}/{UPLOAD}/record", b"mark\n[]")
    foreign = [f"files/{one.name}//x", f"files/nobody/{SPOOF}", "uploads/nobody/z"]
    foreign += [f"uploads/{two.name}/{UPLOAD}x/record"]
    for key in foreign:
        bucket.put(key, b"theirs")

    def refuses(operation: str, parameters: Mapping[str, Any]) -> bool:
        return (operation, parameters.get("Key")) == ("get_object", f"files/{two.name}/015")

    settings = {**bucket.settings, "UPLOAD_EXPIRY": "7d", "DATA_DIR": str(tmp_path / "data")}
    run = here(settings)
    with monkeypatch.context() as refusing:
        refuse(refusing, refuses)
        done = await run("verify", "--json")
        assert (done.status, done.err) == (1, "")
        *found, summary = done.json
        assert (summary["files"], summary["wrong"], len(found)) == (3 * EACH, 2, 6)
        assert "cannot be read" in what(found, upload=UPLOAD, container=one.name)
        assert "AccessDenied" in what(found, file="015", container=two.name)
        for key in foreign:
            assert what(found, key=key) == "no file and no upload has this key"
        told = await run("verify")
        assert "\nfiles/nobody/%E2%80%AEgpj%C2%9B: no file and no upload has this key\n" in told.out
        done = await run("migrate", "to-disk", "--json")
        assert (done.status, done.err) == (1, "")
        *found, summary = done.json
        assert (summary["copied"], summary["not_carried"]) == (3 * EACH - 1, 1)
        assert "was not copied: " in what(found, file="015", container=two.name)
        assert "cannot be read" in what(found, upload=UPLOAD)
        assert len(found) == 2 + len(foreign)
        for key in foreign:
            assert what(found, key=key) == "no file and no upload has this key"
    done = await run("migrate", "to-disk", "--json")
    assert (done.json[-1]["copied"], done.json[-1]["there_already"]) == (1, 3 * EACH - 1)

    def refuses_list(operation: str, parameters: Mapping[str, Any]) -> bool:
        listed = parameters.get("Prefix")
        return operation == "list_objects_v2" and listed == f"files/{three.name}/"

    refuse(monkeypatch, refuses_list)
    done = await run("usage", "--json")
    assert (done.status, done.err) == (1, "")
    [found_one, counts] = done.json
    assert found_one["container"] == three.name
    assert (counts["files"], counts["failed"]) == (2 * EACH, 1)
    done = await run("verify", "--json")
    assert (done.status, done.json[-1]["files"]) == (1, 2 * EACH)
    done = await run("migrate", "to-disk", "--json")
    assert (done.status, done.json[-1]["different"], done.json[-1]["failed"]) == (
        1,
        0,
        2 + len(foreign),
    )


async def test_what_the_target_refuses_stays_behind_alone(
    disk: LocalPlace,
    server: S3Server,
    owners: list[Container],
    monkeypatch: pytest.MonkeyPatch,
    here: RunsHere,
) -> None:
    place = S3Place.fresh(server)
    store = await disk.open()
    await put(store, owners[1], SPOOF, b"x", metadata=Metadata(custom={"k": "a b"}))

    def refuses(operation: str, parameters: Mapping[str, Any]) -> bool:
        return operation == "put_object" and "m-k" in parameters.get("Metadata", {})

    run = here({**place.settings, "DATA_DIR": str(disk.directory)})
    with monkeypatch.context() as refusing:
        refuse(refusing, refuses, "SignatureDoesNotMatch")
        done = await run("migrate", "to-s3", "--json")
        assert (done.status, done.err) == (1, "")
        *found, summary = done.json
        assert (summary["copied"], summary["not_carried"], len(found)) == (3 * EACH, 1, 1)
        said = what(found, file=SPOOF, container=owners[1].name)
        assert said.startswith("it was not copied: ")
        assert said.endswith("It said SignatureDoesNotMatch (403).")
        told = await run("migrate", "to-s3")
        assert told.out.splitlines()[0].startswith(f"{owners[1].name} %E2%80%AEgpj%C2%9B: it was ")
        assert "1 files were not carried over" in told.out
        assert "copied 0 files" in told.out
    done = await run("migrate", "to-s3", "--json")
    assert (done.status, done.json[-1]["copied"]) == (0, 1)
    place.forget()


async def test_a_store_that_refuses_everything_ends_it(
    bucket: Bucket,
    owners: list[Container],
    monkeypatch: pytest.MonkeyPatch,
    here: RunsHere,
) -> None:
    """Once credentials are not taken any more, no ninety files are called damaged."""
    asked = []

    def refuses(operation: str, _parameters: Mapping[str, Any]) -> bool:
        asked.append(operation)
        return asked.count("get_object") > SOME

    refuse(monkeypatch, refuses)
    run = here(bucket.settings)
    done = await run("verify")
    assert (done.status, done.out) == (3, "")
    assert "AccessDenied" in done.err
    assert f"It ended at {owners[0].name} 0" in done.err
    assert asked.count("get_object") < SOME + AT_ONCE


async def test_a_target_that_is_gone_ends_it(
    disk: LocalPlace,
    server: S3Server,
    monkeypatch: pytest.MonkeyPatch,
    here: RunsHere,
) -> None:
    place = S3Place.fresh(server)
    run = here({**place.settings, "DATA_DIR": str(disk.directory)})
    puts = []

    async def gone(_store: object) -> None:
        raise StorageUnavailable("The object store is gone.")

    def refuses(operation: str, _parameters: Mapping[str, Any]) -> bool:
        puts.append(operation == "put_object")
        return sum(puts) > SOME

    refuse(monkeypatch, refuses)
    monkeypatch.setattr("file_uploader.storage.s3.S3Storage.ready", gone)
    done = await run("migrate", "to-s3")
    assert (done.status, done.out) == (3, "")
    assert done.err.startswith("file-uploader: The object store is gone. It ended at ")
    assert sum(puts) < SOME + AT_ONCE
    place.forget()


async def damaged(disk: LocalPlace, owners: list[Container]) -> dict[str, str]:
    """Damage of each kind, a file each; what is to be said of each."""
    one, two, _ = (bytes.fromhex(owner.name) for owner in owners)
    store = await disk.open()
    uploads = Uploads(store, expiry=timedelta(days=1))
    ids = [await begun(uploads, owners[0], 20 * KIB) for _ in range(2)]
    for upload_id in ids:
        await uploads.append(owners[0], upload_id, piece(content(KIB)), offset=0)
    await uploads.aclose()
    with closing(apsw.Connection(str(disk.directory / "index.db"))) as index:
        sql = "SELECT name, blob FROM files WHERE container = ? AND blob IS NOT NULL"
        blobs = {str(name): path_of(disk, str(blob)) for name, blob in index.execute(sql, (one,))}
        index.execute(
            "UPDATE files SET metadata = '{' WHERE container = ? AND name = '000'", (two,)
        )
        for name, other in (("002", "a/../b"), ("004", "a\x1bb"), ("006", "")):
            index.execute(
                "UPDATE files SET name = ? WHERE container = ? AND name = ?", (other, two, name)
            )
        sql = "UPDATE files SET name = CAST(x'ff41' AS TEXT) WHERE container = ? AND name = '008'"
        index.execute(sql, (two,))
        sql = "UPDATE files SET modified = ? WHERE container = ? AND name = '010'"
        index.execute(sql, (2**62, two))
        sql = "UPDATE files SET container = x'abcdef' WHERE container = ? AND name = '012'"
        index.execute(sql, (two,))
        index.execute("UPDATE uploads SET record = '{' WHERE id = ?", (ids[0],))
        [(lost,)] = index.execute("SELECT blob FROM uploads WHERE id = ?", (ids[1],))
    blobs["001"].unlink()
    blobs["003"].write_bytes(b"cut")
    blobs["005"].unlink()
    blobs["005"].symlink_to(blobs["005"])  # Whoever opens it is told so, root as well.
    blobs["007"].unlink()
    blobs["007"].mkdir()
    path_of(disk, str(lost)).unlink()
    return {"unreadable": ids[0], "lost": ids[1]}


def path_of(place: LocalPlace, blob: str) -> Path:
    return place.directory / "blobs" / blob[:2] / blob


HIDDEN = 6
"""Files that no list has: by their names, their time and their container."""
UNREADABLE = {"001": "missing", "003": "damaged", "005": "symbolic", "007": "damaged"}


async def test_on_disk_everything_else_is_verified_counted_and_backed_up(
    disk: LocalPlace,
    owners: list[Container],
    tmp_path: Path,
    here: RunsHere,
) -> None:
    one, two, _ = owners
    ids = await damaged(disk, owners)
    settings = {"DATA_DIR": str(disk.directory), "BUCKET": ""}
    run = here(settings)
    done = await run("verify", "--json")
    assert (done.status, done.err) == (1, "")
    *found, summary = done.json
    assert summary["files"] == 3 * EACH - HIDDEN
    assert summary["wrong"] == len(found) == HIDDEN + 4 + 1 + 2
    for name, said in UNREADABLE.items():
        assert said in what(found, container=one.name, file=name)
    assert "cannot be read" in what(found, container=two.name, file="000")
    for name in ("a/../b", "a\x1bb", "", "\udcffA"):
        assert "has a name that no" in what(found, container=two.name, file=name)
    assert "has a time" in what(found, container=two.name, file="010")
    assert "no container" in what(found, container="abcdef", file="012")
    assert "cannot be read" in what(found, upload=ids["unreadable"])
    assert "lost" in what(found, upload=ids["lost"])
    told = await run("verify")
    assert f"\n{two.name} a%1Bb: " in f"\n{told.out}"
    assert (await run("usage")).status == 0
    done = await run("sweep", "--json")
    assert (done.status, done.json[-1]["failed"]) == (0, 0)
    store = await disk.open()
    names = await names_in(store, two)
    assert (len(names), names[0]) == (EACH - HIDDEN, "000")
    assert (await run("backup", str(tmp_path / "backup"), "--json")).status == 1
    done = await run("backup", str(tmp_path / "backup"), "--json")
    *found, summary = done.json
    assert (done.status, done.err, summary["wrong"]) == (1, "", 5)
    for name, said in {"001": "missing", "003": "not those", "005": "cannot be read"}.items():
        assert said in what(found, container=one.name, file=name)
    assert "cannot be read: Is a directory" in what(found, container=one.name, file="007")
    assert len(list((tmp_path / "backup" / "blobs").glob("??/*"))) == 3 * EACH // 2 - 3 + 1
    restoring = here({**settings, "DATA_DIR": str(tmp_path / "restored")})
    done = await restoring("restore", str(tmp_path / "backup"), "--json")
    assert (done.status, done.json[-1]["copied"]) == (1, 3 * EACH // 2 - 3 + 1)


async def test_on_disk_everything_else_is_carried(
    disk: LocalPlace,
    server: S3Server,
    owners: list[Container],
    here: RunsHere,
) -> None:
    one, two, _ = owners
    ids = await damaged(disk, owners)
    place = S3Place.fresh(server)
    run = here({**place.settings, "DATA_DIR": str(disk.directory)})
    done = await run("migrate", "to-s3", "--json")
    assert (done.status, done.err) == (1, "")
    *found, summary = done.json
    assert summary["copied"] == 3 * EACH - HIDDEN - 5
    assert summary["not_carried"] == 5 + HIDDEN
    for name in UNREADABLE:
        assert "not copied" in what(found, container=one.name, file=name)
    assert "cannot be read" in what(found, upload=ids["unreadable"])
    assert "has a name that no" in what(found, container=two.name, file="a/../b")
    assert "lost" in what(found, upload=ids["lost"])
    assert len(found) == 5 + HIDDEN + 2
    place.forget()


async def test_a_sweep_on_disk_leaves_only_what_it_cannot_remove(
    disk: LocalPlace,
    owners: list[Container],
    here: RunsHere,
) -> None:
    dead = "0" * 16
    stuck = path_of(disk, f"ab{'0' * 14}-{dead}")
    stuck.mkdir()
    (stuck / "in it").touch()
    others = [path_of(disk, f"{number:02x}{'0' * 14}-{dead}") for number in range(256)]
    for path in others:
        if path != stuck:
            path.write_bytes(b"x")
    (disk.directory / "sessions" / "strange").mkdir()
    store = await disk.open()
    uploads = Uploads(store, expiry=timedelta(milliseconds=1))
    for owner in owners:
        await begun(uploads, owner, 10)
    await uploads.aclose()
    with closing(apsw.Connection(str(disk.directory / "index.db"))) as index:
        sql = "UPDATE uploads SET record = 'x', id = CAST(x'ff' AS TEXT) WHERE container = ?"
        index.execute(sql, (bytes.fromhex(owners[1].name),))
    run = here({"DATA_DIR": str(disk.directory), "BUCKET": ""})
    done = await run("sweep", "--json")
    assert (done.status, done.err) == (1, "")
    *found, summary = done.json
    assert [each["key"] for each in found] == ["sessions/strange", f"blobs/{stuck.name}"]
    assert summary["failed"] == 2
    assert summary["removed"]["uploads"]["count"] == 3
    assert summary["removed"]["unfinished"]["count"] == 255
    assert not any(path.exists() for path in others if path != stuck)
    told = await run("sweep")
    assert (told.status, told.out.splitlines()[-1]) == (1, "2 could not be looked at or removed")
