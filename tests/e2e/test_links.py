"""Links of a service with several workers: each of them, and the next start, takes the same."""

from __future__ import annotations

import json
from pathlib import Path
from urllib.parse import urlsplit

from tests.e2e.clients.wire import connected
from tests.support import raw
from tests.support.bodies import content
from tests.support.raw import Answer, Connection
from tests.support.service import Backend, Service, service

DATA = content(300 * 1024)


def test_every_worker_takes_a_link(backend: Backend, log: Path) -> None:
    with service(backend, log, workers=2) as running:
        token = running.token
        put, get = _made(running, "PUT"), _made(running, "GET")
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


def _made(running: Service, method: str) -> str:
    """The path of a new link."""
    document = json.dumps({"name": "shared/a b.bin", "method": method}).encode()
    fields = {"Content-Type": "application/json", "Content-Length": str(len(document))}
    with Connection(running.port) as client:
        client.send(raw.head("POST", "/api/links", running.token, fields) + document)
        answer = client.read_answer("POST")
    assert answer.status == 201, answer
    url: str = json.loads(answer.body)["url"]
    return urlsplit(url).path


def _ask(running: Service, worker: int, method: str, path: str, data: bytes = b"") -> Answer:
    fields = {"Content-Length": str(len(data))} if data else {}
    with connected(running, worker) as client:
        client.send(raw.head(method, path, None, fields) + data)
        return client.read_answer(method)
