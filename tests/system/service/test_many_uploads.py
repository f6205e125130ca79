"""Many uploads at once through one worker to S3: bounded memory, and slow ones slow nobody else."""

from __future__ import annotations

import hashlib
import http.client
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.support import streams
from tests.support.rounds import rounds
from tests.support.s3_servers import S3Server
from tests.support.service import S3Backend, Service, service

SIZE = rounds(9, 32) * 2**20
"""Bytes: more than a part."""
UPLOADS = rounds(100, 200)
FAST = UPLOADS // 4
BUDGET = 128 * 2**20
CEILING = 192 * 2**20
"""Bytes over idle memory."""
SLOW_RATE = 20 * 1024
SLOW_SECONDS = rounds(20, 60)

pytestmark = pytest.mark.alone


@pytest.fixture
def bucket(ceph: S3Server) -> Iterator[S3Backend]:
    """An empty bucket on Ceph."""
    name = ceph.fresh_bucket()
    yield S3Backend(ceph, name)
    ceph.remove_bucket(name)


SETTINGS = {"MEMORY_BUDGET": str(BUDGET)}


def put_all(running: Service, names: list[str]) -> float:
    """Upload all of them at once; return the seconds until the last one was acknowledged."""
    started = time.perf_counter()
    with ThreadPoolExecutor(len(names)) as pool:
        answers = list(pool.map(lambda name: streams.put(running, name, SIZE), names))
    assert [answer.status for answer in answers] == [204] * len(names)
    return time.perf_counter() - started


def test_all_at_once(bucket: S3Backend, log: Path) -> None:
    with service(bucket, log, workers=1, settings=SETTINGS) as running:
        names = [f"file-{number}" for number in range(UPLOADS)]
        with running.peak_memory() as peak:
            idle = peak.bytes
            took = put_all(running, names)
        print(
            f"{UPLOADS} uploads: idle {idle / 2**20:.0f} MiB,"
            f" peak +{(peak.bytes - idle) / 2**20:.0f} MiB,"
            f" {UPLOADS * SIZE / took / 1e6:.0f} MB/s"
        )
        assert peak.bytes < idle + CEILING
        assert all(streams.is_what_was_put(running, name, SIZE) for name in names[::20])


def test_slow_ones_slow_nobody(bucket: S3Backend, log: Path) -> None:
    with service(bucket, log, workers=1, settings=SETTINGS) as running:
        fast = [f"fast-{number}" for number in range(FAST)]
        put_all(running, fast[:5])
        alone = put_all(running, fast)
        stop_waiting = threading.Event()
        with ThreadPoolExecutor(UPLOADS - FAST) as pool, running.peak_memory() as peak:
            idle = peak.bytes
            slow = [
                pool.submit(put_slowly, running, f"slow-{number}", stop_waiting)
                for number in range(UPLOADS - FAST)
            ]
            time.sleep(SLOW_SECONDS / 2)  # they hold memory by now, and go on holding more
            beside = put_all(running, fast)
            sums = [upload.result() for upload in slow]
        print(
            f"{FAST} fast uploads: alone {alone:.1f} s, beside {UPLOADS - FAST} slow ones"
            f" {beside:.1f} s; peak +{(peak.bytes - idle) / 2**20:.0f} MiB"
        )
        assert beside < 2 * alone
        assert peak.bytes < idle + CEILING
        for number in range(0, UPLOADS - FAST, 30):
            assert streams.get_sha256(running, f"slow-{number}") == sums[number]


def put_slowly(running: Service, name: str, stop: threading.Event) -> str:
    """Send 20 KiB a second for `SLOW_SECONDS`; return the SHA-256 of what was sent."""
    digest = hashlib.sha256()

    def body() -> Iterator[bytes]:
        block = name.encode().ljust(SLOW_RATE // 4, b".")
        for _ in range(4 * SLOW_SECONDS):
            digest.update(block)
            yield block
            stop.wait(0.25)

    connection = http.client.HTTPConnection("127.0.0.1", running.port, timeout=600)
    try:
        connection.request(
            "PUT",
            f"/api/files/{name}",
            body=body(),
            headers={"X-Auth-Token": running.token},
            encode_chunked=True,
        )
        response = connection.getresponse()
        assert response.status == 204, response.read()
    finally:
        connection.close()
    return digest.hexdigest()
