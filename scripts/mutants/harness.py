"""Runs suites on mutants: in trees that are made for it, within limits taken from the unmutated."""

from __future__ import annotations

import contextlib
import json
import queue
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path

from .coverage_map import CoverageMap
from .drawing import Mutant
from .running import Limits, Outcome, Runner
from .suites import Run, Suite
from .trees import NotThereError, Tree, replaced

FACTOR = 3
"""How many times as long as unmutated tests may take, and `GRACE` seconds more."""

GRACE = 60.0


class TreeHarness:
    """A suite, in one tree for each job."""

    def __init__(
        self,
        suite: Suite,
        runner: Runner,
        trees: Sequence[Tree],
        *,
        into: Path,
        say: Callable[[str], None],
        grace: float = GRACE,
    ) -> None:
        self.suite = suite
        self._runner = runner
        self._trees = trees
        self._into = into
        self._say = say
        self._grace = grace
        self._free: queue.Queue[Tree] = queue.Queue()
        for tree in trees:
            self._free.put(tree)
        self._seconds: dict[Run, Mapping[str, float]] = {}
        self._whole: dict[Run, float] = {}

    def has(self, mutant: Mutant) -> bool:
        """Whether the tree has the lines of a mutant."""
        try:
            replaced(self._trees[0].text(mutant.file), mutant)
        except NotThereError:
            return False
        return True

    def covering(self, mutant: Mutant) -> list[str]:
        """The tests of the suite's first run that execute a mutant, as far as that is known."""
        tree = self._trees[0]
        if not tree.is_as_drawn(mutant):
            self._say(f"{mutant.id}: {mutant.file} is another in {self.suite.tree}")
            return []
        return self._map.tests(mutant)

    def run(
        self, mutants: Sequence[Mutant], run: Run, tests: Sequence[str] | None, failures: int
    ) -> Outcome:
        """Run tests on mutants, in the first tree that is free."""
        with self._tree() as tree, tree.mutated(mutants):
            return self._runner.run(
                tree.path,
                run if tests is None else run.serial,
                tests=tests,
                limits=self._limits(run, tests),
                failures=failures,
                environment=self.suite.environment,
            )

    def measure(self, run: Run) -> None:
        """Run it without mutants, unless that is known. Raises `ValueError` if it fails."""
        path = self._into / "unmutated.json"
        known = json.loads(path.read_text()) if path.exists() else {}
        name = f"{self.suite.name}: {run.name}"
        commit = self._trees[0].commit
        if known.get(name, {}).get("commit") != commit:
            self._say(f"{name}: without mutants")
            with self._tree() as tree:
                found = self._runner.run(
                    tree.path, run, failures=10, environment=self.suite.environment
                )
            if not found.passed:
                raise ValueError(f"{name} fails without mutants: {' '.join(found.failed)}")
            known[name] = {"commit": commit, "seconds": found.seconds, "tests": found.tests}
            path.write_text(json.dumps(known))
        self._whole[run] = known[name]["seconds"]
        self._seconds[run] = known[name]["tests"]

    def map(self) -> None:
        """Note which tests of the suite's first run execute which lines, for `CoverageMap`."""
        run = self.suite.runs[0].serial
        with self._tree() as tree:
            self._runner.run(
                tree.path,
                Run((*run.options, "-p", "mutants_map"), run.paths),
                failures=0,
                environment={
                    **self.suite.environment,
                    "MUTANTS_PACKAGE": "file_uploader",
                    "MUTANTS_MAP": str(CoverageMap.path(self._into, self.suite.name)),
                },
            )

    @cached_property
    def _map(self) -> CoverageMap:
        return CoverageMap(self._into, self.suite.name)

    @contextlib.contextmanager
    def _tree(self) -> Iterator[Tree]:
        tree = self._free.get()
        try:
            yield tree
        finally:
            self._free.put(tree)

    def _limits(self, run: Run, tests: Sequence[str] | None) -> Limits:
        seconds = self._seconds[run]
        whole = self._whole[run]
        if tests is not None:
            chosen = set(tests)
            seconds = {
                test: taken
                for test, taken in seconds.items()
                if test in chosen or test.partition("[")[0] in chosen
            }
            whole = sum(seconds.values())
        longest = max(seconds.values(), default=0.0)
        each = {test: FACTOR * taken + self._grace / 2 for test, taken in seconds.items()}
        each[""] = FACTOR * longest + self._grace / 2
        return Limits(FACTOR * whole + self._grace, FACTOR * longest + self._grace, each)
