"""What is no HTTP, and requests inside of others: with either parser, and behind a proxy.

Whatever leaves a doubt where a request ends is refused and ends the connection. What stands behind
it, or in a body that nobody wants, would store one file and delete another if it were ever taken
for a request.
"""

from __future__ import annotations

import random
import re
import secrets
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from itertools import pairwise

import pytest

from tests.support import raw
from tests.support.nginx import Cache, Nginx, nginx
from tests.support.parsers import PARSERS, settings_for
from tests.support.raw import Answer, Connection
from tests.support.rounds import rounds
from tests.support.service import LocalBackend, Service, service
from tests.support.unharmed import complaints
from tests.support.waiting import until
from tests.support.witness import fetch, store
from tests.system.faults.malformed import (
    BEHIND,
    CHUNKED,
    CONTENT,
    GET_KEPT,
    HIDING,
    KEPT,
    MOST,
    REFUSED,
    SMUGGLED,
    TAKEN,
    Hiding,
    mutated,
    named,
)

AT_ONCE = 8
SETTINGS = {"MAX_FILE_SIZE": str(MOST), "IDLE_TIMEOUT": "1s"}
PROXIES = {
    "streaming": "proxy_cache off; proxy_request_buffering off;",
    "buffering": "proxy_cache off;",
}
FRAMINGS = ("announced", "chunked")


@pytest.fixture(scope="module", params=PARSERS)
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    settings = {**SETTINGS, **settings_for(request.param)}
    directory = tmp_path_factory.mktemp("malformed")
    backend, log = LocalBackend(directory / "data"), directory / "service.log"
    with service(backend, log, workers=2, settings=settings) as running:
        store(running, "kept", KEPT)
        yield running
        assert not complaints(running)


@pytest.fixture(scope="module")
def proxies(
    nginx_program: str, server: Service, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Nginx]:
    ways = {name: Cache("$request_uri", further) for name, further in PROXIES.items()}
    directory = tmp_path_factory.mktemp("proxied") / "nginx"
    with nginx(nginx_program, directory, server.port, ways) as running:
        yield running


@pytest.mark.parametrize("pieces", [1, 7])
def test_where_a_request_ends_in_doubt_the_connection_ends(server: Service, pieces: int) -> None:
    _each(REFUSED, lambda case: _is_refused(server, case, pieces))


@pytest.mark.parametrize("pieces", [1, 7])
def test_what_only_looks_odd_means_what_it_says(server: Service, pieces: int) -> None:
    _each(TAKEN, lambda case: _is_taken(server, case, pieces))


@pytest.mark.parametrize("framing", FRAMINGS)
def test_the_body_of_what_is_refused_is_no_request(server: Service, framing: str) -> None:
    _each(HIDING, lambda case: _hides_nothing(server, case, framing))


@pytest.mark.parametrize("framing", FRAMINGS)
def test_a_body_that_comes_behind_its_refusal_is_no_request(server: Service, framing: str) -> None:
    """The client waits for a `100`, gets another answer, and sends its body all the same."""
    _each(HIDING, lambda case: _hides_nothing(server, case, framing, waits=True))


@pytest.mark.parametrize("proxy", PROXIES)
def test_a_proxy_and_the_service_see_the_same_requests(
    server: Service, proxies: Nginx, proxy: str
) -> None:
    """Over connections that many clients share: what follows is answered to whom it belongs."""
    first = rounds(0, secrets.randbits(32))
    print(f"seed {first}")
    suspicious: dict[str, Callable[[str, str], bytes]] = {
        **{case: partial(named, data) for case, (data, _) in REFUSED.items()},
        **{case: partial(named, taken.data) for case, taken in TAKEN.items()},
        **{
            f"{case} {framing}": partial(_whole, hiding, framing)
            for case, hiding in HIDING.items()
            for framing in FRAMINGS
        },
        **{
            f"mutated {seed}": partial(named, mutated(seed))
            for seed in range(first, first + rounds(200, 5000))
        },
    }
    port, mark = proxies.ports[proxy], f"/api/files/{proxy}-"

    def follow(case: str) -> None:
        name = f"{proxy}-{random.Random(case).randbytes(8).hex()}"
        data = suspicious[case](name, server.token) + named(BEHIND, name, server.token)
        with Connection(port, patience=1) as client, suppress(OSError, raw.BrokenAnswerError):
            client.send(data)
            client.read_answers("HEAD" if data.startswith(b"HEAD") else "GET")
        for _ in range(3):
            with Connection(port) as client:
                client.send(raw.head("GET", "/api/files/kept", server.token))
                assert client.read_answer().body == KEPT

    def seen() -> tuple[Counter[str], Counter[str]]:
        front = (proxies.directory / "access.log").read_text(errors="replace")
        back = server.log.read_text(errors="replace")
        return _requests(front, mark), _requests(back, mark)

    def agree() -> bool:
        front, back = seen()
        return not back - front and back[f"GET {mark}last"] == 1

    _each(suspicious, follow)
    with Connection(port) as client:
        client.send(raw.head("GET", f"{mark}last", server.token))
        assert client.read_answer().status == 404
    front, back = seen()
    until(agree, f"both have seen the same; of the service alone: {back - front}")
    assert len(back) > len(TAKEN)


def _requests(log: str, mark: str) -> Counter[str]:
    lines = re.findall(r'"([A-Z]+) +(?:https?://[^/]*)?([^ "]+)[^"]*"', log)
    return Counter(f"{method} {target}" for method, target in lines if mark in target)


def _each(cases: Iterable[str], check: Callable[[str], None]) -> None:
    """Check all of them, several at a time; tell all that fail."""

    def found(case: str) -> str | None:
        try:
            check(case)
        except (AssertionError, OSError, raw.BrokenAnswerError) as error:
            return f"{case}: {error!r}"[:1000]
        return None

    with ThreadPoolExecutor(AT_ONCE) as pool:
        wrong = [each for each in pool.map(found, cases) if each is not None]
    assert not wrong, "\n".join(wrong)


def _is_refused(server: Service, case: str, pieces: int) -> None:
    data, statuses = REFUSED[case]
    name, answers = _answers(server, case, data + SMUGGLED, pieces)
    assert [answer.status in statuses for answer in answers] == [True], answers
    assert answers[0].closes, answers
    assert answers[0].problem, answers
    assert fetch(server, name) is None
    _nothing_was_smuggled(server, name)


def _is_taken(server: Service, case: str, pieces: int) -> None:
    name, answers = _answers(server, case, TAKEN[case].data + GET_KEPT, pieces)
    if TAKEN[case].may_be_refused and answers[0].status == 400:
        assert len(answers) == 1, answers
        assert fetch(server, name) is None
    else:
        found = [(answer.status, answer.body) for answer in answers]
        assert found == [(204, b""), (200, KEPT)], answers
        assert fetch(server, name) == CONTENT
    _nothing_was_smuggled(server, name)


def _hides_nothing(server: Service, case: str, framing: str, *, waits: bool = False) -> None:
    hiding = HIDING[case]
    name = f"{case.replace(' ', '-')}-{framing}-{waits}"
    store(server, f"{name}-kept", KEPT)
    with Connection(server.port) as client:
        head, body = _hidden(hiding, framing, name, server.token, waits=waits)
        rest = body + named(GET_KEPT, name, server.token)
        client.send(head)
        if not waits:
            client.send(rest)
        first = client.read_answer(hiding.method)
        if waits:
            with suppress(OSError):
                client.send(rest)
        try:
            behind = client.read_answers()
        except raw.BrokenAnswerError:
            assert first.closes  # What it sends then may be answered by a reset.
            behind = []
    assert first.status in hiding.statuses, first
    assert not first.interim or (hiding.padding and framing == "chunked"), first
    assert [answer.body for answer in behind] in ([], [KEPT]), behind
    _nothing_was_smuggled(server, name)


def _hidden(
    hiding: Hiding, framing: str, name: str, token: str, *, waits: bool = False
) -> tuple[bytes, bytes]:
    """The head and the body of a request that hides `SMUGGLED`."""
    body = hiding.padding + named(SMUGGLED, name, token)
    length = f"Content-Length: {len(body)}" if framing == "announced" else CHUNKED
    head = hiding.head(length, *(["Expect: 100-continue"] if waits else []))
    framed = body if framing == "announced" else raw.chunk(body) + raw.chunk(b"")
    return named(head, name, token), framed


def _whole(hiding: Hiding, framing: str, name: str, token: str) -> bytes:
    return b"".join(_hidden(hiding, framing, name, token))


def _answers(server: Service, case: str, data: bytes, pieces: int) -> tuple[str, list[Answer]]:
    """Send what is the case in so many pieces; its own name, and all that is answered."""
    chance = random.Random(f"{case}/{pieces}")
    name = chance.randbytes(8).hex()
    store(server, f"{name}-kept", KEPT)
    mine = named(data, name, server.token)
    cuts = [0, *sorted(chance.sample(range(1, len(mine)), pieces - 1)), len(mine)]
    with Connection(server.port) as client:
        with suppress(OSError):  # It may be closed before it has all.
            for first, end in pairwise(cuts):
                client.send(mine[first:end])
        return name, client.read_answers("PUT")


def _nothing_was_smuggled(server: Service, name: str) -> None:
    assert fetch(server, f"{name}-canary") is None
    assert fetch(server, f"{name}-kept") == KEPT
