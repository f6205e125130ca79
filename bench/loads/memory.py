"""Memory of a server that has just started, and with many slow uploads at once."""

from __future__ import annotations

from collections.abc import Sequence

from bench.clients import MIB
from bench.loads import REQUESTS, Load, Step, http

GROUP = "Memory"


def slow_uploads(count: int, seconds: float, peers: Sequence[str]) -> Load:
    """Uploads of 1 MiB at once, each within so many seconds, to a server that has just started."""
    name = f"{count:,} slow uploads at once"
    step = Step(name, REQUESTS, lambda peer: http(peer).put_slowly(MIB, count, seconds))
    return Load(GROUP, name, peers, [step], rounds=1, fresh=True)
