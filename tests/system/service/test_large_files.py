"""One file of 6 GiB through a worker whose memory stays within its budget."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.support import streams
from tests.support.service import Backend, service
from tests.support.waiting import until

SIZE = 6 * 2**30
BUDGET = 64 * 2**20
ALLOWANCE = 64 * 2**20
"""Bytes over idle memory and the budget of each worker."""


@pytest.fixture(scope="module")
def expected() -> str:
    """The SHA-256 of the file that is sent."""
    return streams.sha256_of(SIZE)


PAIRS = [
    pytest.param("local", True, id="local-chunked"),
    pytest.param("ceph", False, id="ceph-content-length"),
    pytest.param("local", False, id="local-content-length", marks=pytest.mark.soak),
    pytest.param("ceph", True, id="ceph-chunked", marks=pytest.mark.soak),
]


@pytest.mark.smoke
@pytest.mark.alone
@pytest.mark.parametrize(("backend", "chunked"), PAIRS, indirect=["backend"])
def test_six_gibibytes(backend: Backend, log: Path, expected: str, *, chunked: bool) -> None:
    settings = {"MEMORY_BUDGET": str(BUDGET)}
    with service(backend, log, workers=1, settings=settings) as running:
        with running.peak_memory() as peak:
            idle = peak.bytes
            started = time.perf_counter()
            answer = streams.put(running, "large", SIZE, chunked=chunked)
            uploaded = time.perf_counter()
            assert answer.status == 204, answer.body
            assert streams.get_sha256(running, "large") == expected
            downloaded = time.perf_counter()
        print(
            f"{backend.name}: idle {idle / 2**20:.0f} MiB, peak {peak.bytes / 2**20:.0f} MiB,"
            f" up {SIZE / (uploaded - started) / 1e6:.0f} MB/s,"
            f" down {SIZE / (downloaded - uploaded) / 1e6:.0f} MB/s"
        )
        assert peak.bytes < idle + BUDGET + ALLOWANCE
        assert streams.delete(running, "large") == 204
        until(lambda: backend.leftovers() == [], "its content is gone, too")
