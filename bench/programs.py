"""Programs that are not ours: whether they are there, which version, and running them."""

from __future__ import annotations

import contextlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from tests.support.processes import end

_START_PATIENCE = 30.0
_STOP_PATIENCE = 20.0


class UnavailableError(RuntimeError):
    """Something is not installed here; the message says how to get it."""


def needed(program: str, how: str) -> str:
    """The path of a program. Raises `UnavailableError`."""
    path = shutil.which(program)
    if path is None:
        raise UnavailableError(f"{program} is missing: {how}")
    return path


def said(*command: str) -> str:
    """The version that a program says it has."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    found = re.search(r"\d+\.\d+[\w.+-]*", done.stdout + done.stderr)
    return found[0] if found else "?"


@contextlib.contextmanager
def running(
    command: Sequence[str],
    directory: Path,
    port: int,
    environment: Mapping[str, str] | None = None,
) -> Iterator[int]:
    """The process id of a server in ``directory``, from its first accepted connection on."""
    log = directory / f"{Path(command[0]).name}-{port}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=directory,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    with stopped(process):
        _wait(port, process, log)
        yield process.pid


def leave_on_signals() -> None:
    """Have SIGINT and SIGTERM end this process in order, so that what it has started is stopped."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: sys.exit(1))


@contextlib.contextmanager
def stopped(process: subprocess.Popen[bytes]) -> Iterator[None]:
    """End a process at the end of the block, gently if it can be."""
    try:
        yield
    finally:
        end(process, _STOP_PATIENCE)


def _wait(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + _START_PATIENCE
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            time.sleep(0.5)  # for its other workers
            return
        time.sleep(0.05)
    raise RuntimeError(f"it did not start: {log.read_text(errors='replace')[-2000:]}")
