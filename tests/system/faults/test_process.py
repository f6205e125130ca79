"""Kills, hangs and stops of the service in the middle of mixed traffic break no promise."""

from __future__ import annotations

import random
import statistics
import time
from pathlib import Path

import pytest

from tests.support.rounds import rounds
from tests.support.service import LocalBackend, S3Backend
from tests.system.faults.cluster import Cluster
from tests.system.faults.process import FAULTS, KILL_ALL
from tests.system.faults.run import Run

SETTINGS = {"UPLOAD_EXPIRY": "1h"}
SLOWER = 1.5
"""Times as long as a start takes behind a stop may one take behind a crash, whatever that left."""


@pytest.fixture
def seed() -> str:
    chosen = str(random.randrange(2**32))
    print(f"seed {chosen}")
    return chosen


def test_kills_of_everything(tmp_path: Path, seed: str) -> None:
    backend = LocalBackend(tmp_path / "data")
    cluster = Cluster(backend, tmp_path, nodes=1, workers=2, settings=SETTINGS)
    starts, usual = _kill(cluster, seed, rounds(5, 1000), stops=5)
    assert statistics.median(starts) < SLOWER * statistics.median(usual), (starts, usual)


def test_kills_of_everything_on_s3(ceph_backend: S3Backend, tmp_path: Path, seed: str) -> None:
    cluster = Cluster(ceph_backend, tmp_path, nodes=2, workers=1, settings=SETTINGS)
    _kill(cluster, seed, rounds(2, 100), stops=1, patience=5)


def test_all_that_happens_to_processes(tmp_path: Path, seed: str) -> None:
    backend = LocalBackend(tmp_path / "data")
    cluster = Cluster(backend, tmp_path, nodes=1, workers=2, settings=SETTINGS)
    _happen(cluster, seed, rounds(1, 20))


def test_all_that_happens_to_processes_on_s3(
    ceph_backend: S3Backend, tmp_path: Path, seed: str
) -> None:
    cluster = Cluster(ceph_backend, tmp_path, nodes=2, workers=1, settings=SETTINGS)
    _happen(cluster, seed, rounds(1, 5))


def _kill(
    cluster: Cluster, seed: str, count: int, stops: int, patience: float = 1
) -> tuple[list[float], list[float]]:
    """Kill it so often; return the seconds that each start took, and those behind ``stops``.

    Traffic goes on for ``patience`` times half a second in between.
    """
    run = Run(cluster, seed)
    starts, usual = [], []
    with cluster.running():
        for number in range(count):
            if number % max(1, count // stops) == 0:
                cluster.stop()
                usual.append(cluster.start())
            with run.traffic():
                # Nothing to wait for: the moment has to be a random one.
                time.sleep(run.chance.uniform(0.2, 0.6) * patience)
                cluster.kill()
            starts.append(cluster.start())
            run.check()
        run.check_swept()
    print(f"{count} kills, {run.acknowledged} acknowledged writes, slowest start {max(starts):.2f}")
    assert run.acknowledged > 5 * count
    return starts, usual


def _happen(cluster: Cluster, seed: str, count: int) -> None:
    run = Run(cluster, seed)
    with cluster.running():
        with run.traffic():
            time.sleep(1)
        run.check()
        run.check_nothing_left()
        for fault in [each for each in FAULTS if each is not KILL_ALL] * count:
            run.manners.tolerated = fault.tolerates
            with run.traffic():
                time.sleep(run.chance.uniform(0.1, 0.4))
                fault.inject(cluster, run.chance)
                time.sleep(0.1)
            run.check()
        run.check_swept()
    print(f"{run.acknowledged} acknowledged writes")
    assert "Traceback" not in cluster.log()
