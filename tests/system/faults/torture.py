"""Everything that can go wrong, mixed, for as long as there is time.

``python -m tests.system.faults.torture`` takes ``TORTURE_SECONDS`` (1,800) and ``TORTURE_SEED`` (a
random one) from the environment. It prints the seed and ends with the first broken promise. What
clients ask for and which faults come follow from the seed; the instants at which they meet do not.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
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


@dataclass(frozen=True)
class Done:
    """A campaign that is over; its name repeats what clients asked for, and which faults came."""

    name: str
    theatre: str
    said: str
    seconds: float

    def __str__(self) -> str:
        return f"campaign {self.name}, {self.theatre}: {self.said}, {self.seconds:.0f} s"


def campaigns(seed: int, seconds: float) -> Iterator[Done]:
    """Campaigns in all theatres in turns, none of which begins after so many seconds.

    Raises `ViolationError` with the name of the campaign.
    """
    deadline = time.monotonic() + seconds
    with ceph_rgw() as ceph:
        server = ceph.new_user()
        rota: dict[str, Callable[[Path], contextlib.AbstractContextManager[Theatre]]] = {
            "a small disk": theatres.embedded,
            "S3": lambda room: theatres.on_s3(room, server),
            "a volatile disk": theatres.volatile,
            "failing calls": theatres.failing_calls,
        }
        for number, where in enumerate(itertools.cycle(rota)):
            began = time.monotonic()
            if began > deadline:
                return
            name = f"{seed}/{number}"
            with (
                tempfile.TemporaryDirectory(prefix="torture-") as room,
                rota[where](Path(room)) as theatre,
            ):
                try:
                    said = campaign(theatre, name, ROUNDS)
                except ViolationError as error:
                    raise ViolationError(f"campaign {name}, {where}: {error}") from error
            yield Done(name, where, said, time.monotonic() - began)


def main() -> None:
    """Campaigns until the time is over; a violation exits with 1."""
    seconds = float(os.environ.get("TORTURE_SECONDS", "1800"))
    seed = int(os.environ.get("TORTURE_SEED", random.randrange(2**32)))
    print(f"TORTURE_SEED={seed}", flush=True)
    try:
        for done in campaigns(seed, seconds):
            print(f"{done}, no violation", flush=True)
    except ViolationError as error:
        sys.exit(f"violation in {error}")


if __name__ == "__main__":
    main()
