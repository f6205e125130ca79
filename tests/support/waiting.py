"""Waiting for what happens elsewhere, bounded."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable


def until(condition: Callable[[], bool], what: str, patience: float = 10.0) -> None:
    """Wait until the condition holds. Fails the test after ``patience`` seconds."""
    deadline = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < deadline, f"waited {patience:g} s in vain: {what}"
        time.sleep(0.02)


async def happens(event: asyncio.Event, what: str, patience: float = 10.0) -> None:
    """Wait until the event is set. Fails the test after ``patience`` seconds."""
    try:
        async with asyncio.timeout(patience):
            await event.wait()
    except TimeoutError:
        raise AssertionError(f"waited {patience:g} s in vain: {what}") from None
