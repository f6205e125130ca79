"""What has come of mutants so far: a file that grows, so that a run can be stopped at any time."""

from __future__ import annotations

import dataclasses
import json
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

KILLED, TIMEOUT, LIVES, NOT_THERE = "killed", "timeout", "lives", "not there"

COVERING = "the tests that execute the line"
"""The name of the run that comes before those of a suite."""


@dataclass(frozen=True)
class Verdict:
    """What a run of a suite made of a mutant, ``by`` which tests.

    ``outcome`` is `KILLED`, `TIMEOUT` (killed too: something hangs), `LIVES`, or `NOT_THERE` where
    the tree of the suite has no such lines.
    """

    mutant: str
    suite: str
    run: str
    outcome: str
    by: tuple[str, ...] = ()


class Verdicts:
    """All verdicts, in a file of JSON lines. May be used by several threads."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._of: dict[tuple[str, str], dict[str, Verdict]] = {}
        if path.exists():
            for line in path.read_text().splitlines():
                said = json.loads(line)
                self._keep(Verdict(**{**said, "by": tuple(said["by"])}))

    def add(self, verdict: Verdict) -> None:
        """Keep one."""
        with self._lock, self._path.open("a") as file:
            file.write(f"{json.dumps(dataclasses.asdict(verdict))}\n")
            self._keep(verdict)

    def last(self, mutant: str, suite: str) -> Verdict | None:
        """The verdict that ends what a suite has to say of a mutant, if there is one."""
        found = self._of.get((mutant, suite), {}).values()
        return next((verdict for verdict in found if verdict.outcome != LIVES), None)

    def is_killed(self, mutant: str, suite: str) -> bool:
        """Whether a suite has killed a mutant."""
        verdict = self.last(mutant, suite)
        return verdict is not None and verdict.outcome in {KILLED, TIMEOUT}

    def is_decided(self, mutant: str, suite: str, run: str) -> bool:
        """Whether a run of a suite has nothing to say of a mutant that is not known."""
        return self.last(mutant, suite) is not None or self.lives(mutant, suite, [run])

    def lives(self, mutant: str, suite: str, runs: Iterable[str]) -> bool:
        """Whether a mutant has outlived all of these runs of a suite."""
        return set(runs) <= {
            run
            for run, verdict in self._of.get((mutant, suite), {}).items()
            if verdict.outcome == LIVES
        }

    def _keep(self, verdict: Verdict) -> None:
        self._of.setdefault((verdict.mutant, verdict.suite), {})[verdict.run] = verdict
