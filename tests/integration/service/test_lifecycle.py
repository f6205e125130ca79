"""Starting, stopping and reloading the service, as an operator or a supervisor does."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.support import raw
from tests.support.raw import Connection
from tests.support.service import (
    Backend,
    LocalBackend,
    Service,
    service,
    start,
    wait_ready,
)
from tests.support.waiting import until
from tests.support.witness import fetch, store

PROMPT = 5.0
"""Seconds that a stop may take which has nothing to wait for."""


def test_sigint_stops_it_at_once_and_cleanly(backend: Backend, log: Path) -> None:
    expecting = {"Content-Length": "9", "Expect": "100-continue"}
    with service(backend, log, workers=2) as running, Connection(running.port) as client:
        client.send(raw.head("PUT", "/api/files/f", running.token, expecting))
        assert client.read_interim() == 100
        client.send(b"begun")
        running.process.send_signal(signal.SIGINT)
        assert running.process.wait(PROMPT) == 0
    assert backend.leftovers() == []
    assert "Traceback" not in log.read_text()


@pytest.mark.smoke
def test_both_workers_serve(running: Service) -> None:
    """Each sees what the other one stored; a worker that is stopped cannot answer."""
    for idle, name in zip(running.workers(), ("one", "two"), strict=True):
        _pause(idle)
        try:
            with Connection(running.port) as client:
                put = raw.head("PUT", f"/api/files/{name}", running.token, _length(name))
                client.send(put + name.encode())
                assert client.read_answer("PUT").status == 204
                client.send(raw.head("GET", "/api/files", running.token))
                assert f'"{name}"'.encode() in client.read_answer().body
        finally:
            _resume(idle)
    with Connection(running.port) as client:
        client.send(raw.head("GET", "/api/files", running.token))
        assert client.read_answer().body == b'["one","two"]'


def test_a_worker_that_cannot_open_the_store_ends_no_other(tmp_path: Path, log: Path) -> None:
    """It tries again until it can; meanwhile the others serve, and a stop is still a stop."""
    backend = LocalBackend(tmp_path / "data")
    sessions, away = tmp_path / "data" / "sessions", tmp_path / "away"
    with service(backend, log, workers=2) as running:
        store(running, "kept", b"content")
        killed, _ = _two_workers(running)
        sessions.rename(away)
        sessions.touch()
        os.kill(killed, signal.SIGKILL)
        until(lambda: "another one tries" in log.read_text(), "another one tries")
        assert "DATA_DIR: cannot create or write it" in log.read_text()
        assert fetch(running, "kept") == b"content"
        sessions.unlink()
        away.rename(sessions)
        until(lambda: len(_serving(log)) == 3, "it has opened the store")
        assert len(running.workers()) == 2
        assert fetch(running, "kept") == b"content"
        sessions.rename(away)
        sessions.touch()
        tries = log.read_text().count("another one tries")
        os.kill(running.workers()[0], signal.SIGKILL)
        until(lambda: log.read_text().count("another one tries") > tries, "a third one tries")
        began = time.monotonic()
        running.process.terminate()
        assert running.process.wait(30) == 0
        assert time.monotonic() - began < PROMPT


def _serving(log: Path) -> list[str]:
    return [line for line in log.read_text().splitlines() if "ASGI server listening" in line]


def test_a_dead_worker_is_replaced(backend: Backend, log: Path) -> None:
    with service(backend, log, workers=2) as running:
        before = set(_two_workers(running))
        victim = min(before)
        subprocess.run(["kill", "-9", str(victim)], check=True)
        deadline = time.monotonic() + 20
        while not (set(running.workers()) - before and victim not in running.workers()):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        wait_ready(running)


def test_workers_do_not_outlive_their_master(tmp_path: Path, log: Path) -> None:
    running = start(LocalBackend(tmp_path / "data"), log, workers=2)
    wait_ready(running)
    workers = _two_workers(running)
    running.process.kill()
    running.process.wait()
    deadline = time.monotonic() + 20
    while any(Path(f"/proc/{pid}").exists() for pid in workers):
        if time.monotonic() > deadline:
            for pid in workers:
                subprocess.run(["kill", "-9", str(pid)], check=False)
            pytest.fail("workers went on without their master")
        time.sleep(0.05)


def test_reload_serves_and_follows_the_code(tmp_path: Path, log: Path) -> None:
    """The plain command that the README gives; the code is not touched here, only served."""
    settings = {"GUNICORN_CMD_ARGS": "--reload"}
    with service(LocalBackend(tmp_path / "data"), log, settings=settings) as running:
        with Connection(running.port) as client:
            client.send(raw.head("PUT", "/api/files/f", running.token, _length("f")) + b"f")
            assert client.read_answer("PUT").status == 204
        assert running.stop() == 0


BAD_SETTINGS = [
    ("AWS_SECRET_ACCESS_KEY", {"BUCKET": "some-bucket", "AWS_ACCESS_KEY_ID": "key"}),
    ("DATA_DIR", {"DATA_DIR": "/dev/null/data"}),
]


@pytest.mark.parametrize(("name", "settings"), BAD_SETTINGS, ids=lambda value: str(value)[:20])
def test_a_bad_setting_stops_the_start_with_one_line_that_names_it(
    name: str, settings: dict[str, str], tmp_path: Path, log: Path
) -> None:
    running = start(LocalBackend(tmp_path / "data"), log, settings=settings)
    try:
        assert running.process.wait(20) != 0
    finally:
        running.kill()
    said = log.read_text()
    assert "Traceback" not in said
    ours = [line for line in said.splitlines() if line.startswith("file-uploader: ")]
    assert len(ours) == 1, said
    assert name in ours[0]
    for value in settings.values():
        if len(value) > 10:
            assert name == "DATA_DIR" or value not in said


def test_no_token_is_in_the_log(running: Service) -> None:
    requests = [
        raw.head("PUT", "/api/files/f", running.token, _length("f")) + b"f",
        raw.head("GET", "/api/files/f", running.token),
        raw.head("GET", "/api/files?limit=none", running.token),
        raw.head("GET", "/api/files/f", f"{running.token}x"),
        raw.head("PUT", "/api/files/g", running.token, {"Content-Length": "9"}) + b"cut",
        raw.head("GET", "/api/files/nothing", running.token),
    ]
    for request in requests:
        with Connection(running.port) as client:
            client.send(request)
            if not request.endswith(b"cut"):
                client.read_answer(request[:3].decode())
    until(
        lambda: all(f"/api/files/{name} " in running.said() for name in ("g", "nothing")),
        "what was cut and what came last are in the log",
    )
    said = running.said()
    for form in (running.token, running.token.upper(), running.token.replace("-", "")):
        assert form not in said


def _length(content: str) -> dict[str, str]:
    return {"Content-Length": str(len(content))}


def _two_workers(running: Service) -> tuple[int, int]:
    """Their process ids, once both are there and past their start."""
    deadline = time.monotonic() + 20
    while running.log.read_text().count("ASGI server listening") < 2:
        assert time.monotonic() < deadline, running.log.read_text()
        time.sleep(0.02)
    first, second = running.workers()
    return first, second


def _pause(pid: int) -> None:
    subprocess.run(["kill", "-STOP", str(pid)], check=True)


def _resume(pid: int) -> None:
    subprocess.run(["kill", "-CONT", str(pid)], check=True)
