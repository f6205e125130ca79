"""A second client that reads one file all the time, and judges what it is shown."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self

from tests.support import raw
from tests.support.raw import Connection
from tests.support.service import Service

Judge = Callable[[bytes | None], bool]
"""Whether this content, or None for no file, may be seen."""


def fetch(running: Service, name: str, client: Connection | None = None) -> bytes | None:
    """The file's whole content; None if there is none."""
    if client is None:
        with Connection(running.port) as own:
            return fetch(running, name, own)
    client.send(raw.head("GET", f"/api/files/{name}", running.token))
    answer = client.read_answer()
    assert answer.status in (200, 404), answer
    return answer.body if answer.status == 200 else None


def store(running: Service, name: str, content: bytes) -> None:
    """Put the file, in one go."""
    with Connection(running.port) as client:
        length = {"Content-Length": str(len(content))}
        client.send(raw.head("PUT", f"/api/files/{name}", running.token, length) + content)
        answer = client.read_answer("PUT")
        assert answer.status == 204, answer
        assert answer.header("etag")


class Witness:
    """Reads the file again and again while it is entered; leaving waits for one more read.

    Whatever the judge refuses fails the test when it is left.
    """

    def __init__(self, running: Service, name: str, judge: Judge) -> None:
        self._running = running
        self._name = name
        self._judge = judge
        self._done = threading.Event()
        self._seen = threading.Semaphore(0)
        self._thread = threading.Thread(target=self._read)
        self.reads = 0
        self.wrong: list[str] = []

    def __enter__(self) -> Self:
        self._thread.start()
        self.wait_for_read()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._done.set()
        self._thread.join()
        if kind is None:
            assert not self.wrong, self.wrong[0]
            assert self.reads >= 2

    def wait_for_read(self) -> None:
        """Wait until a read that begins now has been judged."""
        for _ in range(2):  # the one under way may have begun before
            assert self._seen.acquire(timeout=30) or self.wrong

    def _read(self) -> None:
        try:
            with Connection(self._running.port, patience=30) as client:
                last = False
                while not last:
                    last = self._done.is_set()
                    content = fetch(self._running, self._name, client)
                    self.reads += 1
                    if not self._judge(content):
                        self.wrong.append(f"read {self.reads} of {self._name}: {_sketch(content)}")
                    self._seen.release()
        except (OSError, AssertionError, raw.BrokenAnswerError) as error:
            self.wrong.append(f"a read of {self._name} failed: {error!r}")
            self._seen.release(2)


def _sketch(content: bytes | None) -> str:
    if content is None:
        return "no file"
    return f"{len(content)} bytes, {hashlib.sha256(content).hexdigest()}"
