"""Whether the store shows a sign of life, as all requests of this process see it together.

Each try of a request waits for a store that is gone, and so do its next try, the look that settles
what became of it, and whoever queues behind them. So once nobody has had an answer for a while, one
look decides: if it fails too, nobody asks any more, and requests fail at once, while looks go on
until one is answered.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from botocore.exceptions import ClientError

from .errors import ANY_ERROR, TIMEOUTS, TRANSPORT_ERRORS, NotAsked

logger = logging.getLogger(__name__)

_PAUSE = 1.0
"""Seconds between looks."""


class Breaker:
    """After ``patience`` seconds of silence it looks: a small request that has ``limit`` seconds.

    Belongs to one event loop; `aclose` ends it.
    """

    def __init__(
        self, look: Callable[[], Awaitable[object]], *, limit: float, patience: float
    ) -> None:
        self._look = look
        self._limit = limit
        self._patience = patience
        self._answered_at = time.monotonic()
        self._silent_since: float | None = None
        self._looking: asyncio.Task[None] | None = None
        self._looked = asyncio.Event()

    @asynccontextmanager
    async def asking(self) -> AsyncIterator[None]:
        """Make a request in the block. Raises `NotAsked` where there is no use in it."""
        if self._looking is not None:
            await self._looked.wait()
            if self._looking is not None:
                raise NotAsked("the store is silent")
        began = time.monotonic()
        try:
            yield
        except ClientError:
            self._answered()
            raise
        except TRANSPORT_ERRORS as error:
            # What ends at once is something that happened: the silence begins with it.
            waited = time.monotonic() - began if isinstance(error, TIMEOUTS) else 0
            self._failed(min(waited, self._patience))
            raise
        self._answered()

    async def aclose(self) -> None:
        """Stop looking."""
        looking, self._looking = self._looking, None
        if looking is not None:
            looking.cancel()
            await asyncio.wait([looking])

    def _answered(self) -> None:
        self._answered_at = time.monotonic()
        self._silent_since = None
        looking, self._looking = self._looking, None
        if looking is not None:
            if self._looked.is_set():
                logger.warning("the object store answers again")
            self._looked.set()
            looking.cancel()

    def _failed(self, waited: float) -> None:
        now = time.monotonic()
        if self._silent_since is None:
            self._silent_since = max(now - waited, self._answered_at)
        if self._looking is None and now - self._silent_since >= self._patience:
            self._looked.clear()
            self._looking = asyncio.create_task(self._look_until_answered())

    async def _look_until_answered(self) -> None:
        try:
            while not await self._is_there():
                if not self._looked.is_set():
                    logger.warning("the object store is gone; requests fail until it answers")
                    self._looked.set()
                await asyncio.sleep(_PAUSE)
        finally:
            if self._looking is asyncio.current_task():
                self._answered()

    async def _is_there(self) -> bool:
        try:
            async with asyncio.timeout(self._limit):
                await self._look()
        except ANY_ERROR as error:
            return not isinstance(error, TRANSPORT_ERRORS)
        return True
