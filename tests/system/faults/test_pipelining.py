"""Many requests on one connection, sent ahead of their answers: in order, right, and bounded."""

from __future__ import annotations

import random
import secrets
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial

import pytest

from tests.support import raw
from tests.support.bodies import content
from tests.support.parsers import PARSERS, settings_for
from tests.support.raw import Answer, Connection
from tests.support.rounds import rounds
from tests.support.service import LocalBackend, Service, service
from tests.support.unharmed import complaints, unharmed
from tests.support.waiting import until
from tests.support.witness import fetch, store

KIB = 1024
MIB = 1024 * KIB
SIZES = (0, 1, 100, 5 * KIB, 20 * KIB, 100 * KIB, 700 * KIB)


@pytest.fixture(scope="module", params=PARSERS)
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    settings = {**settings_for(request.param), "IDLE_TIMEOUT": "20s"}
    directory = tmp_path_factory.mktemp("pipelining")
    backend, log = LocalBackend(directory / "data"), directory / "service.log"
    with service(backend, log, workers=2, settings=settings) as running:
        yield running
        assert not complaints(running)


@dataclass(frozen=True)
class Asked:
    """One request, and what its answer has to be."""

    method: str
    data: bytes
    status: int
    body: bytes | None = None

    def is_answered_by(self, answer: Answer) -> bool:
        """Whether this is the right answer to it; a problem may say what it likes."""
        return answer.status == self.status and self.body in (None, answer.body)


class Conversation:
    """Requests for a few files, and what is in these at each moment."""

    def __init__(self, token: str, seed: int) -> None:
        self._token = token
        self._chance = random.Random(seed)
        self._files: dict[str, bytes] = {}
        self._seed = seed

    def request(self) -> Asked:
        """Any request that leaves the connection open."""
        name = f"{self._seed}/{self._chance.randrange(5)}"
        there = self._files.get(name)
        return self._chance.choice(
            [self._put, self._put, self._get, self._get, self._head, self._delete, self._refused]
        )(name, there)

    def _put(self, name: str, _there: bytes | None) -> Asked:
        self._files[name] = data = content(self._chance.choice(SIZES), name)
        fields = {"Expect": "100-continue"} if self._chance.random() < 0.2 else {}
        if self._chance.random() < 0.5:
            fields["Content-Length"] = str(len(data))
            return Asked("PUT", self._ask("PUT", name, fields) + data, 204)
        half = self._chance.randint(0, len(data))
        parts = (data[:half], data[half:], b"")
        body = b"".join(raw.chunk(part) for at, part in enumerate(parts) if part or at == 2)
        fields["Transfer-Encoding"] = "chunked"
        return Asked("PUT", self._ask("PUT", name, fields) + body, 204)

    def _get(self, name: str, there: bytes | None) -> Asked:
        return Asked("GET", self._ask("GET", name), 404 if there is None else 200, there)

    def _head(self, name: str, there: bytes | None) -> Asked:
        return Asked("HEAD", self._ask("HEAD", name), 404 if there is None else 200, b"")

    def _delete(self, name: str, there: bytes | None) -> Asked:
        self._files.pop(name, None)
        return Asked("DELETE", self._ask("DELETE", name), 404 if there is None else 204)

    def _refused(self, _name: str, _there: bytes | None) -> Asked:
        path, status = self._chance.choice(
            [("/api/files/%FF", 400), ("/api/nothing", 404), ("/api/files?limit=0", 400)]
        )
        return Asked("GET", raw.head("GET", path, self._token), status)

    def _ask(self, method: str, name: str, fields: dict[str, str] | None = None) -> bytes:
        return raw.head(method, f"/api/files/{name}", self._token, fields)


def test_requests_ahead_of_their_answers_are_each_answered_in_their_turn(server: Service) -> None:
    seed = rounds(3, secrets.randbits(32))
    print(f"seed {seed}")
    for number in range(rounds(3, 60)):
        conversation = Conversation(server.token, seed + number)
        asked = [conversation.request() for _ in range(100)]
        with Connection(server.port) as client, unharmed(server):
            sending = threading.Thread(
                target=client.send, args=[b"".join(each.data for each in asked)]
            )
            sending.start()
            for at, each in enumerate(asked):
                answer = client.read_answer(each.method)
                assert each.is_answered_by(answer), (number, at, each.data[:80], answer)
            sending.join()
            client.close()


@pytest.mark.parametrize("behind", ["a refused body", "a bad chunk", "nonsense"])
def test_nothing_behind_what_ends_the_connection_is_answered(server: Service, behind: str) -> None:
    chunks = {"Transfer-Encoding": "chunked"}
    ends = {
        "a refused body": (
            raw.head("PUT", "/api/files/x", "no token", {"Content-Length": "5"}) + b"12345",
            401,
        ),
        "a bad chunk": (
            raw.head("PUT", "/api/files/x", server.token, chunks) + b"5\r\nhello, world\r\n",
            400,
        ),
        "nonsense": (b"nonsense\r\n\r\n", 400),
    }
    data, status = ends[behind]
    name = behind.replace(" ", "-")
    put = raw.head("PUT", f"/api/files/{name}", server.token, {"Content-Length": "5"})
    store(server, "before", b"before")
    with Connection(server.port) as client:
        get = raw.head("GET", "/api/files/before", server.token)
        client.send(get * 3 + data + (put + b"after") * 3)
        answers = client.read_answers()
    assert [answer.status for answer in answers] == [200, 200, 200, status]
    assert fetch(server, name) is None


def test_who_expects_a_100_and_does_not_wait_is_answered_in_turn(server: Service) -> None:
    """The `100` is left out where the body is there; it never gets between other answers."""
    fields = {"Content-Length": "5", "Expect": "100-continue"}
    put = raw.head("PUT", "/api/files/expected", server.token, fields)
    get = raw.head("GET", "/api/files/expected", server.token)
    with Connection(server.port) as client:
        client.send(b"".join(put + b"%05d" % number + get for number in range(50)))
        for number in range(50):
            assert client.read_answer("PUT").status == 204
            answer = client.read_answer()
            assert (answer.body, answer.interim) == (b"%05d" % number, [])


def test_a_file_comes_behind_all_that_was_asked_for_before(server: Service) -> None:
    """The kernel copies it, and begins when the client has taken the rest: not in between.

    There is a rest that the kernel has not taken for some numbers of requests before it, of which
    the highest is found out first.
    """
    small, large = content(9 * KIB, "small"), content(3 * MIB, "large")
    store(server, "large", large)
    with Connection(server.port, window=4 * KIB) as client:
        _ask_for_small(server, client, "first", small, 1000)
        most = _served(server, "first")
    for number in range(1, rounds(4, 7)):
        with Connection(server.port, patience=60, window=4 * KIB) as client:
            _ask_for_small(server, client, f"small-{number}", small, most - number)
            client.send(raw.head("GET", "/api/files/large", server.token))
            assert _served(server, f"small-{number}") == most - number
            for _ in range(most - number):
                assert client.read_answer().body == small
            assert client.read_answer().body == large


def _ask_for_small(server: Service, client: Connection, name: str, data: bytes, count: int) -> None:
    store(server, name, data)
    client.send(raw.head("GET", f"/api/files/{name}", server.token) * count)


def _served(server: Service, name: str) -> int:
    """How many requests for a file have been answered, once there come no more."""
    counts: list[int] = []

    def settled() -> bool:
        counts.append(server.log.read_text().count(f"GET /api/files/{name} "))
        return counts[-1] > 0 and len(counts) > 25 and len(set(counts[-25:])) == 1

    until(settled, "it is known how many answers are not taken", patience=30)
    return counts[-1]


@pytest.mark.alone
def test_who_asks_for_ever_and_reads_nothing_takes_no_memory(server: Service) -> None:
    """When the kernel takes no more answers, no further request is read; also of empty answers."""
    for number in range(10):
        store(server, f"asked/{number}", b"%d" % number * 3000)
    before = server.pss()
    with (
        server.peak_memory() as peak,
        ExitStack() as clients,
        ThreadPoolExecutor() as pool,
    ):
        asking = partial(_asks_for_ever, server, clients)
        list(pool.map(asking, ("GET", "HEAD", "OPTIONS")))
    assert peak.bytes - before < 16 * MIB


def _asks_for_ever(server: Service, clients: ExitStack, method: str) -> None:
    requests = [raw.head(method, f"/api/files/asked/{n}", server.token) for n in range(10)]
    client = clients.enter_context(Connection(server.port, patience=3, window=4 * KIB))
    with pytest.raises(TimeoutError):
        client.send(b"".join(requests) * 100_000)
    assert client.sent > 1000 * len(requests[0])
    for number in range(200):
        answer = client.read_answer(method)
        assert answer.status == (204 if method == "OPTIONS" else 200)
        assert answer.body == (b"%d" % (number % 10) * 3000 if method == "GET" else b"")
