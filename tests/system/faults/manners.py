"""What clients do, and what they put up with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

KIB, MIB = 1024, 1024 * 1024

EMBEDDED = (0, 1, 3 * KIB, 3 * KIB, 16 * KIB, 16 * KIB + 1, 100 * KIB, 700 * KIB, 5 * MIB)
"""Bytes of files around what the embedded store keeps in different ways."""

OBJECTS = (0, 1, 3 * KIB, 3 * KIB, 3 * KIB, 100 * KIB, 700 * KIB, 700 * KIB, 9 * MIB, 17 * MIB)
"""The same for the S3 store: one part, and more of them."""


@dataclass
class Manners:
    """Those of all clients of a run."""

    sizes: Sequence[int]
    tolerated: frozenset[int] = frozenset()
    """Statuses that say that the service could not, while something is broken on purpose."""
    names: int = 6
    patience: float = 60.0
    """Seconds that an answer may take."""
