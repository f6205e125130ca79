"""What faults must not leave behind in a service that goes on running."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from tests.support.connections import descriptors, open_blobs, open_connections
from tests.support.service import Service
from tests.support.waiting import until

MIB = 2**20

COMPLAINTS = (
    *("Traceback", "never retrieved", "never awaited", "Exception ignored", "Exception in "),
    *("Fatal error", "WORKER TIMEOUT", "was sent SIG", "exited with code", "ResourceWarning"),
)
"""What a log never holds, whatever clients do."""

OPENED_LATE = 24
"""Descriptors of a worker that its threads open when they are first needed, and then keep."""


def complaints(running: Service) -> list[str]:
    """The lines of its log that tell of something that should not have happened, and what follows.

    At most the first of them, with 30 lines.
    """
    lines = running.said().splitlines()
    for at, line in enumerate(lines):
        if any(word in line for word in COMPLAINTS):
            return lines[at : at + 30]
    return []


@contextlib.contextmanager
def unharmed(running: Service, memory: int = 32 * MIB) -> Iterator[None]:
    """What is done here ends no worker, and leaves no descriptor, complaint or connection.

    Nor does it leave more than ``memory`` bytes in use, besides what is mapped from files: other
    processes share that, and come and go. Connections that are to be gone at the end
    are to be closed by then.
    """
    workers = running.workers()
    used = running.anonymous()
    opened = {worker: descriptors(worker) for worker in workers}
    yield
    assert running.workers() == workers
    until(lambda: not open_connections(running), "no connection is left")
    until(lambda: not open_blobs(running), "no blob is left open")
    for worker, before in opened.items():
        assert descriptors(worker) <= before + OPENED_LATE
    until(lambda: running.anonymous() - used < memory, "memory is given back")
    assert complaints(running) == []
