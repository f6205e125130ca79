"""Writing around the page cache: the same bytes are there, whatever the pieces and the disk."""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from typing_extensions import override

from file_uploader.storage.local.blobs.blobs import Blobs
from file_uploader.storage.local.blobs.writable import DIRECT_FROM, WritableBlob
from tests.support.bodies import KIB, MIB, content

BLOCK = 4 * KIB
PIECES = {
    "blocks": [BLOCK, 64 * KIB, MIB],
    "more than a buffer": [3 * MIB + 1],
    "odd": [1, 4095, 4096, 4097, 1, 100_001],
    "tiny": [7] * 3000,
    "nothing": [0, 5, 0],
}


@pytest.fixture
def fd(tmp_path: Path) -> Iterator[int]:
    opened = os.open(tmp_path / "file", os.O_RDWR | os.O_CREAT)
    yield opened
    os.close(opened)


_OPEN: list[WritableBlob] = []


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    yield
    while _OPEN:
        _OPEN.pop().close()


class Files(Blobs):
    """Every blob is the file behind a descriptor."""

    def __init__(self, fd: int) -> None:
        super().__init__(Path("/"), "")
        self._path = Path(f"/proc/self/fd/{fd}")

    @override
    def path(self, blob_id: str) -> Path:
        return self._path


def opened(fd: int, position: int = 0, *, length: int | None = None) -> WritableBlob:
    """The file behind a descriptor as a blob that is appended to."""
    blob = WritableBlob(Files(fd), "", length, position=position, guard=lambda: None)
    _OPEN.append(blob)
    blob.resume()
    return blob


def _direct(fd: int) -> bool:
    return bool(fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_DIRECT)


def _write(writer: WritableBlob, data: bytes, pieces: list[int]) -> None:
    at = 0
    for size in pieces:
        writer.write(data[at : at + size])
        at += size
    assert at == len(data)


@pytest.mark.parametrize("pieces", PIECES.values(), ids=PIECES)
@pytest.mark.parametrize("direct", [True, False])
@pytest.mark.parametrize("position", [0, BLOCK, 1000])
def test_all_bytes_are_there(
    fd: int, tmp_path: Path, pieces: list[int], position: int, *, direct: bool
) -> None:
    before, data = content(position, "before"), content(sum(pieces), "data")
    os.pwrite(fd, before, 0)
    writer = opened(fd, position, length=None if direct else 0)
    assert _direct(writer._fd) is (direct and position % BLOCK == 0)
    _write(writer, data, pieces)
    writer.sync()
    assert (tmp_path / "file").read_bytes() == before + data
    # A piece that comes after that is put behind it.
    writer.write(b"more")
    writer.sync()
    assert (tmp_path / "file").read_bytes() == before + data + b"more"


def test_threads_may_take_turns(fd: int, tmp_path: Path) -> None:
    data = content(4 * MIB)
    writer = opened(fd)
    for at in range(0, len(data), 100_000):
        with ThreadPoolExecutor(1) as thread:
            thread.submit(writer.write, data[at : at + 100_000]).result()
    writer.sync()
    assert (tmp_path / "file").read_bytes() == data


def test_a_file_system_without_it_does_as_well() -> None:
    """One in memory refuses the flag, or takes it and ignores it."""
    data = content(2 * MIB + 5)
    fd = os.memfd_create("file")
    try:
        writer = opened(fd)
        _write(writer, data, [MIB, MIB + 5])
        writer.sync()
        assert os.pread(fd, len(data) + 1, 0) == data
    finally:
        os.close(fd)


def test_one_that_says_so_at_the_first_write(
    fd: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pieces = [1000, MIB, 10, MIB - 1005]
    data = content(sum(pieces))
    pwrite = os.pwrite

    def refusing(fd: int, data: bytes, position: int) -> int:
        if _direct(fd):
            raise OSError(errno.EINVAL, "not with this one")
        return pwrite(fd, data, position)

    monkeypatch.setattr(os, "pwrite", refusing)
    writer = opened(fd)
    _write(writer, data, pieces)
    writer.sync()
    assert not _direct(writer._fd)
    assert (tmp_path / "file").read_bytes() == data


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO])
def test_any_other_failure_is_one(fd: int, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    calls = 0

    def failing(_fd: int, _data: bytes, _position: int) -> int:
        nonlocal calls
        calls += 1
        raise OSError(number, "failed")

    monkeypatch.setattr(os, "pwrite", failing)
    writer = opened(fd)
    with pytest.raises(OSError, match="failed"):
        writer.write(content(MIB))
    assert calls == 1


def test_short_writes_are_gone_on_with(
    fd: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pwrite = os.pwrite
    monkeypatch.setattr(os, "pwrite", lambda fd, data, at: pwrite(fd, data[: 2 * BLOCK], at))
    data = content(MIB)
    writer = opened(fd)
    _write(writer, data, [MIB // 2, MIB // 2])
    writer.sync()
    assert (tmp_path / "file").read_bytes() == data


@pytest.mark.parametrize(
    ("length", "direct"), [(None, True), (DIRECT_FROM, True), (DIRECT_FROM - 1, False)]
)
def test_it_is_for_large_files(fd: int, length: int | None, *, direct: bool) -> None:
    assert _direct(opened(fd, length=length)._fd) is direct
