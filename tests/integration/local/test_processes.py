"""Several processes on one embedded store, one of which is killed in the middle of it all."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from tests.integration.local.worker import VERSIONS
from tests.support.bodies import content
from tests.support.files import new_container, read
from tests.support.listing import names_in
from tests.support.local_disk import assert_sound, opened
from tests.support.rounds import rounds

ROOT = Path(__file__).parents[3]
SECONDS = rounds(2, 10)


@contextmanager
def _working(directory: Path, container: str, count: int) -> Iterator[list[subprocess.Popen[str]]]:
    """Processes that have begun to work."""
    with ExitStack() as stack:
        workers = []
        for number in range(count):
            workers.append(stack.enter_context(_start(directory, container, number)))
            stack.callback(workers[-1].kill)
        for worker in workers:
            assert worker.stdout is not None
            assert worker.stdout.readline() == "ready\n"
        for worker in workers:
            assert worker.stdin is not None
            worker.stdin.write("go\n")
            worker.stdin.flush()
        yield workers


def _start(directory: Path, container: str, number: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.integration.local.worker", str(directory), container]
    return subprocess.Popen(
        [*command, f"{number}", f"{SECONDS}"],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def _said(output: str) -> list[dict[str, Any]]:
    """Its whole lines; the last one of a killed process may be cut."""
    return [json.loads(line) for line in output.splitlines(keepends=True) if line.endswith("}\n")]


async def test_four_processes_and_a_kill(tmp_path: Path) -> None:
    container = new_container()
    said = []
    with _working(tmp_path, container.name, 4) as workers:
        time.sleep(SECONDS / 2)  # noqa: ASYNC251 - nothing else runs here
        workers[0].kill()
        for number, worker in enumerate(workers):
            output, errors = worker.communicate(timeout=30)
            assert worker.returncode == (0 if number else -9), errors
            assert not errors
            said.append(_said(output))

    winners = [line["won"] for lines in said for line in lines if "won" in line]
    assert len(winners) == len(set(winners)) > 0
    assert all(line["slowest"] < 5 for lines in said for line in lines if "slowest" in line)
    async with opened(tmp_path) as store:
        names = await names_in(store, container)
        for number, lines in enumerate(said):
            own = {line["own"]: (line["size"], line["seed"]) for line in lines if "own" in line}
            assert own
            for name, (size, seed) in own.items():
                found = await read(store, container, name)
                # The killed one may have replaced it without having been able to say so.
                assert found == content(size, seed) or (number == 0 and found in VERSIONS)
        for name in names:
            if name.startswith("shared/"):
                assert await read(store, container, name) in VERSIONS
        await store.sweep()
    assert_sound(tmp_path)
