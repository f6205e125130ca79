"""An append whose client has gone silent makes way for the next one at once, in any worker."""

from __future__ import annotations

import contextlib
import time

import pytest

from tests.integration.service.clients.wire import (
    DIALECTS,
    Dialect,
    append,
    connected,
    create,
    listed,
    look,
    offset_of,
)
from tests.support import raw
from tests.support.bodies import content
from tests.support.raw import Connection
from tests.support.service import Service
from tests.support.waiting import until
from tests.support.witness import fetch

MIB = 2**20
LENGTH = 14 * MIB
SENT = 9 * MIB + 321
"""Bytes that the client sends before it goes silent."""
OLD, NEW = content(LENGTH, "old"), content(LENGTH, "new")
AT_ONCE = 1.0
"""Seconds from a request to its answer, though an older append hangs."""
SOON = 2.0
"""Seconds from that request to the end of the older one's connection."""
IN_ALL = 20.0
"""The same beside other tests."""


PAIRS = [
    pytest.param("local", "same worker"),
    pytest.param("ceph", "other worker"),
    pytest.param("local", "other worker", marks=pytest.mark.soak),
    pytest.param("ceph", "same worker", marks=pytest.mark.soak),
]


@pytest.fixture(params=["same worker", "other worker"])
def workers(request: pytest.FixtureRequest, running: Service) -> tuple[int, int]:
    """The process ids of the workers that the older and the newer request go to."""
    one, other = running.workers()
    return one, one if request.param == "same worker" else other


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.name)
def test_a_new_append_ends_one_that_hangs(
    running: Service, workers: tuple[int, int], dialect: Dialect
) -> None:
    _append_over_a_hanging_one(running, workers, dialect)


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.name)
def test_asking_ends_an_append_that_hangs(
    running: Service, workers: tuple[int, int], dialect: Dialect
) -> None:
    _ask_over_a_hanging_one(running, workers, dialect)


@pytest.mark.alone
@pytest.mark.parametrize(("running", "workers"), PAIRS, indirect=True)
def test_it_takes_less_than_a_second(running: Service, workers: tuple[int, int]) -> None:
    for worker in workers:
        # At its first upload a process finds out what the object store can do.
        with connected(running, worker) as client:
            create(client, DIALECTS[0], running.token, "first", 1)
    for dialect in DIALECTS:
        for hang in (_append_over_a_hanging_one, _ask_over_a_hanging_one):
            answered, ended = hang(running, workers, dialect)
            print(f"{dialect.name}, {hang.__name__}: {answered:.2f} s, older ended {ended:.2f} s")
            assert answered < AT_ONCE
            assert ended < SOON


def _append_over_a_hanging_one(
    running: Service, workers: tuple[int, int], dialect: Dialect
) -> tuple[float, float]:
    """Return the seconds until the newer append goes on, and until the older one has ended."""
    token, name = running.token, "taken-over"
    with connected(running, workers[0]) as older, connected(running, workers[1]) as newer:
        path = _hang(older, running, dialect, name)
        until(lambda: _offset(newer, token, path) == SENT, "what was sent is durable", IN_ALL)
        began = time.monotonic()
        # A piece that is not the last: its answer comes once it is durable.
        piece = NEW[SENT : SENT + MIB]
        answer = append(newer, dialect, token, path, SENT, piece, last=False)
        answered = time.monotonic() - began
        assert 200 <= answer.status < 300, answer
        assert offset_of(answer) == SENT + MIB
        with contextlib.suppress(OSError):
            older.send(OLD[SENT:])  # it wakes up, and is too late
        ended = _end_of(older, began)
        _finish(newer, running, dialect, path, SENT + MIB)
        assert fetch(running, name) == OLD[:SENT] + NEW[SENT:]
    return answered, ended


def _ask_over_a_hanging_one(
    running: Service, workers: tuple[int, int], dialect: Dialect
) -> tuple[float, float]:
    """Return the seconds until the offset is told, and until the older append has ended."""
    token, name = running.token, "asked"
    with connected(running, workers[0]) as older, connected(running, workers[1]) as newer:
        path = _hang(older, running, dialect, name)
        before = _offset(newer, token, path)
        began = time.monotonic()
        offset = look(newer, dialect, token, path)
        answered = time.monotonic() - began
        assert before <= offset <= SENT
        ended = _end_of(older, began)
        assert look(newer, dialect, token, path) == offset
        _finish(newer, running, dialect, path, offset)
        assert fetch(running, name) == OLD[:offset] + NEW[offset:]
    return answered, ended


def _hang(older: Connection, running: Service, dialect: Dialect, name: str) -> str:
    """Begin an upload, send a part of it, and nothing more; return its path."""
    token = running.token
    path = create(older, dialect, token, name, LENGTH)
    older.send(dialect.append(token, path, 0, LENGTH, last=True) + OLD[:SENT])
    return path


def _finish(newer: Connection, running: Service, dialect: Dialect, path: str, offset: int) -> None:
    answer = append(newer, dialect, running.token, path, offset, NEW[offset:], last=True)
    assert 200 <= answer.status < 300, answer
    assert offset_of(answer) == LENGTH


def _end_of(older: Connection, began: float) -> float:
    """Wait for the end of the older append: a refusal, or of its connection. Seconds since then."""
    with contextlib.suppress(raw.BrokenAnswerError):
        assert older.read_answer("PATCH").status == 409
    ended = time.monotonic() - began
    assert ended < IN_ALL
    return ended


def _offset(client: Connection, token: str, path: str) -> int:
    """What is durable of an upload, asked without disturbing it."""
    (found,) = (each for each in listed(client, token) if path.endswith(each["id"]))
    offset: int = found["offset"]
    return offset
