"""The whole service is killed at a system call that changes its disk: at every one there is.

It is killed before the n-th call of an operation, for every n: so after each of them too, and
before the answer as well as after it. The next service on the same directory shows the old state or
the new one, whole, and only the new one if that had been acknowledged; its sweep leaves nothing
else.
"""

from __future__ import annotations

import itertools
import os
import random
import threading
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.integration.service.clients.wire import listed
from tests.support import raw
from tests.support.local_disk import blobs_on
from tests.support.raw import Answer, Connection
from tests.support.rounds import LONG, rounds
from tests.support.service import Service
from tests.support.waiting import until
from tests.system.faults.held import Held, await_sweep, finish, forget, read, sizes
from tests.system.faults.operations import FILES, OPERATIONS, UPLOADS, Append, Operation, Put
from tests.system.faults.site import Site
from tests.system.faults.syscalls import Call, Watch, let_pass

KILLS = 8
"""In a short run."""

MOST_CALLS = 20
"""About as many as an operation makes; a kill that would come later comes at the end."""


@dataclass
class Strike:
    """What became of an operation: its answer, if one came, and its calls."""

    answer: Answer | None = None
    calls: list[Call] = field(default_factory=list)
    killed: threading.Event = field(default_factory=threading.Event)


@pytest.fixture(scope="module")
def quick_path(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A directory in memory where there is one: a kill leaves what is in the page cache."""
    memory = Path("/dev/shm")
    place = memory if os.access(memory, os.W_OK) else tmp_path_factory.mktemp("killed")
    with TemporaryDirectory(prefix="killed-", dir=place) as name:
        yield Path(name)


@pytest.fixture(scope="module")
def template(quick_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Site:
    """What is there before each operation, left by a service that was stopped in order."""
    log = tmp_path_factory.mktemp("killed") / "service.log"
    site = Site(quick_path / "template", log)
    with site.running() as (running, _):
        with Connection(running.port) as client:
            for name, kind in FILES.items():
                site.put_old(client, name, kind)
            for name, (kind, offset) in UPLOADS.items():
                site.begin(client, name, kind, offset)
            assert site.held.is_seen_by(client, site.token)
        assert running.stop() == 0
    for shard in (site.directory / "blobs").iterdir():
        if not any(shard.iterdir()):
            shard.rmdir()  # They are made again, faster than they are copied.
    return site


def _strike(site: Site, running: Service, watch: Watch, operation: Operation, at: int) -> Strike:
    """Perform an operation and kill everything before its call number ``at``."""
    strike = Strike()

    def judge(call: Call) -> int:
        strike.calls.append(call)
        if len(strike.calls) == at:
            running.kill()
            strike.killed.set()
        return 0

    blobs = operation.states(site.held)[-1].blobs()
    with Connection(running.port, patience=60) as client:
        watch.judge = judge
        with suppress(OSError, raw.BrokenAnswerError):
            strike.answer = site.send(client, operation)
    if strike.answer is None:
        assert strike.killed.wait(30), f"{operation}: no answer from a service that is there"
    else:
        assert strike.answer.status in (201, 204), strike.answer
        # What was replaced is removed after the answer.
        until(
            lambda: strike.killed.is_set() or len(blobs_on(site.directory)) == blobs,
            "what was replaced is removed",
        )
    watch.judge = let_pass
    return strike


def _check(site: Site, running: Service, operation: Operation, strike: Strike) -> None:
    """See that the next service holds what it has to, go on as a client would, and let it sweep."""
    before = site.held
    possible = operation.states(before)
    with Connection(running.port, patience=60) as client:
        offsets = {each["name"]: each["offset"] for each in listed(client, site.token)}
        if strike.answer is not None:
            possible = possible[-1:]
        elif isinstance(operation, Append) and operation.target in offsets:
            possible.append(operation.partly(before, offsets[operation.target]))
        found = [state for state in possible if state.is_seen_by(client, site.token)]
        assert found, (
            f"{operation}, answered: {strike.answer}, calls: {[*map(str, strike.calls)]}:"
            f" found {sizes(client, site.token)}, {offsets}"
        )
        site.held = found[0]
        if strike.answer is not None:
            operation.confirm(client, site.token, strike.answer)
        _end_upload(client, site, operation, before)
    await_sweep(site.directory, running, site.held)


def _end_upload(client: Connection, site: Site, operation: Operation, before: Held) -> None:
    """Finish the upload of an operation, if there is one, and then have it forgotten."""
    name = operation.target
    begun = {each["name"]: f"/api/uploads/{each['id']}" for each in listed(client, site.token)}
    if name in begun:
        upload = replace(site.held.uploads[name], path=begun[name])
        finish(client, site.token, upload)
        site.held = site.held.with_upload(name, None).with_file(name, upload.file)
        assert read(client, site.token, name) == upload.file
    elif isinstance(operation, Append):  # It is complete.
        upload = before.uploads[name]
    else:
        return
    forget(client, site.token, upload)


def test_a_kill_at_some_calls(template: Site) -> None:
    """A few kills in a row, each of another operation, on one directory."""
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    with template.copied() as site, ExitStack() as services:
        running, watch = services.enter_context(site.running())
        for name in chance.sample(list(OPERATIONS), KILLS):
            at = chance.randint(1, MOST_CALLS)
            strike = _strike(site, running, watch, OPERATIONS[name], at)
            services.close()
            running, watch = services.enter_context(site.running())
            print(f"{name}: killed at call {len(strike.calls)}, {strike.calls[-1]}")
            _check(site, running, OPERATIONS[name], strike)
    assert "Traceback" not in template.log.read_text()


@pytest.mark.skipif(not LONG, reason="takes a service and another for each of hundreds of calls")
@pytest.mark.parametrize("name", OPERATIONS)
def test_a_kill_at_every_call(template: Site, name: str) -> None:
    operation = OPERATIONS[name]
    calls: list[Call] = []
    for at in itertools.count(1):
        with template.copied() as site:
            with site.running() as (running, watch):
                strike = _strike(site, running, watch, operation, at)
            with site.running() as (running, _):
                _check(site, running, operation, strike)
        if not strike.killed.is_set():
            break
        calls.append(strike.calls[-1])
    print(f"{name}: {len(calls)} calls: {', '.join(map(str, calls))}")
    assert len(calls) > 2
    assert "Traceback" not in template.log.read_text()


def test_kills_in_checkpoints(template: Site) -> None:
    """What is in the log is being copied into the index, while more is written."""
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    for _ in range(rounds(1, 40)):
        at = chance.randint(1, 50)
        with template.copied() as site:
            with site.running() as (running, watch):
                operation, calls = _write_until_killed(site, running, watch, at)
            with site.running() as (running, _):
                _check(site, running, operation, Strike(calls=calls))
    assert "Traceback" not in template.log.read_text()


def _write_until_killed(
    site: Site, running: Service, watch: Watch, at: int
) -> tuple[Operation, list[Call]]:
    """Write until a kill at call number ``at`` of a checkpoint; return what was not acknowledged.

    And the calls to the index itself, which only checkpoints make.
    """
    calls: list[Call] = []
    killed = threading.Event()

    def judge(call: Call) -> int:
        if call.path == Path("index.db"):
            calls.append(call)
            if len(calls) == at:
                running.kill()
                killed.set()
        return 0

    watch.judge = judge
    operation = Put("checkpoint-0", "inline", "0")
    with (
        Connection(running.port, patience=60) as client,
        suppress(OSError, raw.BrokenAnswerError),
    ):
        for number in itertools.count(1):
            assert site.send(client, operation).status == 204
            site.held = operation.states(site.held)[-1]
            operation = Put(f"checkpoint-{number % 10}", "inline", f"{number}")
    assert killed.wait(30)
    watch.judge = let_pass
    return operation, calls
