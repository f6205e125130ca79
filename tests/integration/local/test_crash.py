"""A crash of the embedded store between any two steps leaves the old version or the new one."""

from __future__ import annotations

import asyncio
import json
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from file_uploader.errors import NoSuchFile
from file_uploader.storage.local import LocalStorage
from tests.integration.local.crash import CONTAINER, LARGE, SMALL, prepare
from tests.support.bodies import content
from tests.support.files import read
from tests.support.local_disk import assert_sound, opened
from tests.support.rounds import LONG

ROOT = Path(__file__).parents[3]
EVERY = 1 if LONG else 2
"""A crash before each of so many steps, from a first one that is another in each run."""

BEFORE = {"large": content(LARGE, "old"), "small": content(SMALL, "old")}
AFTER = {
    "create large": {**BEFORE, "new": content(LARGE, "new")},
    "large over large": {**BEFORE, "large": content(LARGE, "new")},
    "small over large": {**BEFORE, "large": content(SMALL, "new")},
    "large over small": {**BEFORE, "small": content(LARGE, "new")},
    "delete large": {"small": BEFORE["small"]},
    "sweep": BEFORE,
}


async def _files(store: LocalStorage) -> dict[str, bytes]:
    found = {}
    for name in ("large", "small", "new"):
        try:
            found[name] = await read(store, CONTAINER, name)
        except NoSuchFile:
            continue
    return found


def _abandon(directory: Path) -> None:
    """Blobs of a process that died: one never finished, and one that became garbage."""
    [some, *_] = (directory / "blobs").glob("??/*")
    for start in ("00", "ff"):
        shutil.copy(some, directory / "blobs" / start / f"{start}{'0' * 14}-{'0' * 16}")
    (directory / "sessions" / ("0" * 16)).touch()


@pytest.fixture
def quick_path(tmp_path: Path) -> Iterator[Path]:
    """A directory in memory where there is one: what survives is up to the crash, not the disk."""
    memory = Path("/dev/shm")
    with TemporaryDirectory(dir=memory if os.access(memory, os.W_OK) else tmp_path) as name:
        yield Path(name)


@pytest.mark.parametrize(
    ("scenario", "mode"),
    [
        ("create large", "power"),
        ("large over large", "kill"),
        ("large over large", "power"),
        ("small over large", "power"),
        ("large over small", "power"),
        ("delete large", "kill"),
        ("delete large", "power"),
        ("sweep", "power"),
    ],
)
async def test_a_crash_at_every_step(quick_path: Path, scenario: str, mode: str) -> None:
    base, out = quick_path / "base", quick_path / "out"
    async with opened(base) as store:
        await prepare(store)
    if scenario == "sweep":
        _abandon(base)
    for shard in (base / "blobs").iterdir():
        if not any(shard.iterdir()):
            shard.rmdir()  # They are made again, faster than they are copied.
    first = random.randint(1, EVERY)
    print(f"crashes before step {first} and every {EVERY} from there on")
    ran = subprocess.run(  # noqa: ASYNC221 - nothing else runs here
        [
            *(sys.executable, "-m", "tests.integration.local.crash", scenario, mode),
            *(f"{first}", f"{EVERY}", base, out),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    crashes = [json.loads(line) for line in ran.stdout.splitlines()]
    assert len(crashes) > 5 / EVERY
    assert crashes[-1]["what"] == "end"
    assert crashes[0]["acknowledged"] is False

    async def check(directory: Path, crash: dict[str, Any]) -> None:
        async with opened(directory) as store:
            found = await _files(store)
            assert found in (BEFORE, AFTER[scenario]), crash
            if crash["acknowledged"]:
                assert found == AFTER[scenario], crash
            assert await read(store, CONTAINER, "bystander") == content(LARGE, "bystander")
            await store.sweep()
        assert_sound(directory)
        assert not list((directory / "sessions").iterdir())

    await asyncio.gather(
        *(check(out / f"{first + EVERY * number}", crash) for number, crash in enumerate(crashes))
    )
