"""100,000 files in one container: the list streams, and a delimiter seeks instead of scanning."""

from __future__ import annotations

import contextlib
import http.client
import json
import statistics
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from file_uploader.model import Container
from tests.support.service import Backend, LocalBackend, S3Backend, Service, service

FILES = 100_000
FOLDERS = 10
FIRST_BYTE = 0.100
"""Seconds until the plain list starts."""
GROWTH = 32 * 2**20
"""Bytes that a list may cost the server."""
DELIMITED = 0.050
"""Seconds for ``delimiter=/`` over ten folders on the embedded store."""


@contextlib.contextmanager
def connect(port: int) -> Iterator[http.client.HTTPConnection]:
    """One connection that is kept alive."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    with contextlib.closing(connection):
        yield connection


def fill(running: Service, backend: Backend) -> list[str]:
    """Put small files into ten folders; return their names in order.

    Into a bucket directly, without signatures: through the service it takes three times as long,
    and the list is what counts.
    """
    names = [f"{number % FOLDERS}/{number:06}" for number in range(FILES)]
    port, base, expected = running.port, "/api/files", 204
    if isinstance(backend, S3Backend):
        container = Container.of(uuid.UUID(running.token)).name
        port = int(backend.server.endpoint.rpartition(":")[2])
        base, expected = f"/{backend.bucket}/files/{container}", 200
        with contextlib.closing(backend.server.client()) as client:
            client.put_bucket_acl(Bucket=backend.bucket, ACL="public-read-write")

    def put(share: list[str]) -> None:
        with connect(port) as connection:
            for name in share:
                connection.request("PUT", f"{base}/{name}", b"x", {"X-Auth-Token": running.token})
                response = connection.getresponse()
                response.read()
                assert response.status == expected

    clients = 32
    with ThreadPoolExecutor(clients) as pool:
        list(pool.map(put, (names[share::clients] for share in range(clients))))
    return sorted(names)


def get(running: Service, path: str) -> tuple[float, bytes]:
    """Return the seconds until the first byte of the body, and the body."""
    with connect(running.port) as connection:
        connection.connect()
        started = time.perf_counter()
        connection.request("GET", path, headers={"X-Auth-Token": running.token})
        response = connection.getresponse()
        first = response.read(1)
        elapsed = time.perf_counter() - started
        assert response.status == 200
        return elapsed, first + response.read()


@pytest.mark.heavy
@pytest.mark.alone
def test_a_hundred_thousand_files(backend: Backend, log: Path) -> None:
    with service(backend, log, workers=1) as running:
        names = fill(running, backend)
        first_bytes = []
        get(running, "/api/files?limit=1")  # what the first list of a process costs once
        with running.peak_memory() as peak:
            idle = peak.bytes
            for _ in range(3):
                first_byte, body = get(running, "/api/files")
                first_bytes.append(first_byte)
                assert json.loads(body) == names
            first_byte, body = get(running, "/api/files?details=true")
            assert len(json.loads(body)) == FILES
        print(f"{backend.name}: first byte {first_bytes}, growth {peak.bytes - idle:,} bytes")
        assert statistics.median(first_bytes) < FIRST_BYTE
        assert peak.bytes - idle < GROWTH

        times = []
        for _ in range(7):
            started = time.perf_counter()
            _, body = get(running, "/api/files?delimiter=/")
            times.append(time.perf_counter() - started)
            assert json.loads(body) == [f"{folder}/" for folder in range(FOLDERS)]
        print(f"{backend.name}: delimiter=/ took {[f'{taken * 1000:.1f} ms' for taken in times]}")
        if isinstance(backend, LocalBackend):
            assert statistics.median(times) < DELIMITED
        else:
            assert isinstance(backend, S3Backend)
