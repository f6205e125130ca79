"""Run suites: every load on its peers in turns, several rounds.

The order of the peers moves on by one in each round, so that none is always first or last.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from botocore.exceptions import BotoCoreError, ClientError

from bench import measure
from bench.figures import Entrant, Figures, Run, Values
from bench.loads import Load, Step
from bench.peers import Contender, Peer
from bench.programs import UnavailableError
from bench.suites import Suite

_FAILURES = (
    *(OSError, RuntimeError, subprocess.SubprocessError, http.client.HTTPException),
    *(BotoCoreError, ClientError),
)
"""What becomes of a peer that fails: it is left out, and the others go on."""


@dataclass(frozen=True)
class Turns:
    """Runs suites on a disk, and adds to ``run`` what it measures."""

    disk: Path
    rounds: int
    run: Run

    def suite(self, suite: Suite) -> None:
        """Start the peers of a suite, put its loads on them, and stop them."""
        wanted = {name for load in suite.loads for name in load.peers}
        with contextlib.ExitStack() as stack:
            try:
                contenders = stack.enter_context(suite.contenders())
            except UnavailableError as error:
                self._left_out(suite.name, error)
                return
            peers: dict[str, Peer] = {}
            for one in contenders:
                if one.name in wanted:
                    with self._failing(f"{suite.name}: {one.name}"):
                        peers[one.name] = stack.enter_context(self._start(one))
                        self.run.entrants.append(_entrant(suite, one))
            for load in suite.loads:
                if load.fresh:
                    self._fresh(suite, load, [one for one in contenders if one.name in load.peers])
                else:
                    there = {name: peers[name] for name in load.peers if name in peers}
                    self._load(suite, load, there)

    def _start(self, one: Contender) -> contextlib.AbstractContextManager[Peer]:
        return one.start(Path(tempfile.mkdtemp(dir=self.disk)))

    def _fresh(self, suite: Suite, load: Load, contenders: Iterable[Contender]) -> None:
        for one in contenders:
            with self._failing(f"{suite.name}: {one.name}"), self._start(one) as peer:
                self._load(suite, load, {one.name: peer})

    def _load(self, suite: Suite, load: Load, peers: Mapping[str, Peer]) -> None:
        rounds = load.rounds or self.rounds
        table = {
            (step, name): Figures(
                suite.name,
                load.group,
                step.name,
                name,
                step.unit.rate,
                step.unit.per,
                [None] * rounds,
            )
            for step in load.steps
            for name in peers
        }
        self.run.figures += table.values()
        names = list(peers)
        for number in range(rounds):
            turn = number % max(1, len(names))
            for name in names[turn:] + names[:turn]:
                with self._failing(f"{suite.name}: {load.name}: {name}"):
                    load.prepare(peers[name])
                    for step in load.steps:
                        values = _measured(step, peers[name])
                        table[step, name].rounds[number] = values
                        told = f"{values['rate']:,.0f} {step.unit.rate}"
                        print(f"{suite.name}: {step.name}: {name}: {told}", flush=True)
                    load.clean(peers[name])

    @contextlib.contextmanager
    def _failing(self, what: str) -> Iterator[None]:
        try:
            yield
        except _FAILURES as error:
            self._left_out(what, error)

    def _left_out(self, what: str, error: Exception) -> None:
        self.run.failures.append(f"{what}: {error}")
        print(f"left out: {what}: {error}", file=sys.stderr, flush=True)


def _entrant(suite: Suite, one: Contender) -> Entrant:
    return Entrant(
        suite.name, one.name, one.version(), one.setup, one.durable, one.digest, one.private
    )


def _measured(step: Step, peer: Peer) -> Values:
    os.sync()  # what others have left to be written is not to be waited for by this one
    with measure.watched(peer.pids) as cost:
        result = step.run(peer)
    if not result.amount:
        raise RuntimeError("nothing was answered in time")
    seen = {"p50": result.p50, "p99": result.p99, **result.more}
    return {
        "rate": result.rate,
        "errors": result.errors,
        **{name: value for name, value in seen.items() if value is not None},
        **asdict(cost),
        "cpu": cost.cpu / result.amount * step.unit.scale,
    }
