"""Mutants are tried on a suite: each alone on few tests, and what lives, many at once on all.

A whole suite takes minutes, so those that live so far are in one tree while it runs. If it passes,
all of them live. If not, the tests that have failed are few, and they alone are run again on ever
smaller halves, until it is known which mutants they kill; the others are tried again.

A mutant may hide another: so no two in one tree are in the same function. Where one hides another
nevertheless, that one is said to live although a test could kill it, never the reverse: what is
said to be killed has failed tests alone, and not for the first time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from .drawing import Mutant, separate
from .running import Outcome
from .suites import Run, Suite
from .verdicts import COVERING, KILLED, LIVES, NOT_THERE, TIMEOUT, Verdict, Verdicts

FAILURES = 10
"""With so many failures, a run of many mutants ends: that is enough to find some of them."""


class Harness(Protocol):
    """Runs a suite's tests on mutants."""

    def has(self, mutant: Mutant) -> bool:
        """Whether the suite's tree has the lines of a mutant."""
        ...

    def covering(self, mutant: Mutant) -> list[str]:
        """The tests of the suite's first run that execute a mutant, as far as that is known."""
        ...

    def run(
        self, mutants: Sequence[Mutant], run: Run, tests: Sequence[str] | None, failures: int
    ) -> Outcome:
        """Run all or these tests, on all of these mutants at once, until so many have failed."""
        ...


class Trial:
    """One suite. It can be gone on with: what has a verdict is not tried again."""

    def __init__(
        self, suite: Suite, harness: Harness, verdicts: Verdicts, say: Callable[[str], None]
    ) -> None:
        self._suite = suite
        self._harness = harness
        self._verdicts = verdicts
        self._say = say

    def on_covering(self, mutant: Mutant) -> None:
        """Try one mutant on the tests that execute it, of the suite's first run."""
        if self._verdicts.is_decided(mutant.id, self._suite.name, COVERING):
            return
        if not self._harness.has(mutant):
            self._decide(mutant, COVERING, NOT_THERE)
        elif tests := self._harness.covering(mutant):
            run = self._suite.runs[0]
            outcome = self._harness.run([mutant], run, tests, 1)
            if not outcome.passed and not outcome.timeout:
                outcome = self._harness.run([mutant], run, outcome.failed or tests, 1)
            self._judge(mutant, COVERING, outcome)

    def groups(self, mutants: Iterable[Mutant], run: Run) -> list[list[Mutant]]:
        """The mutants that a run has to decide, in groups of which each can be in one tree."""
        name = self._suite.name
        return separate(m for m in mutants if not self._verdicts.is_decided(m.id, name, run.name))

    def on_all(self, run: Run, group: Sequence[Mutant]) -> None:
        """Try mutants together on a whole run, until each is decided."""
        while group:
            self._say(f"{self._suite.name}: {len(group)} at once on {run.name}")
            outcome = self._harness.run(group, run, None, FAILURES)
            killed = [] if outcome.passed else self._killed_by(outcome.failed, group, run)
            if len(group) == 1 and not (outcome.passed or killed):
                # No test that fails each time, so let it fail as a whole, twice.
                outcome = self._harness.run(group, run, None, FAILURES)
            if outcome.passed or len(group) == 1:
                for mutant in group:
                    if mutant not in killed:
                        self._judge(mutant, run.name, outcome)
                return
            if not killed:
                half = len(group) // 2
                self.on_all(run, group[:half])
                group = group[half:]
            group = [mutant for mutant in group if mutant not in killed]

    def _killed_by(self, tests: Sequence[str], group: Sequence[Mutant], run: Run) -> list[Mutant]:
        """Find those that each fail these tests alone."""
        outcome = self._harness.run(group, run, tests, 1) if tests else None
        if outcome is None or outcome.passed:
            return []
        if len(group) == 1:
            self._judge(group[0], run.name, outcome)
            return list(group)
        half = len(group) // 2
        return [
            *self._killed_by(tests, group[:half], run),
            *self._killed_by(tests, group[half:], run),
        ]

    def _judge(self, mutant: Mutant, run: str, outcome: Outcome) -> None:
        if outcome.passed:
            self._decide(mutant, run, LIVES)
        else:
            self._decide(mutant, run, TIMEOUT if outcome.timeout else KILLED, outcome.failed[:3])

    def _decide(self, mutant: Mutant, run: str, outcome: str, by: Sequence[str] = ()) -> None:
        self._verdicts.add(Verdict(mutant.id, self._suite.name, run, outcome, tuple(by)))
        self._say(f"{self._suite.name}: {mutant.id} {mutant.file}:{mutant.line} {outcome}")
