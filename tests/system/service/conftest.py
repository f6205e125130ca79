"""What ways to run the service share: the port that the docs promise."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator

import pytest


@pytest.fixture
def promised_port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Wait until no test of another process takes that port."""
    directory = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        directory = directory.parent
    with (directory / "promised-port.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
