"""A process that may open no more files: it waits until it may, and says so to whom it can."""

from __future__ import annotations

import contextlib
import itertools
import os
import resource
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import pytest

from tests.support import raw
from tests.support.bodies import content
from tests.support.connections import open_blobs, open_connections
from tests.support.raw import Answer, Connection
from tests.support.rounds import rounds
from tests.support.service import LocalBackend, Service, service
from tests.support.unharmed import complaints
from tests.support.waiting import until
from tests.support.witness import fetch, store

KIB = 1024
WORKERS = 2
FEW = 128
"""Descriptors that a worker may have in a flood."""
FLOOD = 300
MOST_CPU = 0.4
"""Seconds of CPU that a worker may take in a second in which nobody asks it for anything."""

LARGE = content(200 * KIB)
SMALL = content(2 * KIB)


@pytest.fixture
def backend(tmp_path: Path) -> LocalBackend:
    return LocalBackend(tmp_path / "data")


@pytest.fixture
def running(backend: LocalBackend, log: Path) -> Iterator[Service]:
    with service(backend, log, workers=WORKERS) as started:
        store(started, "large", LARGE)
        store(started, "small", SMALL)
        _open_what_threads_keep(started)
        yield started
        assert not complaints(started)


def _open_what_threads_keep(running: Service) -> None:
    with ExitStack() as clients:
        held = [clients.enter_context(Connection(running.port)) for _ in range(40)]
        for client in held:
            client.send(_get(running, "large") + _put(running, "warm", LARGE))
        for client in held:
            assert client.read_answer().status == 200
            assert client.read_answer("PUT").status == 204
    until(lambda: not open_connections(running), "no connection is left")
    # The sweep, and what closes files behind an answer, open and close some for a moment.
    seen: list[set[tuple[int, int]]] = []

    def settled() -> bool:
        seen.append({(pid, fd) for pid in running.workers() for fd in _used(pid)})
        return len(seen) > 10 and all(each == seen[-1] for each in seen[-10:])

    until(settled, "nothing is opened or closed any more")


def _used(pid: int) -> set[int]:
    return {int(each.name) for each in Path(f"/proc/{pid}/fd").iterdir()}


@contextlib.contextmanager
def _limited(limits: Mapping[int, int]) -> Iterator[None]:
    """Let each of these processes have only so many descriptors."""
    usual = {pid: resource.prlimit(pid, resource.RLIMIT_NOFILE) for pid in limits}
    for pid, limit in limits.items():
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (limit, usual[pid][1]))
    try:
        yield
    finally:
        for pid, both in usual.items():
            resource.prlimit(pid, resource.RLIMIT_NOFILE, both)


def _none_left(running: Service) -> Mapping[int, int]:
    """Limits below which all numbers of descriptors are in use, and stay so."""
    until(lambda: open_blobs(running) == [], "what was read or written is closed")
    found = {}
    for pid in running.workers():
        used = _used(pid)
        for _ in range(3):  # What is open for a moment only is not in use to stay so.
            time.sleep(0.005)
            used &= _used(pid)
        found[pid] = next(number for number in itertools.count() if number not in used)
    return found


@pytest.mark.alone
def test_a_flood_of_connections_stops_neither_the_service_nor_a_core(
    running: Service, backend: LocalBackend
) -> None:
    """Whoever is let in has the files that it needs, and who is not is told at once."""
    workers = running.workers()
    for _ in range(rounds(1, 20)):
        with _limited(dict.fromkeys(workers, FEW)):
            with (
                ExitStack() as clients,
                ThreadPoolExecutor(64) as pool,
                _most_used(workers) as used,
            ):
                flood = [clients.enter_context(Connection(running.port, 5)) for _ in range(FLOOD)]
                answered = list(pool.map(partial(_answered, running), range(FLOOD), flood))
                served = list(itertools.compress(flood, answered))
                assert WORKERS < len(served) < FLOOD
                for pid, seconds in _cpu_of_a_second(workers).items():
                    assert seconds < MOST_CPU, (pid, seconds)
                for client in served:
                    client.send(_get(running, "large"))
                    assert client.read_answer().body == LARGE
            assert max(used) < FEW
            until(lambda: _answers(running), "it answers again", patience=20)
        assert running.workers() == workers
        assert fetch(running, "flood") == LARGE
        store(running, "flood", SMALL)
    assert fetch(running, "large") == LARGE
    until(lambda: len(backend.leftovers()) == 2, "nothing but two large files is left")


@contextlib.contextmanager
def _most_used(pids: Sequence[int]) -> Iterator[list[int]]:
    """How many descriptors any of the processes had, at each look."""
    found: list[int] = []
    done = threading.Event()

    def look() -> None:
        while not done.wait(0.005):
            found.extend(len(_used(pid)) for pid in pids)

    looking = threading.Thread(target=look)
    looking.start()
    try:
        yield found
    finally:
        done.set()
        looking.join()


def _answered(running: Service, number: int, client: Connection) -> bool:
    """Whether a connection of the flood is served; every other one needs a file, too."""
    try:
        client.send(_put(running, "flood", LARGE) if number % 2 else raw.head("GET", "/health"))
        answer = client.read_answer("PUT" if number % 2 else "GET")
    except (OSError, raw.BrokenAnswerError):
        return False
    assert answer.status == (204 if number % 2 else 200), answer
    return True


def test_what_needs_a_file_that_cannot_be_opened_is_told_to_come_back(
    running: Service, backend: LocalBackend
) -> None:
    before = backend.leftovers()
    with ExitStack() as clients:
        held = [clients.enter_context(Connection(running.port)) for _ in range(40)]
        for client in held:
            client.send(raw.head("GET", "/health"))
            assert client.read_answer().status == 200
        for client in held[::2]:
            with _limited(_none_left(running)):
                client.send(_get(running, "large"))
                _is_told_to_come_back(client.read_answer())
                # What needs none goes on.
                client.send(_put(running, "small", SMALL) + _get(running, "small"))
                assert client.read_answer("PUT").status == 204
                assert client.read_answer().body == SMALL
        for client in held[1::2]:
            with _limited(_none_left(running)):
                client.send(_put(running, "new", LARGE))
                _is_told_to_come_back(client.read_answer("PUT"))
        assert backend.leftovers() == before
        for client in held[::2]:
            client.send(_put(running, "new", LARGE) + _get(running, "large"))
            assert client.read_answer("PUT").status == 204
            assert client.read_answer().body == LARGE
    assert fetch(running, "new") == LARGE
    until(lambda: len(backend.leftovers()) == len(before) + 1, "nothing else is left")


def _is_told_to_come_back(answer: Answer) -> None:
    assert answer.problem["status"] == 503, answer
    assert answer.header("retry-after"), answer


def _answers(running: Service) -> bool:
    with contextlib.suppress(OSError, raw.BrokenAnswerError), Connection(running.port, 1) as client:
        client.send(raw.head("GET", "/health"))
        return client.read_answer().status == 200
    return False


def _cpu_of_a_second(pids: list[int]) -> dict[int, float]:
    before = {pid: _cpu(pid) for pid in pids}
    time.sleep(1)
    return {pid: _cpu(pid) - before[pid] for pid in pids}


def _cpu(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _get(running: Service, name: str) -> bytes:
    return raw.head("GET", f"/api/files/{name}", running.token)


def _put(running: Service, name: str, data: bytes) -> bytes:
    length = {"Content-Length": str(len(data))}
    return raw.head("PUT", f"/api/files/{name}", running.token, length) + data
