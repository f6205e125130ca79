"""What a run leaves: the machine, who took part, and all that was measured; kept as JSON."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

Values = dict[str, float]
"""One measurement."""


@dataclass(frozen=True)
class Entrant:
    """A peer that took part, how it was set up, and what it promises: that costs time."""

    suite: str
    name: str
    version: str
    setup: str
    durable: bool
    digest: bool
    private: bool


@dataclass
class Figures:
    """What was measured of one step on one peer.

    ``rounds`` has the values of each by their names, None for one that failed: ``rate`` in the
    unit, ``cpu`` in seconds for each ``per``; ``idle``, ``largest`` and ``peak`` in bytes (see
    `bench.measure.Cost`); ``errors``; where there are many requests ``p50`` and ``p99`` in ms; of
    lists ``first`` and ``page``, the time until the first byte and of a page, in ms.
    """

    suite: str
    group: str
    step: str
    peer: str
    unit: str
    per: str
    rounds: list[Values | None]


@dataclass
class Run:
    """All of it; ``failures`` tells in words who is missing where."""

    machine: dict[str, str]
    entrants: list[Entrant] = field(default_factory=list)
    figures: list[Figures] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    def save(self, path: Path) -> None:
        """Write it down."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(asdict(self), indent=1) + "\n")

    @classmethod
    def load(cls, path: Path) -> Run:
        """What `save` has written."""
        plain = json.loads(path.read_text())
        return cls(
            plain["machine"],
            [Entrant(**one) for one in plain["entrants"]],
            [Figures(**one) for one in plain["figures"]],
            plain["failures"],
        )
