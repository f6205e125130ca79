"""``sweep``, and a look at what it would remove."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest

from file_uploader.model.names import FileName
from file_uploader.model.uploads import UploadPlan
from file_uploader.storage.local.locks import FileLock
from file_uploader.uploads.rules import Uploads
from tests.contract.stores import LocalPlace, Place
from tests.contract.uploading import begun, piece
from tests.integration.cli.filling import filled
from tests.support.bodies import KIB, content
from tests.support.command import RunsHere, command
from tests.support.files import new_container

DEAD = "0" * 16


async def test_it_tells_what_goes_and_what_would_go(place: Place, here: RunsHere) -> None:
    await filled(place)
    expiry = timedelta(seconds=1)
    store = await place.open()
    dying = Uploads(store, expiry=expiry)
    owner = new_container()
    upload_id = await begun(dying, owner, 10 * KIB, UploadPlan(FileName("dying")))
    await dying.append(owner, upload_id, piece(content(3 * KIB)), offset=0)
    await dying.aclose()
    run = here({**place.settings, "UPLOAD_EXPIRY": "1s"})
    removed = {"uploads": {"count": 1, "bytes": 3 * KIB}}
    if isinstance(place, LocalPlace):
        left = place.directory / "blobs" / "ab" / f"ab{'0' * 14}-{DEAD}"
        left.write_bytes(bytes(1000))
        removed["unfinished"] = {"count": 1, "bytes": 1000}
    await asyncio.sleep(2.5)
    for _ in range(2):
        done = await run("sweep", "--dry-run", "--json")
        assert (done.status, done.err) == (0, "")
        assert done.json == [{"dry_run": True, "removed": removed, "failed": 0}]
    told = await run("sweep", "--dry-run")
    line = "would remove 1 uploads that have expired or were cancelled (3.0 KiB)"
    assert told.out.splitlines()[0] == line
    done = await run("sweep", "--json")
    assert (done.status, done.json) == (
        0,
        [{"dry_run": False, "removed": removed, "failed": 0}],
    )
    told = await run("sweep")
    assert (told.status, told.out) == (0, "nothing to remove\n")


@pytest.mark.parametrize("place", ["local"], indirect=True)
async def test_beside_another_one_it_does_nothing(place: LocalPlace, tmp_path: Path) -> None:
    await place.open()
    lock = FileLock(place.directory / "sweep.lock")
    assert lock.try_acquire()
    done = command("sweep", settings=place.settings, cwd=tmp_path)
    assert (done.status, done.out) == (3, "")
    assert done.err == "file-uploader: Another process sweeps just now.\n"
    lock.close()
