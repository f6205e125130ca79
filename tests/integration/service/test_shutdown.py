"""A stop in the middle of uploads: who ends in time succeeds, the others leave nothing behind."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path

import pytest

from tests.support import raw
from tests.support.bodies import content
from tests.support.raw import Connection, End
from tests.support.service import Backend, LocalBackend, Service, service
from tests.support.waiting import until
from tests.support.witness import fetch, store

MIB = 2**20
OLD = content(200 * 1024, "old")
NEW = content(24 * MIB, "new")
SHORT = {"GUNICORN_CMD_ARGS": "--graceful-timeout 14"}
"""Four seconds for transfers; what is left of it is for cleaning up."""
PROMPT = 6.0
"""Seconds within which a stop has to end that waits for nobody, on a busy machine."""


def _begin(running: Service, client: Connection, name: str, sent: int) -> None:
    """Send part of an upload, and see that the service is in the middle of it."""
    expecting = {"Content-Length": str(len(NEW)), "Expect": "100-continue"}
    client.send(raw.head("PUT", f"/api/files/{name}", running.token, expecting))
    assert client.read_interim() == 100
    client.send(NEW[:sent])


def _refuses_connections(running: Service) -> bool:
    try:
        Connection(running.port).close()
    except OSError:
        return True
    return False


@pytest.mark.smoke
def test_an_upload_that_ends_in_time_succeeds(backend: Backend, log: Path) -> None:
    with service(backend, log, workers=2) as running:
        token = running.token
        with Connection(running.port) as client, Connection(running.port) as small:
            _begin(running, client, "large", 20 * MIB)
            _begin(running, small, "small", 100)
            running.process.terminate()
            until(lambda: _refuses_connections(running), "it stops to listen")
            for upload, rest in ((client, NEW[20 * MIB :]), (small, NEW[100:])):
                upload.send(rest)
                answer = upload.read_answer("PUT")
                assert answer.status == 204
                assert upload.end() is End.CLOSED
            answered = time.monotonic()
            assert running.process.wait(PROMPT) == 0
            assert time.monotonic() - answered < PROMPT
    with service(backend, log) as running:
        running.token = token
        assert fetch(running, "large") == NEW
        assert fetch(running, "small") == NEW
    assert "Traceback" not in log.read_text()


def test_an_upload_that_does_not_end_is_given_up(backend: Backend, log: Path) -> None:
    with service(backend, log, workers=2, settings=SHORT) as running:
        token = running.token
        store(running, "old", OLD)
        before = backend.leftovers()
        with contextlib.ExitStack() as clients:
            for name, sent in (("old", 20 * MIB), ("new", 20 * MIB), ("small", 100), ("none", 0)):
                client = clients.enter_context(Connection(running.port))
                _begin(running, client, name, sent)
            until(lambda: len(backend.leftovers()) > len(before), "something of them is stored")
            started = time.monotonic()
            running.process.terminate()
            assert running.process.wait(14) == 0
            assert 3 < time.monotonic() - started < 14
        assert backend.leftovers() == before
    with service(backend, log) as running:
        running.token = token
        assert fetch(running, "old") == OLD
        for name in ("new", "small", "none"):
            assert fetch(running, name) is None
    assert "Traceback" not in log.read_text()


def test_a_download_under_way_is_finished(backend: Backend, log: Path) -> None:
    with service(backend, log) as running:
        store(running, "large", NEW)
        with Connection(running.port) as client:
            client.send(raw.head("GET", "/api/files/large", running.token))
            assert client.read_interim() == 200  # the head only
            running.process.terminate()
            until(lambda: _refuses_connections(running), "it stops to listen")
            assert client.read_body(len(NEW)) == NEW
            assert client.end() is End.CLOSED
            assert running.process.wait(PROMPT) == 0


def test_idle_connections_do_not_delay_the_stop(backend: Backend, log: Path) -> None:
    with (
        service(backend, log, workers=2) as running,
        Connection(running.port) as kept_alive,
        Connection(running.port) as silent,
        Connection(running.port) as begun,
    ):
        kept_alive.send(raw.head("GET", "/api/files", running.token))
        assert kept_alive.read_answer().status == 200
        begun.send(b"GET /api/fi")
        started = time.monotonic()
        running.process.terminate()
        assert running.process.wait(PROMPT) == 0
        assert time.monotonic() - started < PROMPT
        for client in (kept_alive, silent, begun):
            assert client.end(1) in (End.CLOSED, End.RESET)


def test_a_stop_during_the_start_is_heeded(tmp_path: Path) -> None:
    """One worker answers already, the other has not got to the point of listening."""
    for delay in (0.0, 0.1, 0.2):
        log = tmp_path / f"{delay}.log"
        with service(LocalBackend(tmp_path / "data"), log, workers=2) as running:
            # Nothing to wait for: the moments are spread over the start of the second worker.
            time.sleep(delay)
            started = time.monotonic()
            assert running.stop() == 0
            assert time.monotonic() - started < PROMPT
        assert "Traceback" not in log.read_text()
