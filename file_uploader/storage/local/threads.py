"""Where blocking calls run."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar, TypeVarTuple

from file_uploader.errors import StorageUnavailable

from .failures import translated

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

_log = logging.getLogger(__name__)


class Threads:
    """A few threads for blocking calls; used from one event loop."""

    def __init__(self, name: str, count: int) -> None:
        self._executor = ThreadPoolExecutor(count, thread_name_prefix=name)
        self._closed = False

    def ensure_open(self) -> None:
        """Raise `StorageUnavailable` once `aclose` has been called."""
        if self._closed:
            raise StorageUnavailable("The store is closing.")

    def run(self, function: Callable[[*Ts], T], *args: *Ts) -> asyncio.Future[T]:
        """Begin a call; the future raises `StorageError` for what the disk or the index reports.

        Cancelling the future does not end a call that runs already.
        """
        self.ensure_open()
        loop = asyncio.get_running_loop()
        return loop.run_in_executor(self._executor, translated, function, *args)

    def detach(self, function: Callable[[], object]) -> None:
        """Make a call that nobody waits for: a clean-up. `aclose` waits for it.

        Unlike an awaited one it cannot be lost to a second cancellation.
        """

        def call() -> None:
            try:
                function()
            except OSError:
                _log.warning("a clean-up failed; the sweep will do it", exc_info=True)

        if self._closed:
            call()
        else:
            try:
                self._executor.submit(call)
            except RuntimeError:  # No thread can be started: it waits for one that is there.
                _log.warning("a clean-up is late", exc_info=True)

    async def aclose(self) -> None:
        """Take no more calls and wait for those that were taken."""
        self._closed = True
        await asyncio.to_thread(self._executor.shutdown)
