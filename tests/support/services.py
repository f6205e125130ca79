"""Services that tests share: whoever comes first starts one, and it runs until the session ends.

A start costs more than most tests do. A test with one of its own is about starts, ends, workers
that die, or what only a fresh service shows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Protocol
from uuid import uuid4

from tests.support.service import Backend, Service, start, wait_ready
from tests.support.unharmed import complaints

WORKERS = 2
DEFAULTS: Mapping[str, str] = {}

PAGE = "https://page.example"
METRICS_TOKEN = "figures-for-nobody-but-us"
CUSTOM = {"CORS_ORIGINS": f"http://localhost:3000,{PAGE}", "METRICS_TOKEN": METRICS_TOKEN}
"""What can be set without any test minding that does not look for it."""

IMPATIENT = {"IDLE_TIMEOUT": "2s", "UPLOAD_EXPIRY": "1s"}
"""It waits for no client, and keeps no upload."""


class Lend(Protocol):
    """Gives the service with these settings on a store, ``local`` or ``ceph``."""

    def __call__(
        self, store: str, settings: Mapping[str, str] = DEFAULTS, *, workers: int = WORKERS
    ) -> Service: ...


class Services:
    """Those on one kind of store, one for the same settings, each on a store of its own."""

    def __init__(self, directory: Path, new_backend: Callable[[], Backend]) -> None:
        self._directory = directory
        self._new_backend = new_backend
        self._running: dict[tuple[int, frozenset[tuple[str, str]]], Service] = {}

    def lend(self, settings: Mapping[str, str], workers: int = WORKERS) -> Service:
        """The service with these settings, for a new client, whose part of the log begins now."""
        key = workers, frozenset(settings.items())
        if key not in self._running:
            self._running[key] = self._start(settings, workers)
        running = self._running[key]
        return replace(running, token=str(uuid4()), log_start=running.log.stat().st_size)

    def harm(self) -> list[str]:
        """What has happened to them that should not have. One that has ended is forgotten."""
        found = []
        for key, running in list(self._running.items()):
            seen = running.log.stat().st_size
            found += complaints(running)
            running.log_start = seen
            if running.process.poll() is not None:
                found.append(f"the service of {running.log} has ended")
                del self._running[key]
        return found

    def stop(self) -> list[str]:
        """Stop all of them; return what was wrong in the end."""
        for running in self._running.values():
            running.process.terminate()
        for running in self._running.values():
            running.process.wait(60)
        return [line for running in self._running.values() for line in complaints(running)]

    def _start(self, settings: Mapping[str, str], workers: int) -> Service:
        log = self._directory / f"{uuid4().hex}.log"
        running = start(self._new_backend(), log, workers=workers, settings=settings)
        try:
            wait_ready(running)
        except BaseException:
            running.kill()
            raise
        return running
