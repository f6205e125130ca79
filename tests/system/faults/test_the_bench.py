"""The bench finds the bugs that are put in on purpose."""

from __future__ import annotations

import random
import time
from pathlib import Path

import pytest

from tests.support.service import Backend, LocalBackend, S3Backend
from tests.system.faults import bugs
from tests.system.faults.bugs import Bug
from tests.system.faults.cluster import Cluster
from tests.system.faults.run import Run, ViolationError

PATIENCE = 120.0
"""Seconds within which a bug has to be found; as a rule it takes one or two rounds."""


@pytest.mark.parametrize("bug", bugs.EMBEDDED, ids=lambda bug: bug.name)
def test_a_bug_of_the_embedded_store_is_found(bug: Bug, tmp_path: Path) -> None:
    _hunt(bug, LocalBackend(tmp_path / "data"), tmp_path)


@pytest.mark.parametrize("bug", bugs.ON_S3, ids=lambda bug: bug.name)
def test_a_bug_on_s3_is_found(bug: Bug, ceph_backend: S3Backend, tmp_path: Path) -> None:
    _hunt(bug, ceph_backend, tmp_path)


def _hunt(bug: Bug, backend: Backend, directory: Path) -> None:
    tree = bug.copy_into(directory)
    cluster = Cluster(
        backend, directory, nodes=1, workers=2, settings={"UPLOAD_EXPIRY": "1h"}, tree=tree
    )
    seed = str(random.randrange(2**32))
    print(f"seed {seed}")
    run = Run(cluster, seed)
    with cluster.running(), pytest.raises(ViolationError) as found:
        _search(run, time.monotonic())
    print(found.value)


def _search(run: Run, began: float) -> None:
    while time.monotonic() < began + PATIENCE:
        with run.traffic():
            time.sleep(2)
        run.check()
        run.check_nothing_left(patience=5)
        for _ in range(3):
            with run.traffic():
                time.sleep(0.5)
                run.cluster.kill()
            run.cluster.start()
            run.check()
        run.check_swept()
        run.cluster.stop()
        run.cluster.start()
