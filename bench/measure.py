"""What a server costs: CPU seconds and memory of all its processes, while a load runs."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.support.service import pss_of

_TICKS = os.sysconf("SC_CLK_TCK")
_INTERVAL = 0.05


@dataclass
class Cost:
    """CPU seconds that were used, and bytes of memory (PSS): before, and at most."""

    cpu: float = 0.0
    idle: int = 0
    peak: int = 0


def processes(root: int) -> list[int]:
    """A process and all below it."""
    found = [root]
    for pid in found:
        for children in Path(f"/proc/{pid}/task").glob("*/children"):
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                found += [int(child) for child in children.read_text().split()]
    return found


def cpu_seconds(root: int) -> float:
    """User and system time of all of them, and of those of their children that have ended."""
    ticks = 0
    for pid in processes(root):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            ticks += sum(map(int, fields[11:15]))
    return ticks / _TICKS


def memory(root: int) -> int:
    """Bytes of all of them, what they share counted once (PSS)."""
    return sum(map(pss_of, processes(root)))


@contextlib.contextmanager
def watched(root: int) -> Iterator[Cost]:
    """Measure what the processes below ``root`` use during the block; complete at its end."""
    cost = Cost(idle=memory(root))
    cost.peak = cost.idle
    before = cpu_seconds(root)
    ended = threading.Event()

    def sample() -> None:
        while not ended.wait(_INTERVAL):
            cost.peak = max(cost.peak, memory(root))

    sampler = threading.Thread(target=sample)
    sampler.start()
    try:
        yield cost
    finally:
        cost.cpu = cpu_seconds(root) - before
        ended.set()
        sampler.join()
