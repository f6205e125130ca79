"""S3 is gone for a while: requests fail in good time, nothing piles up, and all works again after.

In the short form the service has a fifth of its patience (`impatient`), and the outage is shorter.
"""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from file_uploader.storage.s3.client import client as s3_client
from tests.integration.service.clients.wire import IETF, TUS, connected
from tests.support import raw
from tests.support.raw import Answer, Connection
from tests.support.rounds import LONG, rounds
from tests.support.s3_proxy import Break, get_object, head_bucket
from tests.support.s3_servers import S3Server
from tests.support.waiting import until
from tests.system.faults.s3_attacked import PATIENCE, Attacked, attacked
from tests.system.faults.s3_clients import ONLY_CREATE, Client
from tests.system.faults.s3_operations import LARGE, SMALL, data

MIB = 2**20
OUTAGE = rounds(10, 60)
"""Seconds."""

QUICK = 10.0
"""Seconds for what waits for nobody, on a machine that has other things to do."""

LOOK = s3_client.LOOK if LONG else 2
BOUND = PATIENCE * s3_client.READ_TIMEOUT + LOOK + QUICK
LABOUR_BOUND = PATIENCE * s3_client.LABOUR_TIMEOUT + LOOK + QUICK
"""Seconds in which a request has failed (docs/operations.md), the second for `LABOURS`."""

LABOURS = ("list", "list to count", "list of uploads", "PUT under way")

BACK = LOOK + 3
"""Seconds after which a process stores files again: a look that hangs ends first, then one is made
that is answered."""

BUDGET, SPOOL = 32 * MIB, 64 * MIB
BESIDES = rounds(64, 96) * MIB
"""What a worker may take above idle and its budget while S3 is gone (docs/operations.md)."""

LARGER = 17 * MIB
"""Three parts."""

FLOOD = 8
"""Clients that keep on sending large files."""


@pytest.fixture(params=["refused", "silent"])
def stage(
    request: pytest.FixtureRequest, ceph: S3Server, tmp_path: Path
) -> Iterator[tuple[Attacked, str]]:
    settings = {"MEMORY_BUDGET": str(BUDGET), "SPOOL_LIMIT": str(SPOOL), "SPOOL_DIR": str(tmp_path)}
    with attacked(ceph, tmp_path, workers=2, settings=settings) as made:
        yield made, request.param


@contextmanager
def gone(stage: Attacked, how: str) -> Iterator[None]:
    proxy = stage.proxy
    stage.loop.run(proxy.refuse() if how == "refused" else proxy.silence())
    try:
        yield
    finally:
        stage.loop.run(proxy.listen() if how == "refused" else proxy.speak())


@dataclass
class Failures:
    """How requests of each kind were answered while S3 was gone, and after how many seconds."""

    answers: list[tuple[str, int, float]] = field(default_factory=list)

    def time(self, kind: str, request: Callable[[], Answer]) -> None:
        began = time.monotonic()
        answer = request()
        seconds = time.monotonic() - began
        assert answer.status in (503, 504), (kind, answer)
        assert answer.header("content-type") == "application/problem+json", (kind, answer)
        assert answer.status == 504 or answer.header("retry-after") == "5", (kind, answer)
        self.answers.append((kind, answer.status, seconds))

    def slowest(self, *, labour: bool) -> float:
        """Seconds that the slowest took, of those that S3 has to work for or of all others."""
        times = (seconds for kind, _, seconds in self.answers if labour == (kind in LABOURS))
        return max(times, default=0)

    def __str__(self) -> str:
        statuses = Counter(status for _, status, _ in self.answers)
        times = f"{self.slowest(labour=False):.1f} s ({self.slowest(labour=True):.1f} s)"
        return f"{len(self.answers)} requests, {dict(statuses)}, the slowest took {times}"


class Requests:
    """A request of every kind, ready to be made any number of times."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._small, self._large, self._larger = data(SMALL), data(LARGE), data(LARGER)
        self._old = data(SMALL)
        self._etag = client.put("there", self._old).header("etag") or ""
        client.put("victim", self._old)
        self._tus = client.begin(TUS, "by-tus", LARGE)
        self._ietf = client.begin(IETF, "by-ietf", LARGE)
        self._part = client.begin(TUS, "part", SMALL, {"Upload-Concat": "partial"}, partial=True)
        self._part.send(self._small, [])
        self.kinds = {**self._of_files(), **self._of_uploads()}

    def _of_files(self) -> dict[str, Callable[[], Answer]]:
        ask, small, large = self._client.ask, self._small, self._large
        new, there = "/api/files/new", "/api/files/there"
        link = json.dumps({"name": "there"}).encode()
        return {
            "PUT": lambda: ask("PUT", new, body=small),
            "PUT of parts": lambda: ask("PUT", new, body=large),
            "PUT of what is not there": lambda: ask("PUT", new, ONLY_CREATE, small),
            "PUT of parts, unchanged": lambda: ask("PUT", there, {"If-Match": self._etag}, large),
            "GET": lambda: ask("GET", there),
            "GET of a range": lambda: ask("GET", there, {"Range": "bytes=0-9"}),
            "HEAD": lambda: ask("HEAD", there),
            "DELETE": lambda: ask("DELETE", "/api/files/victim"),
            "list": lambda: ask("GET", "/api/files"),
            "list to count": lambda: ask("HEAD", "/api/files"),
            "list of uploads": lambda: ask("GET", "/api/uploads"),
            "link": lambda: ask("POST", "/api/links", {"Content-Type": "application/json"}, link),
        }

    def _of_uploads(self) -> dict[str, Callable[[], Answer]]:
        client, token = self._client, self._client.node.token
        tus = {"Tus-Resumable": "1.0.0"}
        concat = f"final;{self._part.path}"
        final = {**tus, "Upload-Concat": concat, "Upload-Metadata": "filename YQ=="}
        return {
            "tus POST": lambda: client.send("POST", TUS.creation(token, "x", 10)),
            "tus HEAD": lambda: client.ask("HEAD", self._tus.path, tus),
            "tus PATCH": lambda: self._tus.append(self._small, last=False),
            "tus PATCH of all": lambda: self._tus.append(self._large, last=True),
            "tus concatenation": lambda: client.ask("POST", "/api/uploads", final),
            "tus DELETE": lambda: client.ask("DELETE", self._part.path, tus),
            "IETF PUT": lambda: client.send("PUT", IETF.creation(token, "x", 10)),
            "IETF HEAD": lambda: client.ask("HEAD", self._ietf.path),
            "IETF PATCH": lambda: self._ietf.append(self._small, last=False),
            "IETF PATCH of all": lambda: self._ietf.append(self._large, last=True),
        }

    def under_way(self) -> Callable[[], Answer]:
        """A PUT of which more than a part is sent now; it is for the caller to finish."""
        connection = Connection(self._client.node.port, LABOUR_BOUND)
        fields = {"Content-Length": str(LARGER)}
        head = raw.head("PUT", "/api/files/under-way", self._client.node.token, fields)
        connection.send(head + self._larger[:LARGE])

        def finish() -> Answer:
            with connection:
                with suppress(OSError):  # the answer may come before all is sent
                    connection.send(self._larger[LARGE:])
                return connection.read_answer("PUT")

        return finish

    def settle(self) -> None:
        """Look what was done in the end: each of it whole or not at all; and forget the uploads."""
        attacked, old = self._client.attacked, self._old
        wholes: dict[str, tuple[bytes | None, ...]] = {
            "there": (old, self._large),
            "victim": (old, None),
            "new": (None, self._small, self._large),
            "under-way": (None, self._larger),
        }
        for name, possible in wholes.items():
            found = attacked.stored(name)
            assert found in possible, name
            attacked.live.pop(name, None)
            if found is not None:
                attacked.live[name] = found
        for upload in (self._tus, self._ietf, self._part):
            upload.forget(may_be_gone=True)


def descriptors(stage: Attacked) -> int:
    """Descriptors that the workers have open."""
    return sum(len(list(Path(f"/proc/{pid}/fd").iterdir())) for pid in stage.node.workers())


def _flooded(client: Client, failures: Failures, over: threading.Event) -> None:
    body = data(LARGE)
    while not over.is_set():
        failures.time("flood", lambda: client.ask("PUT", "/api/files/new", body=body))
        over.wait(0.2)


def test_everything_fails_in_good_time_and_works_again(stage: tuple[Attacked, str]) -> None:
    attacked_, how = stage
    client = Client(attacked_, attacked_.node, strict=False)
    requests = Requests(client)
    workers = attacked_.node.workers()
    for worker in workers:  # each has its connections and its threads now
        works(attacked_, worker)
    idle, opened = attacked_.node.pss(), descriptors(attacked_)
    first, later, flood, over = Failures(), Failures(), Failures(), threading.Event()
    with (
        attacked_.node.peak_memory() as peak,
        ThreadPoolExecutor(2 * len(requests.kinds) + FLOOD + 1) as clients,
    ):
        under_way = requests.under_way()
        with gone(attacked_, how):
            began = time.monotonic()
            running = [clients.submit(first.time, *each) for each in requests.kinds.items()]
            running.append(clients.submit(first.time, "PUT under way", under_way))
            running += [clients.submit(_flooded, client, flood, over) for _ in range(FLOOD)]
            while time.monotonic() < began + OUTAGE * 0.8:
                glance(client)
            again = [clients.submit(later.time, *each) for each in requests.kinds.items()]
            over.set()
            # What began early has failed by now, and what began late fails before it is too late.
            for each in (*running, *again):
                each.result(LABOUR_BOUND)
        recovered = [works(attacked_, worker) for worker in workers]
    for failures in (first, later, flood):
        print(f"{how}: {failures}")
        assert failures.slowest(labour=False) < BOUND
        assert failures.slowest(labour=True) < LABOUR_BOUND
    above = peak.bytes - idle
    print(f"{how}: works again after {recovered} s; {above / MIB:.0f} MiB above idle")
    assert attacked_.node.workers() == workers, "a worker was replaced"
    assert above < len(workers) * (BUDGET + BESIDES)
    until(lambda: descriptors(attacked_) <= opened + 4, "descriptors are closed")
    said = attacked_.node.log.read_text()
    assert said.count("the object store is gone") == said.count("answers again") > 0
    requests.settle()
    attacked_.leaves_nothing()


def test_one_connection_that_hangs_is_no_outage(ceph: S3Server, tmp_path: Path) -> None:
    """The look that follows is answered, and so is the request, which is made again."""
    with attacked(ceph, tmp_path) as stage:
        client = Client(stage, stage.node)
        content = data(SMALL)
        client.put("there", content)
        stage.proxy.breaks(get_object, Break.HOLD)
        assert client.download("there") == content
        assert stage.proxy.held.is_set()
        assert stage.proxy.count(head_bucket) > 0, "it looks"
        assert "is gone" not in stage.node.log.read_text()


def glance(client: Client) -> None:
    """`/health` is as ever, and `/ready` tells how it is, both without much waiting."""
    for path, statuses, patience in (("/health", (200,), QUICK), ("/ready", (503, 504), LOOK)):
        began = time.monotonic()
        answer = client.ask("GET", path)
        assert answer.status in statuses, answer
        assert time.monotonic() - began < patience + QUICK, path
    time.sleep(0.2)


def works(stage: Attacked, worker: int) -> float:
    """Wait until this worker stores and reads a small file and a large one.

    Returns the seconds until it stored the first.
    """
    began, first = time.monotonic(), 0.0
    for size in (SMALL, LARGE):
        body, token = data(size), stage.node.token
        head = raw.head("PUT", "/api/files/works", token, {"Content-Length": str(size)})

        def stored(head: bytes = head, body: bytes = body) -> bool:
            with connected(stage.node, worker) as connection:
                connection.send(head + body)
                return connection.read_answer("PUT").status == 204

        until(stored, "a file is stored", patience=BACK)
        first = first or round(time.monotonic() - began, 1)
        with connected(stage.node, worker) as connection:
            connection.send(raw.head("GET", "/api/files/works", token))
            assert connection.read_answer().body == body
        stage.live["works"] = body
    return first
