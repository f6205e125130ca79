"""Measure this service and what people use otherwise, and write down what was found.

A run of everything writes its tables into docs/benchmarks.md; any other one only prints them.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from bench import report
from bench.clients import MIB
from bench.figures import Run
from bench.loads import Load
from bench.machine import described
from bench.programs import leave_on_signals
from bench.suites import Suite, full, quick
from bench.turns import Turns
from tests.support.service import ROOT

DOCS = ROOT / "docs" / "benchmarks.md"
FIGURES = ROOT / "build" / "bench" / "figures.json"


def main() -> None:
    """Measure, and write figures and tables."""
    options = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    options.add_argument("--quick", action="store_true", help="less of everything: 3 minutes")
    options.add_argument("--only", default="", help="loads whose names hold this")
    options.add_argument("--peers", default="", help="peers by name, separated by commas; else all")
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--disk", type=Path, default=Path.cwd(), help="where the servers store")
    options.add_argument("--json", type=Path, default=FIGURES, help="where the figures go")
    chosen = options.parse_args()
    leave_on_signals()
    began = time.monotonic()
    run = Run({**described(chosen.disk), "rounds": str(chosen.rounds)})
    with (
        tempfile.TemporaryDirectory(dir="/dev/shm") as memory,
        tempfile.TemporaryDirectory(prefix="bench-", dir=chosen.disk) as disk,
    ):
        Path(disk).chmod(0o755)
        source = Path(memory) / "source.bin"
        with source.open("wb") as file:
            for _ in range((256 if chosen.quick else 1024) // 16):
                file.write(os.urandom(16 * MIB))
        suites = quick(source) if chosen.quick else full(source)
        turns = Turns(Path(disk), chosen.rounds, run)
        for suite in _chosen(suites, chosen.only, set(filter(None, chosen.peers.split(",")))):
            turns.suite(suite)
    run.machine["took"] = f"{(time.monotonic() - began) / 60:.0f} minutes"
    run.save(chosen.json)
    if chosen.quick or chosen.only or chosen.peers:
        print(report.markdown(run))
    else:
        report.write(DOCS, run)


def _chosen(suites: Sequence[Suite], only: str, peers: set[str]) -> Iterator[Suite]:
    """Suites with those loads and peers alone that are wanted."""
    for suite in suites:
        loads = [
            _with_peers(load, peers) for load in suite.loads if only in f"{suite.name}: {load.name}"
        ]
        if loads := [load for load in loads if load.peers]:
            yield dataclasses.replace(suite, loads=loads)


def _with_peers(load: Load, peers: set[str]) -> Load:
    wanted = [name for name in load.peers if not peers or name in peers]
    return dataclasses.replace(load, peers=wanted)


if __name__ == "__main__":
    main()
