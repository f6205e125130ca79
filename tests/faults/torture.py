"""Everything that can go wrong, mixed, for as long as there is time.

``python -m tests.faults.torture`` takes ``TORTURE_SECONDS`` (1,800) and ``TORTURE_SEED`` (a random
one) from the environment. It prints the seed and ends with the first broken promise. What clients
ask for and which faults come follow from the seed; the instants at which they meet do not.
"""

from __future__ import annotations

import contextlib
import os
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.faults import process
from tests.faults.cluster import Cluster
from tests.faults.fault import Fault
from tests.faults.run import Run, ViolationError
from tests.support.ceph import ceph_rgw
from tests.support.s3_servers import S3Server
from tests.support.service import LocalBackend, S3Backend

ROUNDS = 20
"""In one campaign: on one store, from empty to swept."""

_SETTINGS = {"UPLOAD_EXPIRY": "1h"}


@dataclass(frozen=True)
class Theatre:
    """Where a campaign takes place, and the faults that can come there."""

    cluster: Cluster
    faults: Sequence[Fault]


def campaign(theatre: Theatre, seed: str, rounds: int) -> str:
    """So many rounds of faults beside traffic, and a sweep; returns what there was.

    Raises `ViolationError`.
    """
    run = Run(theatre.cluster, seed)
    with theatre.cluster.running():
        _round(run, ())
        run.check_nothing_left()
        for number in range(rounds):
            faults = run.chance.sample(theatre.faults, run.chance.choice((1, 1, 2)))
            try:
                _round(run, faults)
            except BaseException:
                print(f"seed {seed}, round {number}: {_named(faults)}", flush=True)
                raise
        run.check_swept()
    return f"{rounds} rounds, {run.acknowledged} acknowledged writes"


def _round(run: Run, faults: Sequence[Fault]) -> None:
    run.manners.tolerated = frozenset[int]().union(*(fault.tolerates for fault in faults))
    with run.traffic():
        for fault in faults:
            # Nothing to wait for: the moments are random ones.
            time.sleep(run.chance.uniform(0.1, 0.5))
            fault.inject(run.cluster, run.chance)
        time.sleep(run.chance.uniform(0.1, 0.5))
    run.check()


def _named(faults: Sequence[Fault]) -> str:
    return " and ".join(fault.name for fault in faults)


@contextlib.contextmanager
def _embedded() -> Iterator[Theatre]:
    with tempfile.TemporaryDirectory(prefix="torture-") as name:
        directory = Path(name)
        backend = LocalBackend(directory / "data")
        cluster = Cluster(backend, directory, nodes=1, workers=2, settings=_SETTINGS)
        yield Theatre(cluster, process.FAULTS)


@contextlib.contextmanager
def _on_s3(server: S3Server) -> Iterator[Theatre]:
    with tempfile.TemporaryDirectory(prefix="torture-") as name:
        bucket = server.fresh_bucket()
        backend = S3Backend(server, bucket)
        cluster = Cluster(backend, Path(name), nodes=2, workers=1, settings=_SETTINGS)
        yield Theatre(cluster, process.FAULTS)
        server.remove_bucket(bucket)


def main() -> None:
    """Campaigns on both stores in turns, until the time is over; exits with 1 after a violation."""
    seconds = float(os.environ.get("TORTURE_SECONDS", "1800"))
    seed = int(os.environ.get("TORTURE_SEED", random.randrange(2**32)))
    print(f"TORTURE_SEED={seed}", flush=True)
    deadline = time.monotonic() + seconds
    with ceph_rgw() as ceph:
        server = ceph.new_user()
        theatres: list[Callable[[], contextlib.AbstractContextManager[Theatre]]] = [
            _embedded,
            lambda: _on_s3(server),
        ]
        number = 0
        while time.monotonic() < deadline:
            began = time.monotonic()
            name = f"{seed}/{number}"
            with theatres[number % len(theatres)]() as theatre:
                try:
                    done = campaign(theatre, name, ROUNDS)
                except ViolationError as error:
                    print(f"violation in campaign {name}: {error}", flush=True)
                    sys.exit(1)
                print(
                    f"campaign {name} on {theatre.cluster.backend.name}: {done},"
                    f" {time.monotonic() - began:.0f} s, no violation",
                    flush=True,
                )
            number += 1


if __name__ == "__main__":
    main()
