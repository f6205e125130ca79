"""Which tests execute which lines, as the plugin ``mutants_map`` has noted it."""

from __future__ import annotations

import json
from pathlib import Path

from .drawing import Mutant

BUDGET = 60.0
"""Seconds of tests, at most, that one mutant is tried on alone: the quickest of all that could."""


class CoverageMap:
    """What `harness.TreeHarness.map` has written for a suite; nothing if it has not."""

    def __init__(self, into: Path, suite: str) -> None:
        path = self.path(into, suite)
        said = json.loads(path.read_text()) if path.exists() else {"seconds": {}, "lines": {}}
        self._seconds: dict[str, float] = said["seconds"]
        self._lines: dict[str, dict[str, list[str]]] = said["lines"]

    @staticmethod
    def path(into: Path, suite: str) -> Path:
        """Where it is."""
        return into / f"map-{suite}.json"

    def tests(self, mutant: Mutant) -> list[str]:
        """The tests that execute the statement which a mutant changes, quickest first.

        What is executed when the module is imported has no tests of its own: for this it is those
        of the whole module.
        """
        lines = self._lines.get(mutant.file, {})
        statement = set(map(str, range(mutant.first, mutant.last + 1)))
        found = {test for line in statement & lines.keys() for test in lines[line]}
        if found == {""}:
            found = {test for tests in lines.values() for test in tests}
        chosen: list[str] = []
        left = BUDGET
        for test in sorted(found - {""}, key=lambda name: (self._seconds.get(name, 0.0), name)):
            left -= self._seconds.get(test, 0.0)
            if left < 0 and chosen:
                break
            chosen.append(test)
        return chosen
