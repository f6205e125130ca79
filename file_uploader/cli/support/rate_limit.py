"""A rate that is kept to."""

from __future__ import annotations

import asyncio
import time


class Pace:
    """At most ``rate`` bytes a second (None: as many as there are), over all who spend."""

    def __init__(self, rate: int | None) -> None:
        self._rate = rate
        self._paid_until = 0.0

    async def spend(self, count: int) -> None:
        """Return once so many bytes are within the rate."""
        if self._rate is None:
            return
        now = time.monotonic()
        self._paid_until = max(now, self._paid_until) + count / self._rate
        await asyncio.sleep(self._paid_until - now)
