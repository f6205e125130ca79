"""Many writers of one name at once, through two worker processes."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest

from tests.support import raw
from tests.support.bodies import content
from tests.support.raw import Connection
from tests.support.rounds import rounds
from tests.support.service import Service
from tests.support.services import Lend
from tests.support.witness import Witness, fetch, store

KIB = 1024
MIB = 1024 * KIB
WRITERS = 100
SIZES = (1 * KIB, 16 * KIB, 17 * KIB, 300 * KIB)
"""On either side of what the embedded store keeps in a row."""
LARGE = 17 * MIB
"""In several parts on S3; few of the writers send that much."""


def _version(writer: int, size: int) -> bytes:
    """Content that tells on itself: its writer, its size and the hash of the rest."""
    rest = content(size, writer % 7)
    return f"{writer} {size} {hashlib.sha256(rest).hexdigest()}\n".encode() + rest


def _is_a_version(found: bytes | None) -> bool:
    if found is None:
        return False
    label, _, rest = found.partition(b"\n")
    _, size, digest = label.split(b" ")
    return int(size) == len(rest) and digest.decode() == hashlib.sha256(rest).hexdigest()


def _at_once(tasks: list[Callable[[], int]]) -> list[int]:
    """Run them in threads that all begin at the same moment; their results in order."""
    barrier = threading.Barrier(len(tasks))

    def run(task: Callable[[], int]) -> int:
        barrier.wait(timeout=60)
        return task()

    with ThreadPoolExecutor(len(tasks)) as pool:
        return list(pool.map(run, tasks))


def _put(
    running: Service, name: str, data: bytes, headers: dict[str, str] | None = None
) -> Callable[[], int]:
    length = {"Content-Length": str(len(data))}
    head = raw.head("PUT", f"/api/files/{name}", running.token, {**length, **(headers or {})})

    def put() -> int:
        with Connection(running.port, patience=60) as client:
            client.send(head)
            client.send(data)
            return client.read_answer("PUT").status

    return put


@pytest.mark.parametrize("start", ["existing", "new"])
def test_every_read_among_a_hundred_writers_is_one_whole_version(
    running: Service, start: str
) -> None:
    name, before = f"raced/{start}", running.backend.leftovers()
    if start == "existing":
        store(running, name, _version(0, 300 * KIB))
    sizes = [LARGE if n % 20 == 0 else SIZES[n % len(SIZES)] for n in range(WRITERS)]
    writers = [_put(running, name, _version(n, size)) for n, size in enumerate(sizes)]

    def judge(found: bytes | None) -> bool:
        return _is_a_version(found) or (found is None and start == "new")

    with ExitStack() as readers:
        seen = [readers.enter_context(Witness(running, name, judge)) for _ in range(4)]
        assert _at_once(writers) == [204] * WRITERS
        for witness in seen:
            witness.wait_for_read()
    assert sum(witness.reads for witness in seen) > 20
    # All readers agree in the end, on what one of the writers sent.
    last = fetch(running, name)
    assert _is_a_version(last)
    for _ in range(4):
        assert fetch(running, name) == last
    left = set(running.backend.leftovers()) - set(before)
    assert [each for each in left if "multipart" in each] == []


@pytest.mark.parametrize("size", [100, 300 * KIB], ids=["small", "larger"])
def test_one_of_a_hundred_creates_a_file(running: Service, size: int) -> None:
    for attempt in range(rounds(1, 10)):
        name = f"created/{size}/{attempt}"
        headers = {"If-None-Match": "*"}
        versions = [_version(n, size) for n in range(WRITERS)]
        statuses = _at_once([_put(running, name, data, headers) for data in versions])
        assert sorted(statuses) == [204] + [412] * (WRITERS - 1)
        assert fetch(running, name) == versions[statuses.index(204)]


@pytest.mark.parametrize("size", [0, 20 * KIB], ids=["small", "larger"])
def test_a_counter_by_if_match_never_loses_an_update(running: Service, size: int) -> None:
    """On S3 this relies on a provider that decides If-Match on PutObject natively; Ceph does."""
    name, clients, each = f"counter/{size}", 8, rounds(5, 50)
    padding = b" " * size
    store(running, name, b"0" + padding)

    def count() -> int:
        refused = 0
        for _ in range(each):
            while not _increment(running, name, padding):
                refused += 1
        return refused

    refused = _at_once([count] * clients)
    final = fetch(running, name)
    assert final is not None
    assert int(final) == clients * each
    assert sum(refused) > 0, "nobody ever raced"


def _increment(running: Service, name: str, padding: bytes) -> bool:
    """Read, add one, and write it if nobody else has written meanwhile."""
    with Connection(running.port, patience=60) as client:
        client.send(raw.head("GET", f"/api/files/{name}", running.token))
        answer = client.read_answer()
        etag = answer.header("etag")
        assert etag is not None
        data = str(int(answer.body) + 1).encode() + padding
        fields = {"Content-Length": str(len(data)), "If-Match": etag}
        client.send(raw.head("PUT", f"/api/files/{name}", running.token, fields) + data)
        status = client.read_answer("PUT").status
    assert status in (204, 412)
    return status == 204


def test_one_of_a_hundred_deletes_or_replaces_a_version(shared_service: Lend) -> None:
    """Embedded only: Ceph ignores conditions on DeleteObject."""
    running = shared_service("local")
    store(running, "contested", b"first")
    with Connection(running.port) as client:
        client.send(raw.head("HEAD", "/api/files/contested", running.token))
        etag = client.read_answer("HEAD").header("etag")
    assert etag is not None
    condition = {"If-Match": etag}
    deleting = raw.head("DELETE", "/api/files/contested", running.token, condition)

    def delete() -> int:
        with Connection(running.port, patience=60) as client:
            client.send(deleting)
            return client.read_answer().status

    writers = [_put(running, "contested", _version(n, 20 * KIB), condition) for n in range(50)]
    statuses = _at_once([*writers, *[delete] * 50])
    assert sorted(set(statuses) - {404}) == [204, 412]
    assert statuses.count(204) == 1
    winner = statuses.index(204)
    expected = _version(winner, 20 * KIB) if winner < 50 else None
    assert fetch(running, "contested") == expected
