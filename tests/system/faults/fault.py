"""What a fault is: something that is broken on purpose for a while, beside traffic."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from tests.system.faults.cluster import Cluster

Inject = Callable[[Cluster, random.Random], None]
"""Break it, and return once it is mended."""


@dataclass(frozen=True)
class Fault:
    """One kind of fault; ``tolerates`` has the statuses with which the service may say so."""

    name: str
    inject: Inject
    tolerates: frozenset[int] = frozenset()
