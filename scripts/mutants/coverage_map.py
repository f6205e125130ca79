"""Which tests execute which lines, as the plugin ``mutants_map`` has noted it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from .drawing import Mutant

BUDGET = 60.0
"""Seconds of tests, at most, that one mutant is tried on alone: the quickest of all that could."""

_IMPORT = 0
"""The number of the empty name, which stands for what is executed outside of all tests."""


class CoverageMap:
    """What `harness.TreeHarness.map` has written for a suite; nothing if it has not."""

    def __init__(self, into: Path, suite: str) -> None:
        path = self.path(into, suite)
        said: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
        self._tests: list[str] = said.get("tests", [])
        self._seconds: dict[str, float] = said.get("seconds", {})
        self._lines: dict[str, dict[str, list[int]]] = said.get("lines", {})

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
        statement = map(str, range(mutant.first, mutant.last + 1))
        found = {number for line in statement for number in lines.get(line, [])}
        if found == {_IMPORT}:
            found = {number for numbers in lines.values() for number in numbers}
        names = [self._tests[number] for number in found - {_IMPORT}]
        chosen: list[str] = []
        left = BUDGET
        for test in sorted(names, key=lambda name: (self._seconds[name], name)):
            left -= self._seconds[test]
            if left < 0 and chosen:
                break
            chosen.append(test)
        return chosen
