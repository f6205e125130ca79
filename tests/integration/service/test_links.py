"""Links of a service with several workers: each of them, and the next start, takes the same."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.integration.service.clients.wire import connected
from tests.support import raw
from tests.support.bodies import content
from tests.support.links import made
from tests.support.raw import Answer
from tests.support.service import Backend, S3Backend, Service, service

DATA = content(300 * 1024)
NAME = "shared/a b.bin"


@pytest.mark.smoke
def test_every_worker_takes_a_link(backend: Backend, log: Path) -> None:
    with service(backend, log, workers=2) as running:
        token = running.token
        put, get = made(running, NAME, "PUT"), made(running, NAME)
        assert token not in put + get
        for status in (204, 412):
            assert _ask(running, running.workers()[0], "PUT", put, DATA).status == status
        for worker in running.workers():
            assert _ask(running, worker, "GET", get).body == DATA
            assert _ask(running, worker, "GET", get.replace("shared", "others")).status == 403
    with service(backend, log, workers=1) as running:
        assert _ask(running, running.workers()[0], "GET", get).body == DATA
    said = log.read_text()
    assert "/api/links/1." in said
    for link in (put, get):
        mac = link.split("/")[3].split(".")[2]
        assert mac not in said
    assert token not in said


def _ask(running: Service, worker: int, method: str, path: str, data: bytes = b"") -> Answer:
    fields = {"Content-Length": str(len(data))} if data else {}
    with connected(running, worker) as client:
        client.send(raw.head(method, path, None, fields) + data)
        return client.read_answer(method)


def test_direct_downloads_pass_the_service_by(ceph_backend: S3Backend, log: Path) -> None:
    with service(ceph_backend, log, settings={"DIRECT_DOWNLOADS": "true"}) as running:
        put = made(running, NAME, "PUT")
        assert _ask(running, running.workers()[0], "PUT", put, DATA).status == 204
        url = running.url + made(running, NAME)
        found = subprocess.run(
            ["curl", "-sSL", "-o", "-", "-w", "%{stderr}%{num_redirects} %{http_code}", url],
            capture_output=True,
            check=True,
            timeout=60,
        )
        assert found.stderr == b"1 200"
        assert bool(found.stdout == DATA)
    (line,) = [line for line in log.read_text().splitlines() if '"GET /api/links/' in line]
    assert '" 307 in=0 out=0 ' in line
