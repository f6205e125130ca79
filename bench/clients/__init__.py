"""How a load is put on a peer: over HTTP, by tus, or by a client that needs no server of ours."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

MIB = 2**20
KEPT = 256
"""Small files that are read in turns."""


@dataclass(frozen=True)
class Result:
    """What the client saw.

    ``amount`` counts MiB, requests or names, done in ``seconds``. Percentiles are in milliseconds,
    where there are many requests. ``more`` is what only some loads measure, by name.
    """

    amount: float
    seconds: float
    p50: float | None = None
    p99: float | None = None
    errors: int = 0
    more: Mapping[str, float] = field(default_factory=dict)

    @property
    def rate(self) -> float:
        """How much of it a second."""
        return self.amount / self.seconds


class Client(Protocol):
    """Somebody who stores and reads files. Large ones have the names that `large` gives them."""

    def put_large(self, source: Path, count: int, parallel: int) -> Result:
        """Store a file so many times, ``parallel`` at once; MiB."""
        ...

    def get_large(self, size: int, count: int, parallel: int) -> Result:
        """Read what `put_large` has stored, files of ``size`` bytes; MiB."""
        ...

    def keep(self, size: int) -> None:
        """Store the files of ``size`` bytes that `get_small` reads, unless they are there."""
        ...

    def put_small(self, size: int, connections: int, seconds: float) -> Result:
        """Store new files, one after the other on each connection; requests."""
        ...

    def get_small(self, size: int, connections: int, seconds: float) -> Result:
        """Read small files again and again; requests."""
        ...


def large(number: int) -> str:
    """The name of a large file."""
    return f"large-{number}.bin"


def kept(size: int, number: int) -> str:
    """The name of a small file that is read."""
    return f"kept-{size}-{number}"


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least this share of all values does not exceed."""
    return sorted(values)[math.ceil(share * len(values)) - 1]
