"""A queue of work: one piece after the other in a thread, beside whoever brings them.

A thread that has done with a piece goes on with the next that waits, without a way back to the
event loop in between: that way takes as long as hashing some hundred KiB.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Generic, TypeVar

T = TypeVar("T")

AHEAD = 2
"""Pieces that may wait for the thread, so that nobody runs far ahead of it."""


class WorkQueue(Generic[T]):
    """Calls ``work`` in a thread for each piece, in their order.

    One task at a time brings pieces, or waits for their end. ``start`` has a thread call a
    function. ``let_go`` is called on the event loop for each piece that is done with, in whatever
    way. Once ``work`` has raised something it is not called again, and whoever brings the next
    piece, or waits for the end, gets what it raised.
    """

    def __init__(
        self,
        work: Callable[[T], None],
        start: Callable[[Callable[[], None]], object],
        let_go: Callable[[T], None] | None = None,
    ) -> None:
        self.pending = 0
        """Pieces that are not done with."""
        self._work = work
        self._start = start
        self._let_go = let_go
        self._lock = threading.Lock()
        self._waiting: deque[T] = deque()
        self._running = False
        self._loop: asyncio.AbstractEventLoop
        self._moved: asyncio.Future[None] | None = None
        self._error: BaseException | None = None

    async def put(self, piece: T) -> None:
        """Bring a piece, as soon as there is room for it."""
        self.pending += 1
        try:
            await self.finish(AHEAD + 1)
            with self._lock:
                if not self._running:
                    self._loop = asyncio.get_running_loop()
                    self._start(self._run)
                    self._running = True
                self._waiting.append(piece)
        except BaseException:
            self._done(piece)
            raise

    async def finish(self, left: int = 0) -> None:
        """Wait until no more than ``left`` pieces are not done with."""
        while self.pending > left:
            self._moved = asyncio.get_running_loop().create_future()
            await self._moved
        if self._error is not None:
            raise self._error

    def _done(self, piece: T) -> None:
        self.pending -= 1
        if self._moved is not None and not self._moved.done():
            self._moved.set_result(None)
        if self._let_go is not None:
            self._let_go(piece)

    def _run(self) -> None:
        while True:
            with self._lock:
                if not self._waiting:
                    self._running = False
                    return
                piece = self._waiting.popleft()
            try:
                if self._error is None:
                    self._work(piece)
            except BaseException as error:  # noqa: BLE001 - for whoever brings the next one
                self._error = error
            with suppress(RuntimeError):  # The loop is closed: nobody brings anything any more.
                self._loop.call_soon_threadsafe(self._done, piece)
            del piece
