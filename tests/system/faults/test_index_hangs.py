"""A worker that hangs, with the lock for writing in its hands or with nothing, and its fellow."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.support import raw
from tests.support.connections import one_to_each
from tests.support.raw import Connection, End
from tests.support.rounds import LONG
from tests.support.service import LocalBackend, Service, service
from tests.support.waiting import until
from tests.support.witness import fetch, store
from tests.system.faults.index import caught, holders, integrity

TIMEOUT = 40 if LONG else 3
"""Seconds without a sign of life after which a worker is killed: as it is set up, or less."""
SETTINGS: Mapping[str, str] = {} if LONG else {"GUNICORN_CMD_ARGS": f"--timeout {TIMEOUT}"}
BOUND = TIMEOUT + 5
"""By then the others go on: the arbiter looks once a second, twice, and the machine is busy."""
AT_ONCE = 2.0
CLIENTS = 8


@contextmanager
def _two_workers(
    directory: Path, log: Path
) -> Iterator[tuple[Service, int, dict[int, Connection]]]:
    """The service, the worker that is to hang, and a connection to each."""
    with (
        service(LocalBackend(directory), log, workers=2, settings=SETTINGS) as running,
        one_to_each(running, BOUND) as clients,
    ):
        yield running, min(clients), clients


@contextmanager
def _hangs(pid: int) -> Iterator[None]:
    """A process stands still, if it does not already, until it is killed or this is left."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)


def _put(running: Service, client: Connection, name: str) -> int:
    """Put a file that contains its name; the status of the answer."""
    length = {"Content-Length": str(len(name))}
    client.send(raw.head("PUT", f"/api/files/{name}", running.token, length) + name.encode())
    return client.read_answer("PUT").status


def _stop_in_a_commit(pid: int, lock: Path) -> None:
    """Let the process stand still while it holds the lock."""
    while True:
        caught(lock, 0, {pid})
        os.kill(pid, signal.SIGSTOP)
        if pid in holders(lock):
            return
        os.kill(pid, signal.SIGCONT)


def test_one_hangs_with_the_lock_for_writing(tmp_path: Path, log: Path) -> None:
    acknowledged: list[str] = []
    with _two_workers(tmp_path / "data", log) as (running, victim, clients):
        client, other = clients.pop(victim), *clients.values()
        store(running, "there", b"before")

        def keep_putting() -> None:
            with suppress(OSError, raw.BrokenAnswerError):
                while _put(running, client, f"before/{len(acknowledged)}") == 204:
                    acknowledged.append(f"before/{len(acknowledged)}")

        def put(number: int) -> tuple[int, float]:
            with Connection(running.port, BOUND) as own:
                began = time.monotonic()
                status = _put(running, own, f"meanwhile/{number}")
                return status, time.monotonic() - began

        writing = threading.Thread(target=keep_putting)
        writing.start()
        try:
            until(lambda: bool(acknowledged), "the worker writes")
            _stop_in_a_commit(victim, tmp_path / "data" / "write.lock")
            with _hangs(victim), ThreadPoolExecutor(CLIENTS) as others:
                stopped = time.monotonic()
                answers = [others.submit(put, number) for number in range(CLIENTS)]
                while victim in running.workers():
                    assert time.monotonic() - stopped < BOUND, "nobody kills it"
                    began = time.monotonic()
                    assert fetch(running, "there", other) == b"before"  # Reading goes on.
                    assert time.monotonic() - began < AT_ONCE
                    time.sleep(0.05)
                killed = time.monotonic() - stopped
                held_up = [answer.result() for answer in answers]
        finally:
            writing.join()
        print(f"killed after {killed:.1f} s; held up for {max(took for _, took in held_up):.1f} s")
        assert killed > TIMEOUT - 1
        assert all(status == 204 and took < BOUND for status, took in held_up), held_up
        until(lambda: len(running.workers()) == 2, "there is another worker")
        for name in [*acknowledged, *(f"meanwhile/{number}" for number in range(CLIENTS))]:
            assert fetch(running, name, other) == name.encode()
        assert put(CLIENTS)[0] == 204
    assert "WORKER TIMEOUT" in log.read_text()
    assert integrity(tmp_path / "data") == "ok"


def test_one_hangs_with_nothing(tmp_path: Path, log: Path) -> None:
    """Its own connections wait for its end; nobody else's do, and no new one is given to it."""
    with _two_workers(tmp_path / "data", log) as (running, victim, clients):
        client, other = clients.pop(victim), *clients.values()
        with _hangs(victim):
            stopped = time.monotonic()
            client.send(raw.head("GET", "/health"))
            while victim in running.workers():
                assert time.monotonic() - stopped < BOUND, "nobody kills it"
                began = time.monotonic()
                assert _put(running, other, "file") == 204
                with Connection(running.port) as new:
                    assert _put(running, new, "file") == 204
                assert time.monotonic() - began < AT_ONCE
                time.sleep(0.05)
            assert client.end() in (End.CLOSED, End.RESET)
            killed = time.monotonic() - stopped
        print(f"killed, and its connections closed, after {killed:.1f} s")
        assert TIMEOUT - 1 < killed < BOUND
        until(lambda: len(running.workers()) == 2, "there is another worker")
