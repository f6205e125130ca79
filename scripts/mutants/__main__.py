"""Put small faults into the package, and find out which tests see them."""

from __future__ import annotations

import argparse
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TypeVar

from bench.programs import leave_on_signals

from . import drawing, report, suites
from .harness import TreeHarness
from .running import Runner
from .suites import ROOT, Suite
from .trees import Tree
from .trial import Trial
from .verdicts import Verdicts

PACKAGE = "file_uploader"

T = TypeVar("T")


def main() -> None:
    """Do one step."""
    options = argparse.ArgumentParser(prog="python -m scripts.mutants", description=__doc__)
    options.add_argument("--into", type=Path, default=ROOT / ".mutants", help="where results go")
    options.add_argument("--suites", type=Path, default=suites.SUITES, help="a file of suites")
    steps = options.add_subparsers(dest="step", required=True)
    draw = steps.add_parser("draw", help="choose mutants")
    draw.add_argument("--number", type=int, default=120)
    draw.add_argument("--seed", type=int, default=1)
    mapped = steps.add_parser("map", help="note which of a suite's tests execute which lines")
    tried = steps.add_parser("try", help="try mutants on suites, each on what the last has left")
    tried.add_argument("--jobs", type=int, choices=[1, 2], default=1, help="how many at once")
    reported = steps.add_parser("report", help="print what has come of it, as Markdown")
    for step in (mapped, tried, reported):
        step.add_argument("suite", nargs="+", help="by name, from cheap to dear")
    chosen = options.parse_args()
    leave_on_signals()
    chosen.into.mkdir(parents=True, exist_ok=True)
    if chosen.step == "draw":
        _draw(chosen.into, chosen.number, chosen.seed)
        return
    known = suites.load(chosen.suites)
    if missing := set(chosen.suite) - known.keys():
        options.error(f"{chosen.suites} has no {', '.join(missing)}, but {', '.join(known)}")
    named = [known[name] for name in chosen.suite]
    if chosen.step == "report":
        print(_reported(chosen.into, named), end="")
        return
    runner = Runner(chosen.into)
    try:
        for number, suite in enumerate(named):
            if chosen.step == "map":
                with _harness(suite, runner, chosen.into, 1) as harness:
                    _each([harness], TreeHarness.map, runner, 1)
            else:
                _try(suite, named[:number], runner, chosen.into, chosen.jobs)
    except ValueError as error:
        raise SystemExit(str(error)) from None


def _draw(into: Path, number: int, seed: int) -> None:
    if (into / "verdicts.jsonl").exists():
        raise SystemExit(f"{into} has verdicts on other mutants: draw into another directory")
    mutants = drawing.draw(ROOT, PACKAGE, number, seed)
    drawing.save(mutants, into / "mutants.jsonl")
    described = ["git", "describe", "--always", "--dirty", "--abbrev=10"]
    commit = subprocess.check_output(described, cwd=ROOT, text=True).strip()
    drawn = f"{number} mutants, drawn from {commit} with the seed {seed}."
    (into / "drawn.txt").write_text(f"{drawn}\n")
    _say(drawn)


def _try(suite: Suite, before: Sequence[Suite], runner: Runner, into: Path, jobs: int) -> None:
    verdicts = Verdicts(into / "verdicts.jsonl")
    mutants = [
        mutant
        for mutant in drawing.load(into / "mutants.jsonl")
        if not any(verdicts.is_killed(mutant.id, one.name) for one in before)
    ]
    with _harness(suite, runner, into, jobs) as harness:
        _each(suite.runs, harness.measure, runner, 1)
        trial = Trial(suite, harness, verdicts, _say)
        _each(mutants, trial.on_covering, runner, jobs)
        for run in suite.runs:
            _each(trial.groups(mutants, run), partial(trial.on_all, run), runner, jobs)


@contextmanager
def _harness(suite: Suite, runner: Runner, into: Path, jobs: int) -> Iterator[TreeHarness]:
    with tempfile.TemporaryDirectory(prefix="mutants-") as directory:
        trees = [Tree(suite.tree, Path(directory) / f"{suite.name}-{n}") for n in range(jobs)]
        yield TreeHarness(suite, runner, trees, into=into, say=_say)


def _each(things: Iterable[T], work: Callable[[T], None], runner: Runner, jobs: int) -> None:
    """Do something with each of some things, so many at once; the first error ends all.

    Even what is done alone is done in a thread, so that a signal ends no cleaning up.
    """
    with ThreadPoolExecutor(jobs) as pool:
        try:
            for done in [pool.submit(work, thing) for thing in things]:
                done.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            runner.stop()
            raise


def _reported(into: Path, named: Sequence[Suite]) -> str:
    mutants = drawing.load(into / "mutants.jsonl")
    drawn = (into / "drawn.txt").read_text()
    return f"{drawn}\n{report.markdown(mutants, named, Verdicts(into / 'verdicts.jsonl'))}"


def _say(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {text}", flush=True)


if __name__ == "__main__":
    main()
