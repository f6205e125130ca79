"""Everything that can go wrong, mixed, for as long as there is time.

``python -m tests.system.faults.torture`` takes ``TORTURE_SECONDS`` (1,800) and ``TORTURE_SEED`` (a
random one) from the environment. It prints the seed and ends with the first broken promise. What
clients ask for and which faults come follow from the seed; the instants at which they meet do not.
"""

from __future__ import annotations

import contextlib
import os
import random
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.support.ceph import ceph_rgw
from tests.system.faults import theatres
from tests.system.faults.fault import Fault
from tests.system.faults.run import Run, ViolationError
from tests.system.faults.theatres import Theatre

ROUNDS = 20
"""In one campaign: on one store, from empty to swept."""


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


def main() -> None:
    """Campaigns in all theatres in turns, until the time is over; a violation exits with 1."""
    seconds = float(os.environ.get("TORTURE_SECONDS", "1800"))
    seed = int(os.environ.get("TORTURE_SEED", random.randrange(2**32)))
    print(f"TORTURE_SEED={seed}", flush=True)
    deadline = time.monotonic() + seconds
    with ceph_rgw() as ceph:
        server = ceph.new_user()
        rota: dict[str, Callable[[Path], contextlib.AbstractContextManager[Theatre]]] = {
            "a small disk": theatres.embedded,
            "S3": lambda room: theatres.on_s3(room, server),
            "a volatile disk": theatres.volatile,
            "failing calls": theatres.failing_calls,
        }
        number = 0
        while time.monotonic() < deadline:
            name, began = f"{seed}/{number}", time.monotonic()
            with tempfile.TemporaryDirectory(prefix="torture-") as room:
                where = list(rota)[number % len(rota)]
                with rota[where](Path(room)) as theatre:
                    try:
                        done = campaign(theatre, name, ROUNDS)
                    except ViolationError as error:
                        print(f"violation in campaign {name}: {error}", flush=True)
                        sys.exit(1)
            took = time.monotonic() - began
            print(f"campaign {name}, {where}: {done}, {took:.0f} s, no violation", flush=True)
            number += 1


if __name__ == "__main__":
    main()
