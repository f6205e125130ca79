"""One server for all processes that run tests at once, where each on its own would be too many."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

Described = Mapping[str, str]
"""What tells another process how to reach the server."""


@contextlib.contextmanager
def shared(
    directory: Path, start: Callable[[], AbstractContextManager[Described]]
) -> Iterator[Described]:
    """The server that is shared in ``directory``, which exists and is empty in the beginning.

    Who comes first starts it, and at its own end waits for all others before it is stopped.
    """
    here = directory / "here.json"
    with contextlib.ExitStack() as mine:
        with locked(directory):
            if not here.exists():
                described = mine.enter_context(start())
                here.write_text(json.dumps(dict(described)))
                mine.callback(_wait_alone, directory, here)
            described = json.loads(here.read_text())
            (directory / f"user-{os.getpid()}").touch()
        try:
            yield described
        finally:
            (directory / f"user-{os.getpid()}").unlink()


def _wait_alone(directory: Path, here: Path) -> None:
    while True:
        with locked(directory):
            users = list(directory.glob("user-*"))
            if not any(_runs(user) for user in users):
                here.unlink()
                return
        time.sleep(0.1)


def _runs(user: Path) -> bool:
    return Path(f"/proc/{user.name.removeprefix('user-')}").exists()


def common(factory: pytest.TempPathFactory) -> Path:
    """The directory for what all processes of a run share."""
    directory = factory.getbasetemp()
    return directory.parent if "PYTEST_XDIST_WORKER" in os.environ else directory


@contextlib.contextmanager
def locked(directory: Path) -> Iterator[None]:
    """While one process is in this block, the others wait."""
    with (directory / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
