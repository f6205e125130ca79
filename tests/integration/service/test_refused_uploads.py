"""Uploads of a gigabyte that are refused: whoever asks first sends nothing, all see the answer."""

from __future__ import annotations

import itertools
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.support import raw
from tests.support.bodies import content
from tests.support.raw import Connection, End
from tests.support.service import S3Backend, Service, service
from tests.support.services import Lend
from tests.support.waiting import until
from tests.support.witness import fetch, store

GIB = 2**30
MIB = 2**20
TRIES = 20
DRAINED = 64 * MIB
"""What the contract lets the server read of a refused body, at most."""

LIMIT = 128 * MIB
LIMITED = {"MAX_FILE_SIZE": str(LIMIT)}
REFUSALS = {
    401: ({"X-Auth-Token": "nonsense"}, GIB),
    412: ({"If-None-Match": "*"}, LIMIT),
    413: ({}, LIMIT + 1),
}
"""By status: headers, and how long the body is."""


@pytest.fixture(params=["local", "ceph"])
def running(request: pytest.FixtureRequest, shared_service: Lend) -> Iterator[Service]:
    lent = shared_service(request.param, LIMITED)
    store(lent, "there", b"old")
    yield lent
    assert fetch(lent, "there") == b"old"


def _headers(running: Service, status: int) -> dict[str, str]:
    return {"X-Auth-Token": running.token, **REFUSALS[status][0]}


def _announced(status: int) -> dict[str, str]:
    return {"Content-Length": str(REFUSALS[status][1])}


def _curl(running: Service, status: int, *options: str) -> subprocess.Popen[str]:
    """Start to send so many zeros; it says the status, the bytes of body sent, and its error."""
    headers = [option for item in _headers(running, status).items() for option in _option(*item)]
    return subprocess.Popen(
        [
            *("sh", "-c", f'head -c {REFUSALS[status][1]} /dev/zero | exec curl "$@"', "curl"),
            *("--silent", "--show-error", "--output", "/dev/null", "--max-time", "60"),
            *("--write-out", "%{http_code} %{size_upload} %{errormsg}", "--upload-file", "-"),
            *(*headers, *options, f"{running.files}/there"),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def _option(name: str, value: str) -> tuple[str, str]:
    return "-H", f"{name}: {value}"


NO_EXPECT = ("-H", "Expect:")
EXPECT = ("-H", "Expect: 100-continue", "--expect100-timeout", "30")


def _length_option(status: int) -> tuple[str, ...]:
    return ("-H", "Transfer-Encoding:", *_option(*_announced(status).popitem()))


def _said(curl: subprocess.Popen[str]) -> tuple[int, int, str]:
    output, _ = curl.communicate(timeout=90)
    status, sent, *error = output.split(" ", 2)
    return int(status), int(sent), "".join(error)


@pytest.mark.parametrize("status", REFUSALS)
def test_who_expects_100_continue_sends_no_body(running: Service, status: int) -> None:
    for _ in range(3):
        assert _said(_curl(running, status, *_length_option(status), *EXPECT)) == (status, 0, "")
    if status != 413:  # which only a length can tell in advance
        assert _said(_curl(running, status, *EXPECT)) == (status, 0, "")


@pytest.mark.parametrize("status", REFUSALS)
def test_no_100_is_sent_to_who_is_refused(running: Service, status: int) -> None:
    fields = {**_headers(running, status), **_announced(status), "Expect": "100-continue"}
    with Connection(running.port) as client:
        client.send(raw.head("PUT", "/api/files/there", None, fields))
        answer = client.read_answer("PUT")
        assert (answer.status, answer.interim, answer.closes) == (status, [], True)
        assert answer.problem
        assert client.end() is End.CLOSED


def test_a_100_is_sent_once_to_who_is_accepted(running: Service) -> None:
    fields = {"Expect": "100-continue", "Content-Length": "4"}
    with Connection(running.port) as client:
        client.send(raw.head("PUT", "/api/files/accepted", running.token, fields))
        assert client.read_interim() == 100
        client.send(b"body")
        answer = client.read_answer("PUT")
        assert (answer.status, answer.interim) == (204, [])
        # Who does not wait gets none.
        client.send(raw.head("PUT", "/api/files/accepted", running.token, fields) + b"more")
        answer = client.read_answer("PUT")
        assert (answer.status, answer.interim) == (204, [])


@pytest.mark.smoke
@pytest.mark.parametrize(
    ("status", "framing"),
    [
        (401, "announced"),
        (401, "chunked"),
        (412, "announced"),
        (412, "chunked"),
        (413, "announced"),  # chunked: below
    ],
)
def test_who_just_sends_still_sees_the_answer(running: Service, status: int, framing: str) -> None:
    """Twenty of twenty: a reset that overtakes the answer would show now and then."""
    options = (*NO_EXPECT, *(_length_option(status) if framing == "announced" else ()))
    before = running.pss()
    with running.peak_memory() as peak:
        answers = [_said(_curl(running, status, *options)) for _ in range(TRIES)]
    assert [answer[0] for answer in answers] == [status] * TRIES, answers
    assert max(sent for _, sent, _ in answers) <= 2 * DRAINED, answers
    assert peak.bytes - before < 32 * MIB


def test_an_unannounced_body_is_refused_where_it_passes_the_limit(running: Service) -> None:
    before = set(running.backend.leftovers())
    assert _said(_curl(running, 413, *NO_EXPECT))[0] == 413
    until(lambda: set(running.backend.leftovers()) <= before, "nothing is left of it")


@pytest.mark.parametrize("status", REFUSALS)
def test_the_rest_is_read_for_a_while_only(running: Service, status: int) -> None:
    """A client that never reads gets rid of little more than what the contract allows."""
    fields = {**_headers(running, status), **_announced(status)}
    piece = content(MIB)
    started = time.monotonic()
    with Connection(running.port) as client:
        client.send(raw.head("PUT", "/api/files/there", None, fields))
        with pytest.raises(OSError):  # noqa: PT011 (reset or broken pipe, as it happens)
            client.send_slowly(itertools.repeat(piece, GIB // MIB), pause=0)
        # What the kernel holds of it on both sides comes on top.
        assert DRAINED <= client.sent < DRAINED + 32 * MIB
    with Connection(running.port) as client:
        client.send(raw.head("PUT", "/api/files/there", None, fields) + piece)
        assert client.read_answer("PUT").status == status
        assert client.end() in (End.CLOSED, End.RESET)
    assert time.monotonic() - started < 10


def test_a_full_process_refuses_before_the_body(ceph_backend: S3Backend, log: Path) -> None:
    """Slow uploads take all the room there is; the next one is told to come back."""
    settings = {"MEMORY_BUDGET": "16MiB", "SPOOL_LIMIT": "0"}
    fields = {"Expect": "100-continue", "Content-Length": str(100 * MIB)}
    with service(ceph_backend, log, settings=settings) as full:
        slow = raw.head("PUT", "/api/files/slow", full.token, fields)
        with ExitStack() as clients:
            first = []
            for _ in range(20):
                client = clients.enter_context(Connection(full.port))
                client.send(slow)
                first.append(client.read_interim())
            assert set(first) == {100, 503}
            assert first == sorted(first)
            with Connection(full.port) as late:
                late.send(slow)
                answer = late.read_answer("PUT")
                assert (answer.status, answer.interim) == (503, [])
                assert answer.problem["type"].endswith("#overloaded")
                assert int(answer.header("retry-after") or 0) > 0
            assert fetch(full, "slow") is None
        # Their clients have left: there is room again.
        until(lambda: _accepted(full), "an upload is accepted again")
        assert fetch(full, "after") == b"after"
        assert len(ceph_backend.leftovers()) == 1


def _accepted(running: Service) -> bool:
    with Connection(running.port) as client:
        length = {"Content-Length": "5"}
        client.send(raw.head("PUT", "/api/files/after", running.token, length) + b"after")
        status = client.read_answer("PUT").status
    assert status in (204, 503)
    return status == 204
