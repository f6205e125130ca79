"""How often a fault is tried."""

from __future__ import annotations

import os

LONG = os.environ.get("FAULTS") == "long"
"""Whether this run is to take as long as it takes to believe what it shows."""


def rounds(few: int, many: int) -> int:
    """A few rounds where every change is checked, many in a long run (``FAULTS=long``)."""
    return many if LONG else few
