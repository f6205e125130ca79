"""An event loop in a thread of its own, for servers that tests need while they block themselves."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import AbstractAsyncContextManager
from typing import Any, TypeVar

T = TypeVar("T")

_PATIENCE = 60.0


class LoopThread:
    """Runs what it is handed, from any thread but its own."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="loop")

    def start(self) -> None:
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run ``work`` in the loop and return what it returns, or raise what it raises."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(_PATIENCE)

    def call(self, work: Callable[[], None]) -> None:
        """Have the loop call a plain function, soon."""
        self._loop.call_soon_threadsafe(work)

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


@contextlib.contextmanager
def in_thread(entered: AbstractAsyncContextManager[T]) -> Iterator[tuple[LoopThread, T]]:
    """Enter and leave an asynchronous context manager in a thread's loop."""
    loop = LoopThread()
    loop.start()
    try:
        value = loop.run(entered.__aenter__())
        try:
            yield loop, value
        finally:
            loop.run(entered.__aexit__(None, None, None))
    finally:
        loop.stop()
