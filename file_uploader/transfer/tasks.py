"""Tasks with an owner: whoever waits for one may be cancelled, the task goes on.

The server cancels a request the moment its client is gone, even in the middle of a commit. What
must not stop half-way runs here, and closing its owner waits for it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any, TypeVar

from file_uploader.errors import FileUploaderError

T = TypeVar("T")

log = logging.getLogger(__name__)


class OwnedTasks:
    """Tasks that end by themselves."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()

    def start(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Begin ``work``; wait for it with `outcome`."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def finish(self, work: Coroutine[Any, Any, T]) -> T:
        """Run ``work`` to its end, whatever happens to the caller meanwhile."""
        return await outcome(self.start(work))

    async def drain(self, patience: float | None = None) -> None:
        """Wait until all have ended; cancel what has not after ``patience`` seconds, if given."""
        if self._tasks:
            _, late = await asyncio.wait(set(self._tasks), timeout=patience)
            for task in late:
                task.cancel()
        while self._tasks:
            await asyncio.wait(set(self._tasks))


async def outcome(task: asyncio.Task[T]) -> T:
    """Wait for a task that goes on when whoever waits for it is cancelled."""
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        task.add_done_callback(_nobody_waits)
        raise


async def ended(running: asyncio.Future[T]) -> T:
    """Wait for what a thread does, and leave only once it has ended: also when cancelled."""
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        await asyncio.wait([running])
        if not running.cancelled():
            running.exception()  # seen: whoever could have been told is gone
        raise


def _nobody_waits(task: asyncio.Task[Any]) -> None:
    """See how a task ended whose caller was cancelled; only what is a fault is worth a line."""
    error = None if task.cancelled() else task.exception()
    if error is not None and not isinstance(error, FileUploaderError):
        log.error("a task failed whose caller was gone", exc_info=error)
