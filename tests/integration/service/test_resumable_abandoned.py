"""Uploads that nobody goes on with: once they have expired, nothing is left of them."""

from __future__ import annotations

import contextlib
import enum
import json
import random
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

from file_uploader.model.names import Container
from tests.contract.stores import LocalPlace, S3Place
from tests.integration.service.clients.wire import DIALECTS, append, create, offset_of
from tests.support import raw
from tests.support.bodies import content
from tests.support.raw import Connection
from tests.support.rounds import rounds
from tests.support.service import (
    Backend,
    LocalBackend,
    S3Backend,
    Service,
    service,
    start,
    wait_ready,
)
from tests.support.waiting import until
from tests.support.witness import fetch

KIB = 1024
MIB = 1024 * KIB
SIZES = (1 * KIB, 10 * KIB, 17 * KIB, 300 * KIB, 1 * MIB, 1 * MIB, 6 * MIB, 9 * MIB)
EXPIRY = 12
"""Seconds; those that are to be finished have to be by then."""
SETTINGS = {"UPLOAD_EXPIRY": f"{EXPIRY}s"}


class Fate(enum.Enum):
    """What becomes of an upload."""

    FINISHED = "finished"
    CREATED = "never got a byte"
    HALF_SENT = "got some pieces"
    RESET = "its client reset the connection in the middle of an append"
    KILLED = "the service was killed in the middle of an append"
    KILLED_AT_THE_END = "the service was killed while or after it received the last byte"


def test_nothing_is_left(backend: Backend, log: Path) -> None:
    uploads = rounds(60, 500)
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    token = str(uuid.uuid4())
    count = -(-uploads // 100)
    finished: dict[str, int] = {}
    for number in range(count):
        finished |= _abandon(backend, log, token, f"round-{number}", uploads // count, chance)
    # Nothing to wait for: it is time alone that makes them expire.
    time.sleep(EXPIRY)
    with service(backend, log, workers=2, settings=SETTINGS) as running:
        running.token = token
        until(lambda: _swept(backend, running), "the sweep has removed what expired", patience=60)
        live = _files(running)
    print(f"{len(live)} files, {len(live) - len(finished)} of them finished while being killed")
    assert finished.items() <= live.items()
    assert _strays(backend, token, live) == []
    assert "Traceback" not in log.read_text()


def _abandon(
    backend: Backend, log: Path, token: str, round_name: str, count: int, chance: random.Random
) -> dict[str, int]:
    """Begin uploads, each with a fate, and kill the service; return those that were finished."""
    fates = [list(Fate)[number % len(Fate)] for number in range(count)]
    with ExitStack() as open_connections:
        running = start(backend, log, workers=2, settings=SETTINGS)
        running.token = token
        open_connections.callback(running.kill)
        wait_ready(running)
        began = time.monotonic()
        uploads = [
            Abandoned(f"{round_name}/{number}", fate, random.Random(chance.random()))
            for number, fate in enumerate(fates)
        ]
        with ThreadPoolExecutor(16) as pool:
            list(pool.map(lambda upload: upload.run(running, open_connections), uploads))
        took = time.monotonic() - began
        assert took < EXPIRY, f"{took:.1f} s: some have expired before they were abandoned"
        with ThreadPoolExecutor(16) as pool:
            ending = [pool.submit(upload.send_the_end) for upload in uploads]
            time.sleep(chance.uniform(0, 0.1))  # the moment of the kill has to be a random one
            running.kill()
            for each in ending:
                each.result()
    print(f"{round_name}: {count} uploads in {took:.1f} s")
    return {each.name: each.size for each in uploads if each.fate is Fate.FINISHED}


class Abandoned:
    """One upload, as far as it comes."""

    def __init__(self, name: str, fate: Fate, chance: random.Random) -> None:
        self.name = name
        self.fate = fate
        self.size = chance.choice(SIZES)
        self._chance = chance
        self._dialect = chance.choice(DIALECTS)
        self._end: tuple[Connection, bytes] | None = None

    def run(self, running: Service, open_connections: ExitStack) -> None:
        """Take it to where its fate leaves it."""
        data, client = content(self.size), Connection(running.port, 60)
        open_connections.callback(client.close)
        path = create(client, self._dialect, running.token, self.name, self.size)
        if self.fate is Fate.CREATED:
            return
        cut = self._chance.randrange(1, self.size)
        first = append(client, self._dialect, running.token, path, 0, data[:cut], last=False)
        assert offset_of(first) == cut
        if self.fate is Fate.HALF_SENT:
            return
        head = self._dialect.append(running.token, path, cut, self.size - cut, last=True)
        if self.fate is Fate.FINISHED:
            client.send(head + data[cut:])
            assert offset_of(client.read_answer("PATCH")) == self.size
        elif self.fate is Fate.KILLED_AT_THE_END:
            client.send(head + data[cut:-1])
            self._end = client, data[-1:]
        else:
            client.send(head + data[cut : self._chance.randrange(cut, self.size)])
            if self.fate is Fate.RESET:
                client.reset()

    def send_the_end(self) -> None:
        """Send the last byte, if it is one that was held back, and do not wait for the answer."""
        if self._end is not None:
            client, data = self._end
            with contextlib.suppress(OSError):
                client.send(data)


def _files(running: Service) -> dict[str, int]:
    """The files that are there, with their sizes; each has to be whole."""
    with Connection(running.port) as client:
        client.send(raw.head("GET", "/api/files?details=true", running.token))
        listed = json.loads(client.read_answer().body)
        for each in listed:
            assert fetch(running, each["name"], client) == content(each["size"])
    return {each["name"]: each["size"] for each in listed}


def _swept(backend: Backend, running: Service) -> bool:
    assert running.process.poll() is None
    strays = _strays(backend, running.token, _files(running))
    return all(stray.endswith(" sessions") for stray in strays)


def _strays(backend: Backend, token: str, files: dict[str, int]) -> list[str]:
    """What the store holds besides these files, and which of them it does not."""
    container = Container.of(uuid.UUID(token))
    live = {(container, name): size for name, size in files.items()}
    if isinstance(backend, LocalBackend):
        return LocalPlace(backend.directory).strays(live)
    assert isinstance(backend, S3Backend)
    return S3Place(backend.server, backend.bucket, own_buckets=False).strays(live)
