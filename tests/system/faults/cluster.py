"""The service as its operator has it: nodes with workers on one store."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from tests.support import raw
from tests.support.raw import Connection
from tests.support.service import (
    ROOT,
    Backend,
    Service,
    reserved_port,
    start,
    wait_ready,
)
from tests.support.waiting import until
from tests.system.faults.syscalls import Watch, watched

_RECOVERY = 30.0
"""Seconds after a fault in which everything is to be well again."""


class Cluster:
    """Nodes that keep their ports however often they are started; ``tree`` is what they run."""

    def __init__(
        self,
        backend: Backend,
        directory: Path,
        *,
        nodes: int,
        workers: int,
        settings: Mapping[str, str],
        tree: Path = ROOT,
    ) -> None:
        self.backend = backend
        self.nodes: list[Service] = []
        self._reserved = [reserved_port() for _ in range(nodes)]
        self._ports = [each.getsockname()[1] for each in self._reserved]
        self._directory = directory
        self._workers = workers
        self._settings = dict(settings)
        self._tree = tree

    def ports(self) -> list[int]:
        """Where it listens, or will."""
        return self._ports

    def log(self) -> str:
        """What all nodes have said since they were made."""
        return "".join(path.read_text() for path in sorted(self._directory.glob("node-*.log")))

    def start(self, settings: Mapping[str, str] | None = None) -> float:
        """Start all nodes and wait until they answer; return how many seconds that took."""
        began = time.monotonic()
        settings = {**self._settings, **(settings or {})}
        self.nodes = [self._launch(port, settings) for port in self._ports]
        try:
            for node in self.nodes:
                wait_ready(node)
        except BaseException:
            self.kill()
            raise
        return time.monotonic() - began

    def _launch(self, port: int, settings: Mapping[str, str]) -> Service:
        return start(
            self.backend,
            self._directory / f"node-{port}.log",
            workers=self._workers,
            settings=settings,
            port=port,
            tree=self._tree,
        )

    def stop(self) -> None:
        """Stop all nodes as a supervisor does, and see that they end well."""
        for node in self.nodes:
            node.process.terminate()
        for node in self.nodes:
            assert node.process.wait(60) == 0, node.log.read_text()[-3000:]

    def kill(self) -> None:
        """Kill all of it at once."""
        for node in self.nodes:
            node.kill()

    def wait_ready(self) -> None:
        """Wait until each node finds its store well."""
        until(lambda: all(map(_is_ready, self.nodes)), "every node is ready", _RECOVERY)

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """It runs in this block, and nothing of it after that."""
        try:
            self.start()
            yield
        finally:
            self.kill()
            for each in self._reserved:
                each.close()


class WatchedCluster(Cluster):
    """One node whose system calls below ``watched`` can be made to fail, while it runs."""

    def __init__(self, *args: Any, watched: Path, **options: Any) -> None:
        super().__init__(*args, nodes=1, **options)
        self._watched = watched
        self._watching = contextlib.ExitStack()
        self.watch: Watch

    def kill(self) -> None:
        """Kill it, and end the watch."""
        super().kill()
        self._watching.close()

    def stop(self) -> None:
        """Stop it, and end the watch."""
        super().stop()
        self._watching.close()

    def _launch(self, port: int, settings: Mapping[str, str]) -> Service:
        starting = partial(super()._launch, port, settings)
        node, self.watch = self._watching.enter_context(watched(self._watched, starting))
        return node


def _is_ready(node: Service) -> bool:
    try:
        with Connection(node.port) as client:
            client.send(raw.head("GET", "/ready"))
            return client.read_answer().status == 200
    except (OSError, raw.BrokenAnswerError):
        return False
