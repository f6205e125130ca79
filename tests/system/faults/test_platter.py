"""The disk of the tests forgets what a disk may forget, and nothing else."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.system.faults.platter import SURVIVORS, Platter

SIZE = 64 * 1024
SECTOR = 512


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "image"
    path.write_bytes(bytes(SIZE))
    return path


def test_what_was_flushed_is_durable(image: Path) -> None:
    platter = Platter(image)
    platter.write(512, b"a" * 1024)
    assert platter.read(0, SIZE)[512:1536] == b"a" * 1024
    assert image.read_bytes() == bytes(SIZE)
    platter.flush()
    assert image.read_bytes() == platter.read(0, SIZE)
    assert platter.unsynced == 0


@pytest.mark.parametrize("survivors", SURVIVORS)
def test_each_sector_is_one_that_was_written(image: Path, survivors: str) -> None:
    """After a loss the disk reads what is durable, and that is old or new, sector by sector."""
    seen = set()
    for seed in range(30):
        platter = Platter(image)
        platter.write(0, b"f" * SIZE)
        platter.flush()
        for letter in b"abc":
            platter.write(3 * SECTOR, bytes([letter]) * 20 * SECTOR)
        platter.lose(SURVIVORS[survivors], random.Random(seed))
        found = platter.read(0, SIZE)
        assert found == image.read_bytes()
        sectors = {found[start : start + SECTOR] for start in range(0, SIZE, SECTOR)}
        assert all(len(set(sector)) == 1 for sector in sectors)
        seen |= {chr(sector[0]) for sector in sectors}
        assert found[: 3 * SECTOR] + found[23 * SECTOR :] == b"f" * (SIZE - 20 * SECTOR)
    assert seen == set("f" if survivors == "nothing" else "abcf")


def test_the_first_survive_in_their_order(image: Path) -> None:
    for seed in range(30):
        platter = Platter(image)
        for number in range(10):
            platter.write(number * SECTOR, b"n" * SECTOR)
        platter.lose(SURVIVORS["the-first"], random.Random(seed))
        assert set(image.read_bytes().rstrip(b"\0")) <= set(b"n")
        image.write_bytes(bytes(SIZE))
