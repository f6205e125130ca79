"""Clients that take their time, in thousands: others do not feel them, and all are ended."""

from __future__ import annotations

import itertools
import os
import resource
import signal
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

import pytest

from file_uploader.server.protocol import HEAD_TIMEOUT
from tests.support import crowd, raw
from tests.support.bodies import content
from tests.support.connections import open_connections
from tests.support.crowd import BODY, HEAD, IDLE, READER, SILENT_BODY
from tests.support.raw import Connection
from tests.support.rounds import LONG, rounds
from tests.support.service import LocalBackend, Service, service
from tests.support.unharmed import unharmed
from tests.support.waiting import until
from tests.support.witness import store

KIB = 1024
MIB = 1024 * KIB
HEALTHY = 8
SMALL = 4 * KIB
SLOW = 1000
IDLE_TIMEOUT = 45
KEEP_ALIVE = 75
RATE_WINDOW = 60
"""Seconds over which ``MIN_RATE`` is averaged."""
LATE = 10
"""Seconds that a busy machine may take longer than it should."""

BURST = 500
"""Connections at once: more than an event loop lets wait by itself."""

MEMORY_OF_ONE = 24 * KIB
"""Bytes that a worker may take for a connection that asks for nothing."""


@pytest.fixture
def backend() -> Iterator[LocalBackend]:
    """In memory: how long a disk takes is not what is asked here, and would hide it."""
    with tempfile.TemporaryDirectory(dir="/dev/shm") as directory:
        yield LocalBackend(Path(directory))


@pytest.mark.alone
def test_healthy_clients_do_not_feel_a_thousand_slow_ones(backend: LocalBackend, log: Path) -> None:
    windows = rounds(3, 8)  # less than the time after which the first of the slow ones are ended
    settings = {"IDLE_TIMEOUT": f"{IDLE_TIMEOUT}s"}
    with service(backend, log, workers=2, settings=settings) as running:
        store(running, "large", content(16 * MIB))
        _p99(running, 2)
        quiet = _p99(running, windows)
        counts = dict.fromkeys((BODY, SILENT_BODY, HEAD, READER, IDLE), SLOW // 5)
        with unharmed(running), crowd.crowd(running, counts) as slow:
            crowded = _p99(running, windows)
            told = f"p99 {quiet * 1000:.1f} ms, beside slow clients {crowded * 1000:.1f} ms"
            print(told)
            until(lambda: open_connections(running) == SLOW, "all of the slow ones are still there")
            assert crowded < 2 * quiet, told
            if LONG:
                _all_end(running, slow)


def _p99(running: Service, windows: int) -> float:
    """Seconds of the slowest hundredth of PUT and GET, in the median of so many seconds."""
    ends = time.monotonic() + windows
    with ThreadPoolExecutor() as pool:
        times = list(pool.map(partial(_work, running, ends), range(HEALTHY)))
    by_window: list[list[float]] = [[] for _ in range(windows)]
    for at, took in itertools.chain(*times):
        by_window[min(windows - 1, int(windows - (ends - at)))].append(took)
    return statistics.median(statistics.quantiles(some, n=100)[98] for some in by_window)


def _work(running: Service, ends: float, number: int) -> list[tuple[float, float]]:
    """Store and read a file until then; when each pair began, and how long it took."""
    path, data = f"/api/files/healthy/{number}", content(SMALL)
    put = raw.head("PUT", path, running.token, {"Content-Length": str(SMALL)}) + data
    get = raw.head("GET", path, running.token)
    times = []
    with Connection(running.port) as client:
        while (began := time.monotonic()) < ends:
            client.send(put)
            assert client.read_answer("PUT").status == 204
            client.send(get)
            assert client.read_answer().body == data
            times.append((began, time.monotonic() - began))
    return times


def _all_end(running: Service, slow: crowd.Crowd) -> None:
    """Each kind is ended by its own limit: told so, but for those who would not hear it."""
    limits = {
        HEAD: (HEAD_TIMEOUT, 408),
        SILENT_BODY: (IDLE_TIMEOUT, 408),
        BODY: (RATE_WINDOW, 408),
        IDLE: (KEEP_ALIVE, 0),
    }
    until(lambda: not open_connections(running), "all are ended", KEEP_ALIVE + LATE)
    fates = slow.fates()
    print(fates)
    for kind, (limit, status) in limits.items():
        fate = fates[kind]
        assert fate.statuses == {status: SLOW // 5}, (kind, fate)
        assert limit - 1 <= fate.soonest, (kind, fate)
        assert fate.latest <= limit + LATE, (kind, fate)


@pytest.mark.alone
def test_thousands_of_idle_connections_are_held_and_then_closed(
    backend: LocalBackend, log: Path
) -> None:
    """Again and again; also where a process may open few files to begin with, as on most machines.

    What they took stays for the next ones.
    """
    count, keep_alive = rounds(2000, 5000), rounds(5, KEEP_ALIVE)
    most = count * MEMORY_OF_ONE
    settings = {} if LONG else {"GUNICORN_CMD_ARGS": f"--keep-alive {keep_alive}"}
    with _few_open_files(), service(backend, log, workers=2, settings=settings) as running:
        _p99(running, 1)
        with unharmed(running, memory=most):
            before = running.pss()
            for _ in range(rounds(1, 3)):
                with crowd.crowd(running, {IDLE: count}) as idle:
                    until(lambda: open_connections(running) == count, "all of them are there")
                    took = running.pss() - before
                    print(f"{took / count / KIB:.1f} KiB for each connection")
                    assert took < most
                    print(f"p99 of others {_p99(running, 2) * 1000:.1f} ms")
                    until(lambda: not open_connections(running), "all end", keep_alive + LATE)
                    fate = idle.fates()[IDLE]
                print(fate)
                assert fate.statuses == {0: count}
                assert keep_alive - 1 <= fate.soonest
                assert fate.latest <= keep_alive + LATE


def test_connections_wait_for_workers_that_are_busy(backend: LocalBackend, log: Path) -> None:
    """Hundreds of them, while nothing is accepted: the system drops none, to be tried again."""
    with service(backend, log, workers=2) as running, unharmed(running), ExitStack() as clients:
        with _stopped(running.workers()):
            waiting = [
                clients.enter_context(Connection(running.port, patience=5)) for _ in range(BURST)
            ]
        for client in waiting:
            client.send(raw.head("GET", "/health"))
        for client in waiting:
            assert client.read_answer().status == 200
        clients.close()


@contextmanager
def _stopped(pids: Sequence[int]) -> Iterator[None]:
    try:
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


@contextmanager
def _few_open_files() -> Iterator[None]:
    """The limit that a process gets that asks for nothing else; it may be raised."""
    few, most = 1024, resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    assert most >= 20_000, "this machine lets no process open so many connections"
    usual = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (few, most))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, usual)
