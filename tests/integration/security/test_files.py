"""What is on the disk: nobody else can read it, and no client has a say in where it is."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from file_uploader.storage.s3.buffers.budget import Budget
from tests.support import raw
from tests.support.links import made
from tests.support.names import TRAPS
from tests.support.raw import Connection
from tests.support.service import LocalBackend, Service, service
from tests.support.stored import begin, put

LARGE = b"x" * 40_000
NAMES = re.compile(
    r"index\.db(-wal|-shm)?|(alarm|backup|checkpoint|sweep|turn|write)\.lock|link\.key|sessions(/[0-9a-f]{16})?"
    r"|blobs(/[0-9a-f]{2}(/[0-9a-f]{16}-[0-9a-f]{16})?)?"
)
"""All that there is in a data directory, by its path in there."""


def _fill(running: Service) -> None:
    """Have everything made that the store ever makes."""
    put(running, {"small": ("text/plain", b"x"), "large": ("text/plain", LARGE)})
    begin(running, "begun", LARGE, 2 * len(LARGE))
    made(running, "small")


def _modes(directory: Path) -> dict[str, int]:
    """The mode of everything in a directory, by its path in there."""
    return {
        str(path.relative_to(directory)): stat.S_IMODE(path.lstat().st_mode)
        for path in directory.rglob("*")
    }


@pytest.fixture
def unmasked() -> Iterator[None]:
    """Takes nothing away from the modes that a process asks for, as the service inherits it."""
    before = os.umask(0)
    yield
    os.umask(before)


@pytest.mark.parametrize("there", [None, 0o777])
@pytest.mark.usefixtures("unmasked")
def test_only_the_owner_can_read(there: int | None, tmp_path: Path, log: Path) -> None:
    """Where no mask helps, and also in a directory that was there before and lets others in."""
    directory = tmp_path / "data"
    if there is not None:
        directory.mkdir()
        directory.chmod(there)
    with service(LocalBackend(directory), log) as running:
        _fill(running)
        modes = _modes(directory)
    modes |= _modes(directory)
    assert {name.split("/")[0] for name in modes} >= {"index.db", "blobs", "sessions", "link.key"}
    assert any(re.fullmatch("blobs/../.+", name) for name in modes)
    for name, mode in modes.items():
        assert mode & 0o077 == 0, (name, oct(mode))
    if there is None:
        assert stat.S_IMODE(directory.stat().st_mode) == 0o700


def _outside(directory: Path, data: Path) -> dict[str, tuple[int, int]]:
    """Everything beside the data, with size and time."""
    found = {}
    for path in directory.rglob("*"):
        if path != data and data not in path.parents and path.name != "service.log":
            found[str(path)] = (path.lstat().st_size, path.lstat().st_mtime_ns)
    return found


def test_no_name_of_a_clients_is_a_path(tmp_path: Path, log: Path) -> None:
    """Not of a file, an upload, its metadata, nor a container: all of the names here are valid."""
    data, beside = tmp_path / "data", tmp_path / "beside"
    beside.mkdir()
    (beside / "file").write_text("untouched")
    names = [
        *TRAPS,
        "~root/x",
        "c:x",
        "\\\\host\\share",
        "aux",
        "con",
        "nul:",
        "-rf",
        "|id",
        "a\u2044b",
    ]
    names += [f"{deep}{beside}/file".replace("//", "/").lstrip("/") for deep in ("", "x", "...")]
    with service(LocalBackend(data), log) as running:
        before = _outside(tmp_path, data)
        put(running, dict.fromkeys(names, ("text/../../plain", LARGE)))
        for name in names[:20]:
            begin(running, name, LARGE, 2 * len(LARGE))
        for token in ("..", "../..", str(beside), "%2e%2e%2f"):
            with Connection(running.port) as client:
                client.send(raw.head("GET", "/api/files", token))
                assert client.read_answer().status == 401
        for path in (f"/api/files/{quote('../' * 9)}{beside}/file", "/api/uploads/../../link.key"):
            with Connection(running.port) as client:
                client.send(raw.head("GET", path, running.token))
                assert client.read_answer().status in (400, 404)
        assert _outside(tmp_path, data) == before
        assert all(NAMES.fullmatch(name) for name in _modes(data)), _modes(data)


def test_links_on_the_disk_lead_nobody_astray(tmp_path: Path, log: Path) -> None:
    """Neither to write elsewhere nor to read from there, at the places that have a fixed name.

    The directory itself may be one.
    """
    disk, data, victim = tmp_path / "disk", tmp_path / "data", tmp_path / "victim"
    victim.write_bytes(b"v" * 32)
    victim.chmod(0o600)
    disk.mkdir(mode=0o700)
    data.symlink_to(disk)
    (data / "link.key.new").symlink_to(victim)
    with service(LocalBackend(data), log) as running:
        _fill(running)
    assert victim.read_bytes() == b"v" * 32
    assert (data / "link.key").read_bytes() != b"v" * 32
    assert not (data / "link.key").is_symlink()
    assert (disk / "index.db").exists()


def test_the_spool_has_no_name(tmp_path: Path) -> None:
    """So that nobody can open it, whatever the directory allows; a crash leaves nothing there."""
    tmp_path.chmod(0o777)
    descriptors = Path("/proc/self/fd")
    before, mask = set(descriptors.iterdir()), os.umask(0)
    room = Budget(memory=2**24, spool=2**24, spool_dir=tmp_path, overhead=0)
    try:
        opened = [
            (str(each.readlink()), os.fstat(int(each.name)))
            for each in set(descriptors.iterdir()) - before
            if each.is_symlink()
        ]
        ours = [found for path, found in opened if path.startswith(str(tmp_path))]
        assert [(found.st_nlink, found.st_mode & 0o077) for found in ours] == [(0, 0)]
        assert list(tmp_path.iterdir()) == []
    finally:
        room.close()
        os.umask(mask)
