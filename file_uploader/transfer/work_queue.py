"""A queue of work: one piece after the other in a thread, beside whoever brings them.

A thread that has done with a piece goes on with the next that waits, without a way back to the
event loop in between: that way takes as long as hashing some hundred KiB.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Generic, TypeVar

T = TypeVar("T")

AHEAD = 2
"""Pieces that may wait for the thread, so that nobody runs far ahead of it."""


class WorkQueue(Generic[T]):
    """Calls ``work`` in a thread for each piece, in their order. Used from one event loop.

    ``start`` has a thread call a function, and gives a future that is done after that. ``let_go``
    is called on the event loop for each piece that is done with, in whatever way. Once ``work`` has
    raised something it is not called again, and whoever brings the next piece, or waits for the
    end, gets what it raised.
    """

    def __init__(
        self,
        work: Callable[[T], None],
        start: Callable[[Callable[[], None]], asyncio.Future[None]],
        let_go: Callable[[T], None] = lambda _piece: None,
    ) -> None:
        self._work = work
        self._start = start
        self._let_go = let_go
        self._loop = asyncio.get_running_loop()
        self._room = asyncio.Semaphore(AHEAD + 1)
        self._waiting: deque[T] = deque()
        self._running: asyncio.Future[None] | None = None
        self._error: BaseException | None = None

    @property
    def idle(self) -> bool:
        """Whether all that was brought is done with."""
        return self._running is None

    async def put(self, piece: T) -> None:
        """Bring a piece, as soon as there is room for it."""
        try:
            await self._room.acquire()
            self._check()
        except BaseException:
            self._let_go(piece)
            raise
        self._waiting.append(piece)
        if self._running is None:
            self._begin()

    async def finish(self) -> None:
        """Wait until all pieces are done with."""
        while self._running is not None:
            await asyncio.wait([self._running])
        self._check()

    def _begin(self) -> None:
        self._running = self._start(self._run)
        self._running.add_done_callback(self._ended)

    def _ended(self, _running: asyncio.Future[None]) -> None:
        self._running = None
        if not self._waiting:
            return
        # The thread had found nothing more just before a piece came.
        try:
            self._begin()
        except Exception as error:  # noqa: BLE001 - for whoever brings the next one
            self._fail(error)

    def _fail(self, error: BaseException) -> None:
        self._error = error
        while self._waiting:
            self._done(self._waiting.popleft())

    def _done(self, piece: T) -> None:
        self._room.release()
        self._let_go(piece)

    def _check(self) -> None:
        if self._error is not None:
            raise self._error

    def _run(self) -> None:
        while self._waiting:
            piece = self._waiting.popleft()
            try:
                if self._error is None:
                    self._work(piece)
            except BaseException as error:  # noqa: BLE001 - for whoever brings the next one
                self._error = error
            with suppress(RuntimeError):  # The loop is closed: nobody brings anything any more.
                self._loop.call_soon_threadsafe(self._done, piece)
            del piece
