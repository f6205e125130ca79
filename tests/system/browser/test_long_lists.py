"""100,000 files in one container: lists stream, a delimiter seeks, and the page stays quick."""

from __future__ import annotations

import contextlib
import http.client
import json
import statistics
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest
from playwright.sync_api import expect

from bench.fill import add
from file_uploader.model.names import Container
from tests.support.service import Backend, LocalBackend, S3Backend, Service, service
from tests.system.browser.conftest import OpenPage
from tests.system.browser.page import TOKEN, UploaderPage

FILES = 100_000
FOLDERS = 10
MOST = 91_000
"""So many are in the first folder, at least."""
FIRST_BYTE = 0.100
"""Seconds until the plain list starts."""
GROWTH = 32 * 2**20
"""Bytes that a list may cost the server."""
DELIMITED = 0.050
"""Seconds for ``delimiter=/`` over ten folders on the embedded store."""


pytestmark = pytest.mark.alone


@contextlib.contextmanager
def connect(port: int) -> Iterator[http.client.HTTPConnection]:
    """One connection that is kept alive."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    with contextlib.closing(connection):
        yield connection


def fill(running: Service, backend: Backend) -> list[str]:
    """Put small files into ten folders, most of them into the first; return their names in order.

    Past the service, for which it takes minutes: the list is what counts.
    """
    names = [f"{max(0, number - MOST) % FOLDERS}/{number:06}" for number in range(FILES)]
    if isinstance(backend, S3Backend):
        _fill_bucket(backend, running.token, names)
    else:
        assert isinstance(backend, LocalBackend)
        name = f"printf('%d/%06d', max(0, i - 1 - {MOST}) % {FOLDERS}, i - 1)"
        add(backend.directory, running.token, FILES, 1, name)
    return sorted(names)


def _fill_bucket(backend: S3Backend, token: str, names: list[str]) -> None:
    """Without signatures, which would take three times as long."""
    container = Container.of(uuid.UUID(token)).name
    port = int(backend.server.endpoint.rpartition(":")[2])
    with contextlib.closing(backend.server.client()) as client:
        client.put_bucket_acl(Bucket=backend.bucket, ACL="public-read-write")

    def put(share: list[str]) -> None:
        with connect(port) as connection:
            for name in share:
                connection.request("PUT", f"/{backend.bucket}/files/{container}/{name}", b"x")
                response = connection.getresponse()
                response.read()
                assert response.status == 200

    clients = 32
    with ThreadPoolExecutor(clients) as pool:
        list(pool.map(put, (names[share::clients] for share in range(clients))))


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


@dataclass(frozen=True)
class Filled:
    """A service with many files, and their names in order."""

    service: Service
    backend: Backend
    names: list[str]


@pytest.fixture(scope="module")
def filled(shared_backend: Backend, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Filled]:
    log = tmp_path_factory.mktemp("long") / "service.log"
    with service(shared_backend, log, workers=1) as running:
        yield Filled(running, shared_backend, fill(running, shared_backend))


def test_the_list(filled: Filled) -> None:
    running, backend, names = filled.service, filled.backend, filled.names
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


LONG_TASKS = """
    window.longTasks = [];
    const note = (list) => list.getEntries().forEach((task) => longTasks.push(task.duration));
    new PerformanceObserver(note).observe({ type: "longtask", buffered: true });
"""
FIRST_SCREEN = 1.0
"""Seconds from the opening of the page to the first names."""
LONGEST_TASK = 200.0
"""Milliseconds in which the page may not answer."""


def test_the_page(filled: Filled, open_page: OpenPage) -> None:
    running = filled.service
    count = sum(name.startswith("0/") for name in filled.names)
    assert count >= MOST
    visit = open_page(running.url)
    visit.page.add_init_script(f"sessionStorage.setItem({TOKEN!r}, {running.token!r});{LONG_TASKS}")
    page = UploaderPage(visit, running.url)
    page.open("0/")
    page.expect_listed("000000")
    first_screen = visit.page.evaluate("performance.now()") / 1000
    for _ in range(50):
        visit.page.locator(".rows").evaluate("rows => rows.scrollBy(0, 20_000)")
        visit.page.wait_for_timeout(30)
    expect(visit.page.get_by_text("more below")).to_be_visible()
    search = visit.page.get_by_role("searchbox")
    for text, name in (("0901", "090100"), ("0", "000000"), ("07", "070000"), ("", "000000")):
        search.fill(text)
        page.expect_listed(name)
    for column in ("Size", "Changed", "Changed", "Name", "Name"):
        visit.page.get_by_role("columnheader").get_by_role("button", name=column).click()
        expect(visit.page.get_by_text(f"{count:,} shown", exact=True)).to_be_visible(timeout=60_000)
    page.expect_listed("099990")
    visit.page.locator(".rows").evaluate("rows => rows.scrollTo(0, 1e9)")
    page.expect_listed("000000")
    visit.page.get_by_role("checkbox", name="Select all").check()
    expect(visit.page.get_by_text(f"{count} selected")).to_be_visible()
    tasks = visit.page.evaluate("longTasks")
    print(f"{filled.backend.name}: first screen {first_screen:.2f} s, long tasks {tasks} ms")
    assert first_screen < FIRST_SCREEN
    assert max(tasks, default=0) < LONGEST_TASK
