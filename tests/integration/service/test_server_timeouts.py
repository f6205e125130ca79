"""Clients that take their time: with the request's head, or with the answer."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from file_uploader.server.protocol import HEAD_TIMEOUT
from tests.support import raw
from tests.support.connections import holds
from tests.support.raw import Connection, End
from tests.support.service import LocalBackend, service
from tests.support.services import IMPATIENT, Lend
from tests.support.waiting import until
from tests.support.witness import store

LARGE = 64 * 2**20
PATIENCE = HEAD_TIMEOUT + 10
TOO_EARLY = HEAD_TIMEOUT - 0.5


def test_a_head_that_does_not_arrive_in_time_ends_the_connection(shared_service: Lend) -> None:
    """All kinds at once, because each of them takes as long as the limit."""
    server = shared_service("local")
    whole = raw.head("GET", "/health")
    with (
        Connection(server.port, PATIENCE) as silent,
        Connection(server.port, PATIENCE) as begun,
        Connection(server.port, PATIENCE) as trickled,
        Connection(server.port, PATIENCE) as second,
        Connection(server.port, PATIENCE) as pipelined,
        Connection(server.port, PATIENCE) as kept_alive,
    ):
        kept_alive.send(whole)
        assert kept_alive.read_answer().status == 200
        second.send(whole)
        assert second.read_answer().status == 200
        started = time.monotonic()
        begun.send(whole[:-1])
        second.send(whole[:1])
        trickled.send(whole[:-2])
        pipelined.send(whole + whole[:-1])
        assert pipelined.read_answer().status == 200
        with pytest.raises(OSError):  # noqa: PT011 (reset or broken pipe, as it happens)
            trickled.send_slowly((b"X-Note: a\r\n" for _ in range(1000)), HEAD_TIMEOUT / 40)
        assert TOO_EARLY < time.monotonic() - started < PATIENCE
        for name, client in (("silent", silent), ("begun", begun), ("second", second)):
            answer = client.read_answer()
            assert answer.problem["status"] == 408, name
            assert answer.closes, name
            assert client.end() is End.CLOSED, name
        assert pipelined.read_answer().status == 408
        # Idle between two requests is something else: that is what keep-alive is for.
        kept_alive.send(whole)
        assert kept_alive.read_answer().status == 200


def test_a_pause_within_a_body_is_limited_by_the_idle_timeout_alone(
    tmp_path: Path, log: Path
) -> None:
    """gunicorn's own ``timeout`` is for workers that hang; its receiver would end the body, too."""
    limits = {"GUNICORN_CMD_ARGS": "--timeout 3"}
    with (
        service(LocalBackend(tmp_path / "data"), log, settings=limits) as server,
        Connection(server.port) as client,
    ):
        head = raw.head("PUT", "/api/files/paused", server.token, {"Content-Length": "10"})
        client.send_slowly([head + b"12345"], 5)
        client.send(b"67890")
        assert client.read_answer("PUT").status == 204


def test_a_client_that_takes_nothing_is_let_go_of(shared_service: Lend) -> None:
    server = shared_service("local", IMPATIENT)
    store(server, "large", bytes(LARGE))
    with Connection(server.port) as client:
        client.send(raw.head("GET", "/api/files/large", server.token))
        assert client.read_interim() == 200
        until(lambda: holds(server, client), "the server sends")
        until(lambda: not holds(server, client), "the server lets go", patience=60)
        with pytest.raises(raw.BrokenAnswerError):
            client.read_body(LARGE)
    until(lambda: "took nothing" in server.said(), "it is in the log")


def test_a_client_that_takes_nothing_of_many_small_answers_is_let_go_of(
    shared_service: Lend,
) -> None:
    """They are written by the event loop, and not copied from a file."""
    server = shared_service("local", IMPATIENT)
    store(server, "small", bytes(16 * 1024))
    with Connection(server.port, window=64 * 1024) as client:
        client.send(raw.head("GET", "/api/files/small", server.token) * 400)
        until(lambda: holds(server, client), "the server answers")
        until(lambda: not holds(server, client), "the server lets go", patience=60)


def test_a_client_that_takes_something_is_not(shared_service: Lend) -> None:
    """For longer than the limit in all, with many answers on one connection."""
    server = shared_service("local", IMPATIENT)
    store(server, "large", bytes(LARGE))
    with Connection(server.port) as client:
        for _ in range(2):
            client.send(raw.head("GET", "/api/files/large", server.token))
            assert client.read_interim() == 200
            for _ in range(16):
                assert client.read_body(LARGE // 16) == bytes(LARGE // 16)
                time.sleep(0.15)
