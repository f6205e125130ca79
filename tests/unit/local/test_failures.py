"""What the embedded store does when its disk fails, step by step."""

from __future__ import annotations

import asyncio
import errno
import os
import stat
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import apsw
import pytest

from file_uploader.errors import (
    FileTooLarge,
    NoSuchFile,
    StorageError,
    StorageFailed,
    StorageFull,
    StorageUnavailable,
)
from file_uploader.model.names import Container, FileName
from file_uploader.storage.local import LocalStorage
from file_uploader.storage.local.blobs.free_space import RESERVE
from file_uploader.transfer.body import ClientBody
from file_uploader.uploads.rules import Uploads
from tests.contract.uploading import EXPIRY, begun, piece
from tests.support.bodies import KIB, MIB, Source, body_of, content, pieces
from tests.support.files import new_container, put, read
from tests.support.local_disk import Hook, assert_sound, blobs_on, hooked_sqlite, opened

LARGE, SMALL = 300 * KIB, 1 * KIB


class SqliteDisk:
    """The disk below SQLite; ``fail`` raises for the steps that shall fail."""

    def __init__(self) -> None:
        self.fail: Hook = lambda what, path: None
        self.syncs = 0

    def __call__(self, what: str, path: Path) -> None:
        self.syncs += what == "sync" and path.name.endswith("-wal")
        self.fail(what, path)


@pytest.fixture
def disk() -> Iterator[SqliteDisk]:
    hook = SqliteDisk()
    with hooked_sqlite(hook):
        yield hook


@pytest.fixture
async def local(tmp_path: Path, disk: SqliteDisk) -> AsyncIterator[LocalStorage]:
    async with opened(tmp_path) as store:
        yield store


@pytest.fixture
def container() -> Container:
    return new_container()


def failing_with(number: int) -> Callable[..., Any]:
    def fail(*_args: object, **_more: object) -> Any:
        raise OSError(number, os.strerror(number))

    return fail


async def test_a_failed_sync_is_not_tried_again(
    tmp_path: Path, local: LocalStorage, container: Container, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = content(LARGE, "old")
    await put(local, container, "file", old)
    real = os.fsync
    for directories in (False, True):
        tried: list[int] = []

        def fsync(fd: int, directories: bool = directories, tried: list[int] = tried) -> None:
            if stat.S_ISDIR(os.fstat(fd).st_mode) == directories:
                tried.append(fd)
                raise OSError(errno.EIO, "Input/output error")
            real(fd)

        with monkeypatch.context() as patched:
            patched.setattr(os, "fsync", fsync)
            with pytest.raises(StorageFailed):
                await put(local, container, "file", content(LARGE, "new"))
        assert len(tried) == 1
        assert await read(local, container, "file") == old
    await local.aclose()
    assert len(blobs_on(tmp_path)) == 1
    assert_sound(tmp_path)


@pytest.mark.parametrize(
    ("number", "error"),
    [
        (errno.ENOSPC, StorageFull),
        (errno.EDQUOT, StorageFull),
        (errno.EIO, StorageFailed),
        (errno.EMFILE, StorageUnavailable),
        (errno.EFBIG, FileTooLarge),
    ],
)
@pytest.mark.parametrize("call", ["pwrite", "fsync"])
async def test_errors_of_writing(
    tmp_path: Path,
    local: LocalStorage,
    container: Container,
    monkeypatch: pytest.MonkeyPatch,
    call: str,
    number: int,
    error: type[Exception],
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(os, call, failing_with(number))
        with pytest.raises(error):
            await put(local, container, "file", content(2 * MIB))
    await local.aclose()
    assert_sound(tmp_path)


async def test_a_write_that_is_cut_short_goes_on(
    local: LocalStorage, container: Container, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.pwrite
    data = content(LARGE)
    with monkeypatch.context() as patched:
        patched.setattr(os, "pwrite", lambda fd, rest, at: real(fd, rest[:100_000], at))
        await put(local, container, "file", data)
    assert await read(local, container, "file") == data


async def test_no_space_is_told_before_a_large_body_is_pulled(
    tmp_path: Path, local: LocalStorage, container: Container
) -> None:
    source = Source(pieces(content(MIB), 64 * KIB))
    with pytest.raises(StorageFull):
        await put(local, container, "file", ClientBody(source, length=1 << 60))
    assert source.sent == 0
    await local.aclose()
    assert_sound(tmp_path)


async def test_uploads_leave_room_to_delete(
    tmp_path: Path, local: LocalStorage, container: Container, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is deleted from the index makes room for what goes there, and for nothing else."""
    await put(local, container, "large", content(LARGE))
    await put(local, container, "small", content(12 * KIB))
    uploads = Uploads(local, expiry=EXPIRY)
    begun_before = await begun(uploads, container, LARGE)
    found = list(os.statvfs(tmp_path))
    found[4] = RESERVE // found[1]  # f_bavail, in blocks of f_frsize
    with monkeypatch.context() as patched:
        patched.setattr(os, "statvfs", lambda place: os.statvfs_result(found))
        for size in (1, LARGE):
            with pytest.raises(StorageFull) as full:
                await put(local, container, "large", content(size, "new"))
            assert f"{size} bytes do not fit" in str(full.value.__cause__)
            assert "the last 32 MiB of the file system" in str(full.value.__cause__)
        with pytest.raises(StorageFull):
            await begun(uploads, container, LARGE)
        with pytest.raises(StorageFull):
            await uploads.append(container, begun_before, piece(content(LARGE)), offset=0)
        await local.delete(container, FileName("small"))
        await put(local, container, "new", content(SMALL))
        assert await read(local, container, "large") == content(LARGE)
        await local.delete(container, FileName("large"))
    upload = await uploads.look(container, begun_before)
    assert upload.offset == 0
    await uploads.append(container, begun_before, piece(content(LARGE)), offset=0)
    await uploads.aclose()


@pytest.mark.parametrize("what", ["write", "sync"])
@pytest.mark.parametrize("size", [SMALL, LARGE])
async def test_a_failed_commit_fails_all_that_wait_and_nobody_else(
    tmp_path: Path,
    disk: SqliteDisk,
    local: LocalStorage,
    container: Container,
    what: str,
    size: int,
) -> None:
    await put(local, container, "there", content(size, "old"))

    def fail(step: str, path: Path) -> None:
        if step == what and path.name.endswith("-wal"):
            raise apsw.IOError("failing")

    disk.fail = fail
    failed = await asyncio.gather(
        put(local, container, "there", content(size, "new")),
        *(put(local, container, f"{number}", content(size, "new")) for number in range(10)),
        local.delete(container, FileName("there")),
        return_exceptions=True,
    )
    assert all(isinstance(error, StorageError) for error in failed), failed
    assert len({id(error) for error in failed}) == len(failed)
    assert await read(local, container, "there") == content(size, "old")
    disk.fail = lambda step, path: None
    await put(local, container, "after", content(size, "after"))
    await local.sweep()
    with pytest.raises(NoSuchFile):
        await local.head(container, FileName("0"))
    assert await read(local, container, "there") == content(size, "old")
    await local.aclose()
    assert_sound(tmp_path)


async def test_a_blob_outlives_a_commit_of_which_nothing_is_certain(
    tmp_path: Path, disk: SqliteDisk, local: LocalStorage, container: Container
) -> None:
    """Its row may come to light after a crash, until another commit has succeeded."""

    def fail(step: str, path: Path) -> None:
        if step == "sync" and path.name.endswith("-wal"):
            raise apsw.IOError("failing")

    await put(local, container, "old", content(LARGE, "old"))
    disk.fail = fail
    with pytest.raises(StorageFailed):
        await put(local, container, "file", content(LARGE))
    with pytest.raises(StorageError):
        await local.sweep()
    assert len(blobs_on(tmp_path)) == 2
    disk.fail = lambda step, path: None
    await local.sweep()
    assert len(blobs_on(tmp_path)) == 1
    assert_sound(tmp_path)


async def test_a_full_disk_below_the_index(
    disk: SqliteDisk, local: LocalStorage, container: Container
) -> None:
    def fail(step: str, path: Path) -> None:
        if step == "write":
            raise apsw.FullError("failing")

    disk.fail = fail
    with pytest.raises(StorageFull):
        await put(local, container, "file", b"1")
    disk.fail = lambda step, path: None
    await put(local, container, "file", b"1")


async def test_a_file_that_ends_too_early_is_an_error(
    tmp_path: Path, local: LocalStorage, container: Container
) -> None:
    await put(local, container, "file", content(2 * MIB))
    [path] = (tmp_path / "blobs").glob("??/*")
    async with local.open(container, FileName("file")) as found:
        got = await anext(found.chunks)
        assert got == content(2 * MIB)[: len(got)]
        os.truncate(path, MIB)
        with pytest.raises(StorageFailed):
            async for _ in found.chunks:
                pass


async def test_not_ready(
    tmp_path: Path, local: LocalStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    await local.ready()
    with monkeypatch.context() as patched:
        patched.setattr(os, "utime", failing_with(errno.EROFS))
        with pytest.raises(StorageFailed):
            await local.ready()
    [session] = (tmp_path / "sessions").iterdir()
    session.unlink()
    with pytest.raises(StorageFailed):
        await local.ready()


async def test_closed(tmp_path: Path, container: Container) -> None:
    async with opened(tmp_path) as store:
        await put(store, container, "file", b"1")
    for doing in (
        put(store, container, "file", b"2"),
        put(store, container, "file", content(LARGE)),
        store.head(container, FileName("file")),
        store.ready(),
        store.sweep(),
    ):
        with pytest.raises(StorageUnavailable):
            await doing
    assert blobs_on(tmp_path) == set()


async def test_closed_under_an_upload(tmp_path: Path, container: Container) -> None:
    body = body_of(content(4 * MIB))
    async with opened(tmp_path) as store:
        writing = asyncio.create_task(put(store, container, "file", body))
        while not blobs_on(tmp_path):  # noqa: ASYNC110
            await asyncio.sleep(0)
    with pytest.raises(StorageUnavailable):
        await writing
    assert blobs_on(tmp_path) == set()


@pytest.mark.parametrize("damage", ["metadata = '{'", "sha256 = x'00'", "modified = 1 << 62"])
async def test_whoever_replaces_or_removes_a_damaged_file_mends_it(
    tmp_path: Path, container: Container, damage: str
) -> None:
    store = await LocalStorage.connect(tmp_path)
    for name in ("small", "large"):
        await put(store, container, name, content(SMALL if name == "small" else LARGE))
        with closing(apsw.Connection(str(tmp_path / "index.db"))) as index:
            index.execute(f"UPDATE files SET {damage} WHERE name = ?", (name,))
        await put(store, container, name, b"mended")
        assert await read(store, container, name) == b"mended"
        with closing(apsw.Connection(str(tmp_path / "index.db"))) as index:
            index.execute(f"UPDATE files SET {damage} WHERE name = ?", (name,))
        await store.delete(container, FileName(name))
        with pytest.raises(NoSuchFile):
            await store.head(container, FileName(name))
    await store.aclose()
    assert blobs_on(tmp_path) == set()
