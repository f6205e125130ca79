"""Calls to the disk fail: with EIO, as of a broken one, and with ENOSPC, as of a full one.

Whoever sent what could not be stored is told so, nobody else notices, and when the disk works
again so does the service, as it is.
"""

from __future__ import annotations

import errno
import itertools
import random
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import apsw
import pytest

from tests.support import raw
from tests.support.bodies import KIB, MIB
from tests.support.connections import open_blobs
from tests.support.local_disk import blobs_on
from tests.support.raw import Answer, Connection
from tests.support.rounds import rounds
from tests.support.service import Service
from tests.support.waiting import until
from tests.system.faults.held import (
    SIZES,
    Begun,
    await_sweep,
    finish,
    forget,
    location_of,
    path_of,
    read,
    version,
)
from tests.system.faults.lost_bytes import LostBytes
from tests.system.faults.operations import Append, Begin, Delete, MakeLink, Operation, Put
from tests.system.faults.site import Site
from tests.system.faults.syscalls import Call, Watch, let_pass

EVERYTHING = "every call"

STATUS = {errno.EIO: (502, "storage-failed"), errno.ENOSPC: (507, "storage-full")}

ROUNDS = {errno.EIO: rounds(1, 50), errno.ENOSPC: rounds(1, 50)}

MOST_PUTS = 1_000
"""Many more than a checkpoint waits for."""

BESIDE = "beside"

_CHECKPOINTED = [f"checkpointed-{number}" for number in range(10)]

INDEX, LOG = Path("index.db"), Path("index.db-wal")

_names = (f"name-{number}" for number in itertools.count())


def kind_of(call: Call) -> str:
    """What sort of call it is, and on what."""
    if call.path.parts[:1] == ("blobs",):
        what = "a blob" if len(call.path.parts) == 3 else "its directory"
    else:
        what = call.path.name or "the data directory"
    return f"{call.name} of {what}{' around the cache' if call.direct else ''}"


@dataclass
class Fault:
    """Fails the calls of one kind: call number ``at``, and with ``lasting`` all that follow."""

    kind: str
    number: int
    at: int = 1
    lasting: bool = True
    hits: int = 0
    _seen: int = 0

    def __call__(self, call: Call) -> int:
        if self.kind not in (EVERYTHING, kind_of(call)):
            return 0
        # One such call may be a checkpoint's, which no operation has to know of.
        if call.path == INDEX and self.kind == EVERYTHING and not self.lasting:
            return 0
        self._seen += 1
        if self._seen != self.at and not (self.lasting and self._seen > self.at):
            return 0
        self.hits += 1
        return self.number

    def __str__(self) -> str:
        which = f"{self.kind}, number {self.at}{' and all that follow' if self.lasting else ''}"
        return f"{errno.errorcode[self.number]} of {which}"


@dataclass(frozen=True)
class Scenario:
    """An operation, and what is there before: a file of a kind, and an upload up to a byte."""

    operation: Callable[[str], Operation]
    file: str | None = None
    upload: tuple[str, int] | None = None


SCENARIOS = {
    "put inline": Scenario(lambda name: Put(name, "inline"), "blob"),
    "put blob": Scenario(lambda name: Put(name, "blob"), "blob"),
    "put large": Scenario(lambda name: Put(name, "large"), "inline"),
    "delete": Scenario(Delete, "blob"),
    "begin an upload": Scenario(lambda name: Begin(name, "blob")),
    "append": Scenario(lambda name: Append(name, 200 * KIB), "blob", ("blob", 100 * KIB + 1)),
    "append around the cache": Scenario(
        lambda name: Append(name, 3 * MIB + 7), "inline", ("large", MIB)
    ),
    "complete inline": Scenario(
        lambda name: Append(name, SIZES["inline"]), "blob", ("inline", 3 * KIB)
    ),
    "complete blob": Scenario(
        lambda name: Append(name, SIZES["blob"]), "blob", ("blob", 200 * KIB)
    ),
}


class FailingDisk:
    """A service, and the disk below it."""

    def __init__(self, site: Site, running: Service, watch: Watch) -> None:
        self.site = site
        self.running = running
        self.fault: Callable[[Call], int] = let_pass
        self.calls: list[Call] = []
        self._writers: set[int | None] = set()
        """The descriptors by which the log is written; a checkpoint syncs it by another."""
        self.ledger = LostBytes()
        self.refused = Counter[str]()
        """Answers that said a failure, by its problem type."""
        self.failed: list[str] = []
        """Uploads that an append to has failed; they are gone on with in the end."""
        watch.judge = self._judge

    def _judge(self, call: Call) -> int:
        if call.path == LOG and call.name == "pwrite64":
            self._writers.add(call.descriptor)
        of_checkpoint = call.path == LOG and call.descriptor not in self._writers
        error = 0 if of_checkpoint else self.fault(call)
        self.ledger.note(call, error)
        self.calls.append(call)
        return error

    def connected(self) -> Connection:
        """A new connection: a refused request ends the one that it came by."""
        return Connection(self.running.port, patience=30)

    def kinds(self, scenario: Scenario) -> Counter[str]:
        """The kinds of calls that an operation makes, and how many of each."""
        operation = self._prepare(scenario)
        states = operation.states(self.site.held)
        there = len(blobs_on(self.site.directory)) + states[-1].blobs() - states[0].blobs()
        self.calls.clear()
        with self.connected() as client:
            answer = self.site.send(client, operation)
        until(lambda: len(blobs_on(self.site.directory)) == there, "the old blob is removed")
        # Only checkpoints write to the index itself, and they are nobody's in particular.
        found = Counter(kind_of(call) for call in self.calls if call.path != INDEX)
        self._go_on(operation, answer)
        return found

    def strike(self, scenario: Scenario, fault: Fault) -> None:
        """Perform an operation while calls fail, and go on once they do not."""
        operation = self._prepare(scenario)
        before, *_, done = operation.states(self.site.held)
        name = operation.target
        self.fault = fault
        with self.connected() as client:
            answer = self.site.send(client, operation)
        with self.connected() as client:
            seen = read(client, self.site.token, name)
            assert read(client, self.site.token, BESIDE) == self.site.held.files[BESIDE]
        self.fault = let_pass
        self._expect(answer, fault)
        # Of two files that differ, pytest would look for how they do for hours.
        as_told = seen == (done if answer.status < 300 else before).files.get(name)
        assert as_told, f"{seen} after {answer} and {fault}"
        self._go_on(operation, answer)

    def refuse(
        self,
        operation: Operation,
        fault: Fault,
        beside: Callable[[Call], int] = let_pass,
        then: Callable[[], object] = lambda: None,
    ) -> None:
        """Have an operation fail, and something else happen before the disk works again."""
        self.fault = lambda call: fault(call) or beside(call)
        with self.connected() as client:
            answer = self.site.send(client, operation)
        then()
        self.fault = let_pass
        assert fault.hits
        self._expect(answer, fault)

    def put_until(self, enough: Callable[[], bool]) -> None:
        """Store small files, at least one, while checkpoints may fail."""
        file = version("inline", "new")
        for name in itertools.islice(itertools.cycle(_CHECKPOINTED), MOST_PUTS):
            with self.connected() as client:
                client.send(file.put(self.site.token, name))
                answer = client.read_answer()
            assert answer.status == 204, answer
            self.site.held = self.site.held.with_file(name, file)
            if enough():
                return
        pytest.fail(f"{MOST_PUTS} files were not enough")

    def finish(self) -> None:
        """Go on with all uploads that an append to has failed; each takes over from it first."""
        uploads = [self.site.held.uploads[name] for name in self.failed]
        with ThreadPoolExecutor(16) as clients:
            list(clients.map(self._finish, uploads))
        while self.failed:
            self._take_away(self.failed.pop())

    def close(self) -> None:
        """See what is left after all of it, at once and after a restart."""
        assert self.ledger.trusted == []
        until(lambda: open_blobs(self.running) == [], "no descriptor is left open")
        said = self.site.log.read_text()
        assert {slug: said.count(f"{slug}: ") for slug in self.refused} == self.refused
        assert self.running.stop() == 0
        assert self.ledger.missing(INDEX) == self.ledger.missing(LOG) == 0
        with self.site.running() as (running, _):
            await_sweep(self.site.directory, running, self.site.held)
            with Connection(running.port) as client:
                assert self.site.held.is_seen_by(client, self.site.token)

    def _prepare(self, scenario: Scenario) -> Operation:
        name = next(_names)
        with self.connected() as client:
            if scenario.file is not None:
                self.site.put_old(client, name, scenario.file)
            if scenario.upload is not None:
                self.site.begin(client, name, *scenario.upload)
        return scenario.operation(name)

    def _expect(self, answer: Answer, fault: Fault) -> None:
        """What a client has to be told; what removes a replaced blob comes after the answer."""
        if not fault.hits or fault.kind == "unlink of a blob":
            assert answer.status in (201, 204), f"{answer} after {fault}"
            return
        status, slug = STATUS[fault.number]
        assert answer.status == status, f"{answer} after {fault}"
        assert answer.problem["type"].endswith(f"#{slug}"), answer
        self.refused[slug] += 1

    def _go_on(self, operation: Operation, answer: Answer) -> None:
        """Do again what has failed; see that it is durable then, and take it away."""
        name, states = operation.target, operation.states(self.site.held)
        if isinstance(operation, Append):
            if answer.status >= 300:
                self.failed.append(name)
                return
            self._finish(self.site.held.uploads[name])
        else:
            if answer.status >= 300:
                with self.connected() as client:
                    answer = self.site.send(client, operation)
                assert answer.status in (201, 204), answer
            self.site.held = states[-1]
            if isinstance(operation, Begin):
                upload = replace(self.site.held.uploads[name], path=location_of(answer))
                self._finish(upload)
        self._take_away(name)

    def _finish(self, upload: Begun) -> None:
        with self.connected() as client:
            finish(client, self.site.token, upload)
            forget(client, self.site.token, upload)

    def _take_away(self, name: str) -> None:
        """Delete a file, if there is to be one, after a look at where it is."""
        held = self.site.held
        upload = held.uploads.get(name)
        file = held.files.get(name) if upload is None else upload.file
        self.site.held = held.with_upload(name, None).with_file(name, None)
        with self.connected() as client:
            assert read(client, self.site.token, name) == file
            if file is None:
                return
            blob = self._blob(name)
            assert blob is None or self.ledger.missing(blob) == 0
            client.send(raw.head("DELETE", path_of(name), self.site.token))
            assert client.read_answer().status == 204
        if blob is not None:
            until(lambda: not (self.site.directory / blob).exists(), "it is removed")

    def _blob(self, name: str) -> Path | None:
        """The blob of a file, relative to the data directory; None if the index has the content."""
        with closing(apsw.Connection(str(self.site.directory / "index.db"))) as index:
            rows = index.execute("SELECT blob FROM files WHERE name = ?", (name,)).fetchall()
        [(blob,)] = rows
        return None if blob is None else Path("blobs", str(blob)[:2], str(blob))


@pytest.fixture(scope="module")
def disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FailingDisk]:
    """One for all: what failures leave, its service removes while it runs, or when it starts."""
    directory = tmp_path_factory.mktemp("failing")
    site = Site(directory / "data", directory / "service.log")
    with site.running() as (running, watch):
        disk = FailingDisk(site, running, watch)
        with disk.connected() as client:
            site.put_old(client, BESIDE, "blob")
        yield disk
        disk.close()


@pytest.mark.parametrize("name", SCENARIOS)
def test_each_call_fails(disk: FailingDisk, name: str) -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    scenario = SCENARIOS[name]
    kinds = disk.kinds(scenario)
    print(f"{name}: {dict(kinds)}")
    assert "fdatasync of index.db-wal" in kinds
    for kind in (*kinds, EVERYTHING):
        for number, times in ROUNDS.items():
            for _ in range(times):
                at = chance.randint(1, kinds[kind] or 1)
                disk.strike(scenario, Fault(kind, number, at, lasting=chance.random() < 0.5))
    disk.finish()


def _often_enough(fault: Fault) -> bool:
    return fault.hits >= ROUNDS[errno.EIO]


def test_checkpoints_fail(disk: FailingDisk) -> None:
    """What is committed is in the log; no client has to know that it cannot leave it yet."""
    for fault in (
        Fault("pwrite64 of index.db", errno.EIO),
        Fault("fdatasync of index.db", errno.EIO),
    ):
        disk.fault = fault
        disk.put_until(partial(_often_enough, fault))
        disk.fault = let_pass
        disk.calls.clear()
        disk.put_until(lambda: True)
        until(lambda: "fdatasync of index.db" in map(kind_of, disk.calls), "a checkpoint succeeds")
    with disk.connected() as client:
        assert disk.site.held.is_seen_by(client, disk.site.token)


def test_a_checkpoint_that_fails_brings_nothing_back(disk: FailingDisk) -> None:
    """A commit whose sync has failed is in the log, whole, and stays without effect."""
    name = next(_names)

    def failed() -> int:
        return disk.site.log.read_text().count("a checkpoint of the index failed")

    def put_until_one_fails() -> None:
        before = failed()
        disk.put_until(lambda: failed() > before)

    def wait_until_one_fails() -> None:
        before = failed()
        until(lambda: failed() > before, "another checkpoint fails")

    with disk.connected() as client:
        disk.site.put_old(client, name, "inline")
    for _ in range(rounds(1, 50)):
        disk.fault = in_checkpoints = Fault("pwrite64 of index.db", errno.EIO)
        put_until_one_fails()
        disk.refuse(
            Put(name, "inline"),
            Fault("fdatasync of index.db-wal", errno.EIO),
            beside=in_checkpoints,
            then=wait_until_one_fails,
        )
        with disk.connected() as client:
            as_before = read(client, disk.site.token, name) == disk.site.held.files[name]
        assert as_before


def test_the_key_of_links_fails(tmp_path: Path) -> None:
    """It is made once, by the first link: so a link is asked for until every call has failed."""
    make = MakeLink(BESIDE)
    kinds: dict[str, None] = {}
    tried = Site(tmp_path / "tried", tmp_path / "tried.log")
    with tried.running() as (running, watch), Connection(running.port) as client:
        tried.put_old(client, BESIDE, "inline")
        watch.judge = lambda call: kinds.setdefault(kind_of(call)) or 0
        assert tried.send(client, make).status == 201
    assert "rename of link.key" in kinds
    site = Site(tmp_path / "data", tmp_path / "service.log")
    with site.running() as (running, watch):
        disk = FailingDisk(site, running, watch)
        with disk.connected() as client:
            site.put_old(client, BESIDE, "inline")
        for kind, (number, times) in itertools.product(kinds, ROUNDS.items()):
            for _ in range(times):
                disk.refuse(make, Fault(kind, number))
                assert not list(site.directory.glob("link.key*"))
        with disk.connected() as client:
            answer = site.send(client, make)
            assert answer.status == 201, answer
            make.confirm(client, site.token, answer)
        disk.close()
