"""Small files put over HTTP as fast as they are taken: they make the index's log long."""

from __future__ import annotations

import statistics
import threading
import time
from contextlib import ExitStack
from types import TracebackType
from typing import Self

from tests.support import raw
from tests.support.bodies import KIB, content
from tests.support.connections import one_to_each
from tests.support.raw import Connection
from tests.support.service import Service
from tests.support.waiting import until

SIZE = 16 * KIB
"""The most that the index keeps itself."""


class Load:
    """Puts files through every worker for as long as it is entered. No answer may be an error."""

    def __init__(self, running: Service, prefix: str) -> None:
        self._running = running
        self._prefix = prefix
        self._done = threading.Event()
        self._stack = ExitStack()
        self._threads: list[threading.Thread] = []
        self.took: list[float] = []
        self.wrong: list[str] = []

    def __enter__(self) -> Self:
        clients = self._stack.enter_context(one_to_each(self._running, patience=60))
        for number, client in enumerate(clients.values()):
            self._threads.append(threading.Thread(target=self._put, args=(number, client)))
            self._threads[-1].start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._done.set()
        for thread in self._threads:
            thread.join()
        self._stack.close()
        if kind is None:
            assert not self.wrong, self.wrong[0]

    def wait_for_more(self, count: int) -> None:
        """Wait until so many more files have been put."""
        before = len(self.took)
        until(lambda: len(self.took) >= before + count, "files are put", patience=60)

    def described(self) -> str:
        """How many there were, and how long they took."""
        p99, slowest = statistics.quantiles(self.took, n=100)[98], max(self.took)
        return f"{len(self.took)} PUTs, p99 {p99 * 1e3:.0f} ms, slowest {slowest * 1e3:.0f} ms"

    def _put(self, number: int, client: Connection) -> None:
        data = content(SIZE, number)
        length = {"Content-Length": str(SIZE)}
        count = 0
        try:
            while not self._done.is_set():
                count += 1
                path = f"/api/files/{self._prefix}/{number}/{count}"
                began = time.monotonic()
                client.send(raw.head("PUT", path, self._running.token, length) + data)
                status = client.read_answer("PUT").status
                self.took.append(time.monotonic() - began)
                if status != 204:
                    self.wrong.append(f"{path}: {status}")
        except (OSError, raw.BrokenAnswerError) as error:
            self.wrong.append(f"{self._prefix}/{number}/{count}: {error!r}")
