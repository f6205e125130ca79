"""gunicorn's ASGI worker, with what it leaves to us.

* Connections are those of `file_uploader.server.protocol`.
* Every status has its reason phrase.
* It may open as many files as the system lets it, and takes no more connections than leave each of
  them the files that it may need. As many may wait for it as gunicorn is told (``backlog``), not
  the event loop's own 100.
* A worker that cannot start is tried again, and ends no other.
* A stop closes idle connections at once, gives transfers most of ``graceful_timeout``, cancels
  the rest and waits until they have cleaned up, and only then shuts the application down: also
  at SIGINT, which skips the waiting for transfers only. A stop during the start is not lost.

It leans on inner names of gunicorn's (`inner_names`); the end-to-end tests hold every point of the
list against the version that is installed.
"""

from __future__ import annotations

import asyncio
import gc
import resource
import signal
import weakref
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from http import HTTPStatus
from types import FrameType
from typing import Any

from gunicorn.arbiter import Arbiter
from gunicorn.asgi import protocol
from gunicorn.workers import gasgi

from .body_receiver import Receiver
from .protocol import Connection
from .receive_buffer import BufferedReads, Reads

CLEANUP_TIMEOUT = 10.0
"""Seconds at the end of a stop that are kept for cancelled requests and the store to clean up."""


PAUSE = 1.0
"""Seconds between a start that failed and the next one."""

COPIERS = 8
"""Threads that have files copied to clients."""

COLLECT_AFTER = 10_000
"""New containers in memory after which Python looks for cycles among them; some MiB of them."""

FILES_EACH = 4
"""Descriptors that a connection may need: its own, a file's, and two while the file is copied."""

OTHER_FILES = 128
"""Descriptors that a worker needs besides: the index, once for each thread, and those to S3."""

PHRASES = {
    **{status.value: status.phrase for status in HTTPStatus},
    104: "Upload Resumption Supported",
    460: "Checksum Mismatch",
}
"""Reason phrases, also of the two protocols of uploads, whose statuses Python does not know."""


class Worker(gasgi.ASGIWorker):  # type: ignore[misc]
    """One worker process."""

    idle_timeout = 60.0
    """Seconds for which a client may take nothing of an answer."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.reads = Reads()
        self.connections: weakref.WeakSet[Connection] = weakref.WeakSet()
        self.copiers = ThreadPoolExecutor(COPIERS, thread_name_prefix="copier")
        self._is_full = False

    def init_process(self) -> None:
        """Make the worker build our connections: it looks the classes up in its own modules."""
        self.init_signals()
        # By itself the limit is 1,024 on most systems.
        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
        gasgi.ASGIProtocol = lambda _worker: BufferedReads(Connection(self), self.reads)
        protocol.BodyReceiver = Receiver
        # It notes what it finds in the class that it is called on, and looks for it in its own.
        protocol.ASGIProtocol._check_h1c_protocol_available()  # noqa: SLF001
        for status, phrase in PHRASES.items():
            protocol._REASON_PHRASES.setdefault(status, phrase)  # noqa: SLF001
        super().init_process()

    def has_room(self) -> bool:
        """Whether the connection that was made last may stay.

        A loop that can accept none, for want of descriptors, tries it again and again.
        """
        may_open, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        most = max((may_open - OTHER_FILES) // FILES_EACH, may_open // (2 * FILES_EACH))
        was_full, self._is_full = self._is_full, self.nr_conns > most
        if self._is_full and not was_full:
            self.log.warning("No more connections are taken: %d are open", most)
        return not self._is_full

    def init_signals(self) -> None:
        """Heed a stop from now on: until here the handlers are the master's, in a copy of it."""
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT):
            signal.signal(number, self._stop_starting)

    def _stop_starting(self, number: int, _frame: FrameType | None) -> None:
        if number == signal.SIGTERM:
            self.handle_exit_signal()
        else:
            self.handle_quit_signal()

    async def _serve(self) -> None:
        # Not earlier: uvloop loses what comes before it runs.
        super().init_signals()
        # What has been loaded stays: looking through it again and again was a tenth of all work.
        gc.collect()
        gc.freeze()
        gc.set_threshold(COLLECT_AFTER, *gc.get_threshold()[1:])
        # By itself the loop lets 100 wait, and with that also at the workers that listen already.
        self.loop.create_server = partial(self.loop.create_server, backlog=self.cfg.backlog)
        try:
            await super()._serve()
        except SystemExit as failure:
            if failure.code != Arbiter.WORKER_BOOT_ERROR:
                raise
            # gunicorn would end all workers. But the store could be opened when the service was
            # started, so what is in the way now may pass, and others may serve meanwhile.
            await self._pause()
            raise SystemExit(1) from None

    async def _pause(self) -> None:
        """Wait a while before somebody else tries, unless it is to stop."""
        self.log.warning("A worker could not start; another one tries in %g s", PAUSE)
        ends = self.loop.time() + PAUSE
        # What asks for a stop sets no event.
        while self.alive and self.loop.time() < ends:  # noqa: ASYNC110
            await asyncio.sleep(0.05)

    async def _shutdown(self) -> None:
        for server in self.servers:
            server.close()
        # The arbiter kills what is left after graceful_timeout; clean-ups have to fit as well.
        deadline = self.loop.time() + max(0, self.cfg.graceful_timeout - CLEANUP_TIMEOUT)
        # gunicorn sets no event when a connection has nothing left to serve.
        while self._are_busy() and not self._quick_shutdown and self.loop.time() < deadline:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
        await self._cancel_requests()
        if self.lifespan is not None:
            await self.lifespan.shutdown()

    def _are_busy(self) -> bool:
        """Close connections that serve nothing; return whether others still serve something."""
        busy = [each for each in list(self.connections) if each.close_if_idle()]
        return bool(busy)

    async def _cancel_requests(self) -> None:
        tasks = [task for connection in self.connections if (task := connection.serving)]
        for task in tasks:
            task.cancel()
        if tasks:
            self.log.warning("Cancelled %d requests that did not end in time", len(tasks))
            await asyncio.wait(tasks, timeout=CLEANUP_TIMEOUT / 2)
