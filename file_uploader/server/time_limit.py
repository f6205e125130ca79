"""A limit on time that starts, and is over when what it limits has happened, or once it is up."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


class TimeLimit:
    """Calls ``late`` once it has run for ``seconds``, unless it is stopped before."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, seconds: float, late: Callable[[], None]
    ) -> None:
        self._loop = loop
        self._seconds = seconds
        self._late = late
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Let it run; one that runs already goes on as it does."""
        if self._timer is None:
            self._timer = self._loop.call_later(self._seconds, self._late)

    def stop(self) -> None:
        """Stop it, if it runs."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
