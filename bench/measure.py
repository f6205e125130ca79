"""What a load costs: CPU seconds and memory of all processes of a peer, while it runs."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.support.service import pss_of

_TICKS = os.sysconf("SC_CLK_TCK")
_INTERVAL = 0.2
"""Seconds between two looks at memory, which cost the machine CPU time as well."""


@dataclass
class Cost:
    """CPU seconds that were used, and bytes of memory (PSS).

    ``idle`` is what all processes had before, ``largest`` the one that had most of it, and
    ``peak`` the most that all had at once.
    """

    idle: int
    largest: int
    peak: int
    cpu: float = 0.0


def processes(roots: Sequence[int]) -> list[int]:
    """Processes and all below them."""
    found = list(roots)
    for pid in found:
        for children in Path(f"/proc/{pid}/task").glob("*/children"):
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                found += [int(child) for child in children.read_text().split()]
    return found


def cpu_seconds(roots: Sequence[int]) -> float:
    """User and system time of all of them, and of those of their children that have ended."""
    ticks = 0
    for pid in processes(roots):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            ticks += sum(map(int, fields[11:15]))
    return ticks / _TICKS


@contextlib.contextmanager
def watched(roots: Sequence[int]) -> Iterator[Cost]:
    """Measure what the processes below ``roots`` use during the block; complete at its end."""
    before = [pss_of(pid) for pid in processes(roots)]
    cost = Cost(idle=sum(before), largest=max(before), peak=sum(before))
    ended = threading.Event()

    def look() -> None:
        cost.peak = max(cost.peak, sum(map(pss_of, processes(roots))))

    def sample() -> None:
        while not ended.wait(_INTERVAL):
            look()

    sampler = threading.Thread(target=sample)
    began = cpu_seconds(roots)
    sampler.start()
    try:
        yield cost
    finally:
        cost.cpu = cpu_seconds(roots) - began
        ended.set()
        sampler.join()
        look()
