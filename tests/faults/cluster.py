"""The service as its operator has it: nodes with workers on one store."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from tests.support.service import (
    ROOT,
    Backend,
    Service,
    free_port,
    start,
    wait_ready,
)


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
        self._ports = [free_port() for _ in range(nodes)]
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
        self.nodes = [
            start(
                self.backend,
                self._directory / f"node-{port}.log",
                workers=self._workers,
                settings={**self._settings, **(settings or {})},
                port=port,
                tree=self._tree,
            )
            for port in self._ports
        ]
        try:
            for node in self.nodes:
                wait_ready(node)
        except BaseException:
            self.kill()
            raise
        return time.monotonic() - began

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

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """It runs in this block, and nothing of it after that."""
        try:
            self.start()
            yield
        finally:
            self.kill()
