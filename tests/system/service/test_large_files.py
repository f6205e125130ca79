"""Large files through a worker whose memory stays within its budget.

In the long form they are larger than one request to S3 can carry (5 GiB).
"""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.support import streams
from tests.support.rounds import rounds
from tests.support.service import Backend, service
from tests.support.waiting import until

SIZE = rounds(2**30, 5 * 2**30) + 64 * 2**20 + 1
BUDGET = 64 * 2**20
ALLOWANCE = 64 * 2**20
"""Bytes over idle memory and the budget of each worker."""


PAIRS = [
    pytest.param("local", True, id="local-chunked"),
    pytest.param("ceph", False, id="ceph-content-length"),
    pytest.param("local", False, id="local-content-length", marks=pytest.mark.soak),
    pytest.param("ceph", True, id="ceph-chunked", marks=pytest.mark.soak),
]


@pytest.mark.smoke
@pytest.mark.alone
@pytest.mark.parametrize(("backend", "chunked"), PAIRS, indirect=["backend"])
def test_memory_does_not_follow_the_size(backend: Backend, log: Path, *, chunked: bool) -> None:
    settings = {"MEMORY_BUDGET": str(BUDGET)}
    with service(backend, log, workers=1, settings=settings) as running:
        with running.peak_memory() as peak:
            idle = peak.bytes
            started = time.perf_counter()
            answer = streams.put(running, "large", SIZE, chunked=chunked)
            uploaded = time.perf_counter()
            assert answer.status == 204, answer.body
            assert streams.is_what_was_put(running, "large", SIZE)
            downloaded = time.perf_counter()
        print(
            f"{backend.name}: idle {idle / 2**20:.0f} MiB, peak {peak.bytes / 2**20:.0f} MiB,"
            f" up {SIZE / (uploaded - started) / 1e6:.0f} MB/s,"
            f" down {SIZE / (downloaded - uploaded) / 1e6:.0f} MB/s"
        )
        assert peak.bytes < idle + BUDGET + ALLOWANCE
        assert streams.delete(running, "large") == 204
        until(lambda: backend.leftovers() == [], "its content is gone, too")
