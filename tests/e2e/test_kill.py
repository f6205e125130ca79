"""`kill -9` of everything at a random moment, again and again over the same data.

Every acknowledged write reads back; what was not acknowledged happened whole or not at all.
"""

from __future__ import annotations

import random
import statistics
import threading
import time
import uuid
from pathlib import Path

import apsw
import pytest

from tests.support import raw
from tests.support.raw import Connection
from tests.support.service import Backend, LocalBackend, S3Backend, Service, start
from tests.support.traffic import Writer, found_by
from tests.support.waiting import until

WRITERS = 4
START_LIMIT = 2.0
"""Seconds from exec to the first answer, whatever the crash left."""


def test_five_kills_lose_nothing(tmp_path: Path, log: Path) -> None:
    backend = LocalBackend(tmp_path / "data")
    starts = _kill_and_check(backend, log, rounds=5, seed=random.randrange(2**32))
    assert statistics.median(starts) < START_LIMIT  # others may run beside this one


@pytest.mark.heavy
@pytest.mark.alone
def test_a_hundred_kills_lose_nothing(tmp_path: Path, log: Path) -> None:
    backend = LocalBackend(tmp_path / "data")
    starts = _kill_and_check(backend, log, rounds=100, seed=random.randrange(2**32))
    assert max(starts) < START_LIMIT


def test_kills_lose_nothing_on_s3(ceph_backend: S3Backend, log: Path) -> None:
    _kill_and_check(ceph_backend, log, rounds=3, seed=random.randrange(2**32))


def _kill_and_check(backend: Backend, log: Path, *, rounds: int, seed: int) -> list[float]:
    """Return the seconds that each start took."""
    print(f"seed {seed}")
    chance = random.Random(seed)
    token = str(uuid.uuid4())
    writers = [Writer(number, seed) for number in range(WRITERS)]
    starts: list[float] = []
    for _ in range(rounds):
        running, seconds = _start(backend, log, token)
        starts.append(seconds)
        try:
            _check(running, writers)
            _write_until_killed(running, writers, chance.uniform(0.2, 0.5))
        finally:
            running.kill()
        if isinstance(backend, LocalBackend):
            assert _integrity(backend) == "ok"
    acknowledged = sum(writer.acknowledged for writer in writers)
    print(
        f"{rounds} rounds, {acknowledged} acknowledged writes,"
        f" start median {statistics.median(starts):.2f} s, worst {max(starts):.2f} s"
    )
    assert acknowledged > 10 * rounds
    running, _ = _start(backend, log, token)
    try:
        _check(running, writers)
        files = sum(bool(fate.acknowledged) for writer in writers for fate in writer.fates.values())
        until(lambda: _clean(backend, files), "the sweep removed what crashes left", patience=20)
        _check(running, writers)
        assert running.stop() == 0
    finally:
        running.kill()
    assert _clean(backend, files)
    return starts


def _start(backend: Backend, log: Path, token: str) -> tuple[Service, float]:
    """Start it; seconds from exec to the first answer."""
    started = time.monotonic()
    running = start(backend, log, workers=2, settings={"UPLOAD_EXPIRY": "1s"})
    running.token = token
    try:
        until(lambda: _answers(running), "it answers", patience=20)
    except AssertionError:
        running.kill()
        raise
    return running, time.monotonic() - started


def _answers(running: Service) -> bool:
    try:
        with Connection(running.port) as client:
            client.send(raw.head("GET", "/api/files?limit=1", running.token))
            return client.read_answer().status == 200
    except (OSError, raw.BrokenAnswerError):
        assert running.process.poll() is None, running.log.read_text()[-4000:]
        return False


def _write_until_killed(running: Service, writers: list[Writer], seconds: float) -> None:
    stop = threading.Event()
    threads = [threading.Thread(target=writer.run, args=(running, stop)) for writer in writers]
    for thread in threads:
        thread.start()
    try:
        # Nothing to wait for: the moment has to be a random one.
        time.sleep(seconds)
        running.kill()
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    for writer in writers:
        assert not writer.wrong, writer.wrong[0]


def _check(running: Service, writers: list[Writer]) -> None:
    """Read every name back and compare; the list names exactly what is there."""
    with Connection(running.port) as client:
        there = set()
        for writer in writers:
            for name, fate in writer.fates.items():
                found = found_by(client, running.token, name)
                assert fate.allows(found), f"{name}: {found!r}, {fate}"
                fate.settle(found)
                if found:
                    there.add(name)
        client.send(raw.head("GET", "/api/files", running.token, {"Accept": "text/plain"}))
        assert set(client.read_answer().body.decode().splitlines()) == there


def _integrity(backend: LocalBackend) -> str:
    """What SQLite itself says of the index, asked from outside while nothing else runs."""
    index = apsw.Connection(str(backend.directory / "index.db"), flags=apsw.SQLITE_OPEN_READWRITE)
    try:
        return "; ".join(str(row[0]) for row in index.execute("pragma integrity_check"))
    finally:
        index.close()


def _clean(backend: Backend, files: int) -> bool:
    """Whether nothing is stored but what the index, or the bucket's own list, names."""
    left = backend.leftovers()
    if not isinstance(backend, LocalBackend):
        return len(left) == files
    index = apsw.Connection(str(backend.directory / "index.db"), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        index.set_busy_timeout(5000)
        query = "select blob from files where blob is not null"
        named = sorted(str(row[0]) for row in index.execute(query))
        query = "select content from files where content is not null order by content"
        inline = index.execute(query).fetchall()
        kept = index.execute("select id from contents order by id").fetchall()
    finally:
        index.close()
    return sorted(Path(path).name for path in left) == named and inline == kept
