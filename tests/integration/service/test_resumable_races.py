"""Appends at one offset through different workers, and questions in between: exactly one wins."""

from __future__ import annotations

import contextlib
import random
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest

from tests.integration.service.clients.wire import (
    DIALECTS,
    Dialect,
    append,
    connected,
    create,
    look,
    offset_of,
)
from tests.support import raw
from tests.support.bodies import content
from tests.support.raw import Connection
from tests.support.rounds import rounds
from tests.support.service import Service
from tests.support.witness import fetch

KIB = 1024
MIB = 1024 * KIB
SIZES = (1, 3 * KIB, 16 * KIB, 17 * KIB, 300 * KIB, 2 * MIB, 5 * MIB, 6 * MIB)
"""Around what a store keeps in another way."""
MOST_STEPS = 8


@pytest.fixture
def chance() -> random.Random:
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    return random.Random(seed)


class Pool:
    """A connection to each worker, made anew where the service has ended it."""

    def __init__(self, running: Service, resources: ExitStack) -> None:
        self._running = running
        self._resources = resources
        self._open: dict[int, Connection] = {}
        self.workers = running.workers()

    def to(self, worker: int) -> Connection:
        """An open connection to this worker, on which nothing is under way."""
        if worker not in self._open:
            connection = connected(self._running, worker)
            self._open[worker] = self._resources.enter_context(connection)
        return self._open[worker]

    def take(self, worker: int) -> Connection:
        """The same, for oneself alone."""
        connection = self.to(worker)
        del self._open[worker]
        return connection

    def give_back(self, worker: int, connection: Connection) -> None:
        """It can be used again: its last answer came, and does not close it."""
        self._open.setdefault(worker, connection)


@pytest.fixture
def pool(running: Service) -> Iterator[Pool]:
    with ExitStack() as resources:
        yield Pool(running, resources)


def test_one_of_two_appends_wins(running: Service, pool: Pool, chance: random.Random) -> None:
    _race(running, pool, chance, count=rounds(20, 200))


def test_an_offset_that_was_told_is_accepted(
    running: Service, pool: Pool, chance: random.Random
) -> None:
    _interleave(running, pool, chance, count=rounds(8, 40))


def _race(running: Service, pool: Pool, chance: random.Random, count: int) -> None:
    wins = [0, 0]
    cut = 0
    for number in range(count):
        dialect = chance.choice(DIALECTS)
        before, size = chance.choice((0, *SIZES)), chance.choice(SIZES)
        name = f"raced/{number}"
        first = content(before, "first")
        path = create(pool.to(pool.workers[0]), dialect, running.token, name, before + size)
        if before:
            answer = append(
                pool.to(pool.workers[0]), dialect, running.token, path, 0, first, last=False
            )
            assert offset_of(answer) == before, answer
        bytes_of = [content(size, f"racer {racer}") for racer in range(2)]
        statuses = _both(running, pool, dialect, path, before, bytes_of)
        won = [status is not None and 200 <= status < 300 for status in statuses]
        assert sorted(won) == [False, True], (number, statuses)
        assert all(status in (409, None) for status in statuses if status not in (200, 204))
        winner = won.index(True)
        same = fetch(running, name) == first + bytes_of[winner]
        assert same, number
        wins[winner] += 1
        cut += statuses.count(None)
    print(f"{count} rounds: won {wins}, {cut} losers were cut off")


def _both(
    running: Service,
    pool: Pool,
    dialect: Dialect,
    path: str,
    offset: int,
    bytes_of: list[bytes],
) -> list[int | None]:
    """Append both at the same moment; the status of each, None for a connection that was cut."""
    clients = [pool.take(worker) for worker in pool.workers]
    barrier = threading.Barrier(2)

    def run(racer: int) -> int | None:
        data = bytes_of[racer]
        head = dialect.append(running.token, path, offset, len(data), last=True)
        barrier.wait(timeout=60)
        # A refusal may come, and the connection end, before all of the bytes are sent.
        with contextlib.suppress(OSError):
            clients[racer].send(head + data)
        try:
            answer = clients[racer].read_answer("PATCH")
        except raw.BrokenAnswerError:
            return None
        if not answer.closes:
            pool.give_back(pool.workers[racer], clients[racer])
        return answer.status

    with ThreadPoolExecutor(2) as threads:
        return list(threads.map(run, range(2)))


def _interleave(running: Service, pool: Pool, chance: random.Random, count: int) -> None:
    """Begin appends, do not wait for them, ask, and go on from what was told, with other bytes."""
    asked = moved = 0
    for number in range(count):
        dialect = chance.choice(DIALECTS)
        length = chance.choice((40 * KIB, 1 * MIB, 12 * MIB)) + chance.randrange(KIB)
        name = f"interleaved/{number}"
        path = create(pool.to(chance.choice(pool.workers)), dialect, running.token, name, length)
        expected, offset = b"", 0
        with ExitStack() as hanging:
            for step in range(chance.randrange(1, MOST_STEPS)):
                data = content(length, f"step {step}")[offset:]
                older = hanging.enter_context(pool.take(chance.choice(pool.workers)))
                _begin(older, dialect.append(running.token, path, offset, len(data), last=True))
                with contextlib.suppress(OSError):
                    older.send(data[: int(len(data) * chance.choice((0, chance.random(), 1)))])
                told = look(pool.to(chance.choice(pool.workers)), dialect, running.token, path)
                assert told >= offset, (number, step)
                expected += data[: told - offset]
                asked += 1
                moved += told > offset
                offset = told
                if offset == length:
                    break
            if offset < length:
                rest = content(length, "rest")[offset:]
                newer = pool.to(chance.choice(pool.workers))
                answer = append(newer, dialect, running.token, path, offset, rest, last=True)
                assert 200 <= answer.status < 300, (number, answer)
                expected += rest
        same = fetch(running, name) == expected
        assert same, number
    print(f"{count} uploads, asked {asked} times, {moved} of which something was new")
    assert moved


def _begin(client: Connection, head: bytes) -> None:
    """Send the head of an append, and return once the upload is its own.

    Only then is it under way: one that is still on its way to its worker when somebody asks is the
    next one, for which the offset that is told holds as well.
    """
    client.send(head.replace(b"\r\n\r\n", b"\r\nExpect: 100-continue\r\n\r\n"))
    assert client.read_interim() == 100
