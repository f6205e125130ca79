"""Uploads that end before their end: the old file stays, or none, and nothing is left behind.

The cut comes while a file is still small enough for one piece, and after several parts. A second
client reads all the while.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support import raw
from tests.support.bodies import content
from tests.support.raw import Connection, End
from tests.support.service import Backend, LocalBackend, Service, service
from tests.support.services import IMPATIENT, Lend
from tests.support.waiting import until
from tests.support.witness import Witness, fetch, store

KIB = 1024
MIB = 1024 * KIB
OLD = content(200 * KIB, "old")
NEW = content(20 * MIB, "new")
POSITIONS = {"at-once": 0, "small": 5 * KIB, "large": 17 * MIB}
"""Bytes of the body before the cut: none; what an index row holds; several parts and a piece."""


@pytest.fixture(params=["local", "ceph"])
def running(request: pytest.FixtureRequest, shared_service: Lend) -> Service:
    """What cuts leave, it removes while it runs."""
    return shared_service(request.param, IMPATIENT)


def _announced(token: str, name: str, sent: int, length: int = len(NEW)) -> bytes:
    head = raw.head("PUT", f"/api/files/{name}", token, {"Content-Length": str(length)})
    return head + NEW[:sent]


def _chunked(token: str, name: str, sent: int) -> bytes:
    head = raw.head("PUT", f"/api/files/{name}", token, {"Transfer-Encoding": "chunked"})
    pieces = (NEW[at : min(at + 64 * KIB, sent)] for at in range(0, sent, 64 * KIB))
    return head + b"".join(raw.chunk(piece) for piece in pieces)


@dataclass(frozen=True)
class Cut:
    """``request`` is what is sent of an upload with so many bytes of body; ``end`` ends it."""

    request: Callable[[str, str, int], bytes]
    end: Callable[[Connection], None]


def _expect_408(client: Connection) -> None:
    answer = client.read_answer("PUT")
    assert answer.problem["status"] == 408
    assert answer.closes
    assert client.end() is End.CLOSED


def _half_close(client: Connection) -> None:
    client.half_close()
    assert client.end() in (End.CLOSED, End.RESET)


def _refuse_chunk(client: Connection) -> None:
    client.send(b"nonsense\r\n")
    assert client.read_answer("PUT").problem["status"] == 400
    assert client.end() is End.CLOSED


CUTS = {
    "closed before the length": Cut(_announced, Connection.close),
    "closed a byte before the length": Cut(
        lambda token, name, sent: _announced(token, name, sent, sent + 1), Connection.close
    ),
    "half-closed before the length": Cut(_announced, _half_close),
    "reset before the length": Cut(_announced, Connection.reset),
    "idle before the length": Cut(_announced, _expect_408),
    "closed inside a chunk": Cut(
        lambda token, name, sent: _chunked(token, name, sent) + b"400\r\ncut", Connection.close
    ),
    "half-closed inside a chunk": Cut(
        lambda token, name, sent: _chunked(token, name, sent) + b"400\r\ncut", _half_close
    ),
    "closed inside a chunk's size": Cut(
        lambda token, name, sent: _chunked(token, name, sent) + b"40", Connection.close
    ),
    "closed before the last chunk": Cut(_chunked, Connection.close),
    "half-closed before the last chunk": Cut(_chunked, _half_close),
    "closed inside the last chunk": Cut(
        lambda token, name, sent: _chunked(token, name, sent) + b"0\r\n", Connection.close
    ),
    "reset before the last chunk": Cut(_chunked, Connection.reset),
    "idle before the last chunk": Cut(_chunked, _expect_408),
    "broken before the last chunk": Cut(_chunked, _refuse_chunk),
}


@pytest.mark.parametrize("cut", CUTS)
def test_a_cut_upload_changes_nothing(running: Service, cut: str) -> None:
    """At every position, over a file and where there is none, all at the same time."""
    cases = [(over, at) for over in ("old", "none") for at in POSITIONS]
    names = {case: f"{cut}/{case[0]}/{case[1]}".replace(" ", "-") for case in cases}
    for case in cases:
        if case[0] == "old":
            store(running, names[case], OLD)
    before = set(running.backend.leftovers())
    witnesses = {
        case: Witness(running, names[case], _only(OLD if case[0] == "old" else None))
        for case in cases
    }
    clients = {case: Connection(running.port) for case in cases}
    try:
        for case, client in clients.items():
            request = CUTS[cut].request(running.token, names[case], POSITIONS[case[1]])
            with witnesses[case] as witness:
                client.send(request)
                if "idle" not in cut:
                    CUTS[cut].end(client)
                witness.wait_for_read()
        if "idle" in cut:
            for client in clients.values():
                CUTS[cut].end(client)
        until(
            lambda: set(running.backend.leftovers()) <= before, "nothing is left of the cut uploads"
        )
        for case in cases:
            assert fetch(running, names[case]) == (OLD if case[0] == "old" else None), case
    finally:
        for client in clients.values():
            client.close()


@pytest.mark.parametrize("framing", ["announced", "chunked"])
def test_a_killed_client_changes_nothing(running: Service, framing: str) -> None:
    """A real curl, killed in the middle: slowed down so that there is a middle."""
    for old in (OLD, None):
        name = f"killed/{framing}/{'new' if old is None else 'old'}"
        if old is not None:
            store(running, name, old)
        before = set(running.backend.leftovers())
        command = ["curl", "--silent", "--limit-rate", "60M", "-T", "-"]
        if framing == "announced":
            command += ["-H", "Transfer-Encoding:", "-H", f"Content-Length: {len(NEW)}"]
        with (
            Witness(running, name, _only(old)) as witness,
            subprocess.Popen(
                [*command, "-H", f"X-Auth-Token: {running.token}", f"{running.files}/{name}"],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
            ) as curl,
        ):
            assert curl.stdin is not None
            # More than fits the pipe, curl and the socket: the server has had some of it.
            curl.stdin.write(NEW[: 16 * MIB])
            curl.stdin.flush()
            witness.wait_for_read()
            curl.kill()
            curl.wait()
            curl.stdin.close()
            witness.wait_for_read()
        until(
            lambda: set(running.backend.leftovers()) <= before,  # noqa: B023
            "nothing is left of it",
        )
        assert fetch(running, name) == old


def test_a_restart_sweeps_what_a_crash_left(backend: Backend, log: Path) -> None:
    """All processes killed in the middle of uploads of every kind; the next start cleans up."""
    # Neither upload may be ended for its silence while the other one comes to its store.
    with service(backend, log, workers=2, settings={**IMPATIENT, "IDLE_TIMEOUT": "1m"}) as crashing:
        token = crashing.token
        store(crashing, "old", OLD)
        before = backend.leftovers()
        with (
            Connection(crashing.port) as over,
            Connection(crashing.port) as beside,
            Connection(crashing.port) as small,
        ):
            over.send(_announced(token, "old", 17 * MIB))
            beside.send(_chunked(token, "new", 17 * MIB))
            small.send(_announced(token, "small", 5 * KIB))
            until(
                lambda: len(backend.leftovers()) >= len(before) + 2,
                "both large uploads have something stored",
                patience=30,
            )
            crashing.kill()
        assert backend.leftovers() != before
    with service(backend, log, settings=IMPATIENT) as running:
        running.token = token
        until(lambda: _swept(backend, running, before), "the sweep has removed it", patience=20)
        assert fetch(running, "old") == OLD
        assert fetch(running, "new") is None
        assert fetch(running, "small") is None


def _swept(backend: Backend, running: Service, before: list[str]) -> bool:
    assert running.process.poll() is None
    return backend.leftovers() == before


def test_an_upload_that_is_too_slow_ends(ceph_backend: Backend, tmp_path: Path) -> None:
    """Never idle, but below MIN_RATE for its whole window of a minute; a faster one goes on.

    On both stores side by side: most of this is waiting.
    """
    backends = [LocalBackend(tmp_path / "data"), ceph_backend]
    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda backend: _is_too_slow(backend, tmp_path / backend.name), backends))


def _is_too_slow(backend: Backend, log: Path) -> None:
    with service(backend, log) as running:
        store(running, "old", OLD)
        before = backend.leftovers()
        with (
            Connection(running.port, 90) as over,
            Connection(running.port, 90) as beside,
            Connection(running.port, 90) as fast,
        ):
            over.send(_announced(running.token, "old", 17 * MIB))
            beside.send(_chunked(running.token, "new", 5 * KIB))
            fast.send(_announced(running.token, "fast", 0, 1_000_000))
            sent = 0
            refused = 0
            for _ in range(300):  # twice the window: a busy server has waited for less of it
                fast.send(NEW[sent : sent + 3000])
                sent += 3000
                try:
                    beside.send_slowly([raw.chunk(b"slow")], 0.4)
                except OSError:
                    refused += 1
                    if refused == 5:
                        break
            assert refused, f"it was never refused: {log.read_text()}"
            fast.send(NEW[sent:1_000_000])
            assert fast.read_answer("PUT").status == 204
            over.close()
        assert fetch(running, "new") is None
        assert fetch(running, "old") == OLD
        assert fetch(running, "fast") == NEW[:1_000_000]
        until(lambda: len(backend.leftovers()) == len(before) + 1, "nothing but it is stored")


def _only(expected: bytes | None) -> Callable[[bytes | None], bool]:
    return lambda found: found == expected
