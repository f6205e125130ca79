"""Calls of pytest in a tree, with limits of time, and what came of them."""

from __future__ import annotations

import contextlib
import json
import math
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from .suites import Run

_PLUGINS = Path(__file__).parent / "plugins"
_LOOK = 0.5


class StoppedError(Exception):
    """Nothing is run any more, and what was running says nothing."""


@dataclass(frozen=True)
class Limits:
    """Seconds: for everything, for which no test may begin or end, and for each test in a worker.

    The last are by the test's name, and for others by the empty one.
    """

    whole: float = math.inf
    quiet: float = math.inf
    each: Mapping[str, float] | None = None


@dataclass(frozen=True)
class Outcome:
    """What came of a run. ``failed`` are the tests that failed or did not end.

    ``tests`` are the seconds that each has taken.
    """

    passed: bool
    seconds: float
    timeout: bool = False
    failed: tuple[str, ...] = ()
    tests: Mapping[str, float] = field(default_factory=dict)


class Runner:
    """Runs pytest in trees; what it prints last is in a file for each tree in ``outputs``."""

    def __init__(self, outputs: Path) -> None:
        self._outputs = outputs
        self._running: set[subprocess.Popen[bytes]] = set()
        self._stopped = threading.Event()

    def run(
        self,
        tree: Path,
        run: Run,
        *,
        tests: Sequence[str] | None = None,
        limits: Limits = Limits(),
        failures: int = 1,
        environment: Mapping[str, str] | None = None,
    ) -> Outcome:
        """Run it, or these ``tests`` with its options, until so many have failed.

        What they leave is below the environment's ``TMPDIR`` until then. Raises `StoppedError`.
        """
        if self._stopped.is_set():
            raise StoppedError
        environment = environment or {}
        with _scratch(environment.get("TMPDIR")) as scratch:
            journal, chosen = scratch / "journal", scratch / "chosen"
            journal.touch()
            chosen.write_text("\n".join(run.paths if tests is None else tests))
            command = [
                *(sys.executable, "-m", "pytest", "-p", "mutants_journal", "-q", "--no-header"),
                *(*run.options, f"--maxfail={failures}", f"@{chosen}"),
            ]
            own = {
                "PYTHONPATH": str(_PLUGINS),
                # Where bytecode is not kept, each run would compile all tests anew.
                "PYTHONDONTWRITEBYTECODE": "",
                "MUTANTS_JOURNAL": str(journal),
                "TMPDIR": str(scratch),
            }
            if limits.each is not None:
                (scratch / "limits").write_text(json.dumps(limits.each))
                own["MUTANTS_LIMITS"] = str(scratch / "limits")
            began = time.monotonic()
            with (
                (self._outputs / f"{tree.name}.txt").open("wb") as output,
                self._started(command, tree, {**environment, **own}, output.fileno()) as it,
            ):
                status = _wait(it, journal, limits)
            seconds = time.monotonic() - began
            if self._stopped.is_set():
                raise StoppedError
            return _outcome(journal.read_text(), status, seconds)

    def stop(self) -> None:
        """End what is running, in whatever thread."""
        self._stopped.set()
        for process in list(self._running):
            _kill(process)

    @contextlib.contextmanager
    def _started(
        self, command: Sequence[str], tree: Path, settings: Mapping[str, str], output: int
    ) -> Iterator[subprocess.Popen[bytes]]:
        """Have it run in this block, and nothing that it has started after that."""
        environment = {
            name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")
        }
        process = subprocess.Popen(
            command,
            cwd=tree,
            env={**environment, **settings},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        self._running.add(process)
        try:
            yield process
        finally:
            self._running.discard(process)
            _kill(process)
            process.wait()
            _kill_whoever_is_in(tree)


def _wait(process: subprocess.Popen[bytes], journal: Path, limits: Limits) -> int | None:
    """Wait for its status; None if a limit was reached before."""
    deadline = time.monotonic() + limits.whole
    while time.monotonic() < deadline and time.time() - journal.stat().st_mtime < limits.quiet:
        with contextlib.suppress(subprocess.TimeoutExpired):
            return process.wait(_LOOK)
    return None


def _outcome(journal: str, status: int | None, seconds: float) -> Outcome:
    began: set[str] = set()
    failed: dict[str, None] = {}
    tests: dict[str, float] = {}
    # The last line may be cut.
    for line in journal.splitlines(keepends=True):
        if line.endswith("\n"):
            said = json.loads(line)
            name = said["test"]
            if "begins" in said:
                began.add(name)
            elif "ends" in said:
                began.discard(name)
            elif said["failed"]:
                failed[name] = None
            if "seconds" in said:
                tests[name] = tests.get(name, 0.0) + said["seconds"]
    return Outcome(
        passed=status == 0,
        seconds=seconds,
        timeout=status is None,
        failed=(*failed, *sorted(began - failed.keys())) if status is None else tuple(failed),
        tests=tests,
    )


@contextlib.contextmanager
def _scratch(parent: str | None) -> Iterator[Path]:
    """A directory for one run. Its path is short: the addresses of Unix sockets have 108 bytes."""
    with tempfile.TemporaryDirectory(
        prefix="m", dir=parent, ignore_cleanup_errors=True
    ) as directory:
        path = Path(directory)
        path.chmod(0o1777)
        try:
            yield path
        finally:
            # A test that was killed leaves the file systems that it has mounted.
            mounts = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]
            for mount in reversed(mounts):
                if mount.startswith(f"{directory}/"):
                    subprocess.run(["umount", "--lazy", mount], check=False)


def _kill(process: subprocess.Popen[bytes]) -> None:
    """Kill it, its process group, and all that it has started in others."""
    if process.poll() is None:
        for pid in list(_family(process.pid)):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def _kill_whoever_is_in(tree: Path) -> None:
    """Kill what a worker that was ended has left: services, which work in the tree."""
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if (process / "cwd").readlink().is_relative_to(tree):
                os.kill(int(process.name), signal.SIGKILL)


def _family(pid: int) -> Iterator[int]:
    yield pid
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            for child in children.read_text().split():
                yield from _family(int(child))
