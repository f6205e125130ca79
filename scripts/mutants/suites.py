"""Suites of tests: named, in a tree, and run by one or several calls of pytest."""

from __future__ import annotations

import shlex
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
SUITES = Path(__file__).with_name("suites.toml")


@dataclass(frozen=True)
class Run:
    """A call of pytest: its options, and the paths of tests that a part of them can replace."""

    options: tuple[str, ...]
    paths: tuple[str, ...]

    @property
    def name(self) -> str:
        """The call, as one would write it."""
        return shlex.join([*self.options, *self.paths])

    @property
    def serial(self) -> Run:
        """The same in one process: for few tests, starting more takes longest."""
        parallel = any(option.startswith("-n") for option in self.options)
        return Run((*self.options, "-n", "0"), self.paths) if parallel else self


@dataclass(frozen=True)
class Suite:
    """Tests in ``tree``, a checkout with nothing to commit; ``title`` is for the report."""

    name: str
    title: str
    tree: Path
    environment: Mapping[str, str]
    runs: tuple[Run, ...]


def load(path: Path = SUITES) -> dict[str, Suite]:
    """Read suites from a TOML file; their trees are relative to this checkout.

    Raises `ValueError` and `KeyError` where it is not as it has to be.
    """
    return {name: _suite(name, said) for name, said in tomllib.loads(path.read_text()).items()}


def _suite(name: str, said: Mapping[str, Any]) -> Suite:
    return Suite(
        name=name,
        title=said["title"],
        tree=ROOT / said.get("tree", "."),
        environment=said.get("environment", {}),
        runs=tuple(
            Run(tuple(shlex.split(run.get("options", ""))), tuple(run["paths"]))
            for run in said["runs"]
        ),
    )
