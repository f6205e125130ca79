"""Two nodes on S3, replaced one after the other under load: every upload ends, and ends right.

Clients are standard ones, with their own retries and nothing else; each knows one node only, which
is gone for seconds.
"""

from __future__ import annotations

import hashlib
import subprocess
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from tests.integration.service.clients.programs import TUS_JS, TUS_JS_IETF, Client, install, source
from tests.support import raw, streams
from tests.support.raw import Connection
from tests.support.rounds import rounds
from tests.support.service import S3Backend, Service, start, wait_ready

MIB = 2**20
GRACE = 14
"""Seconds of a stop, four of them for transfers."""
SIZE = 4 * MIB
QUICK, SLOW = "2M", "400K"
"""Bytes a second: those that end within these, and those that do not."""
PATIENCE = 60.0
"""Seconds until a node is there, on a busy machine."""
RESTARTS = rounds(1, 2)
"""Of each node."""

RETRIES = ("--retry", "100", "--retry-delay", "1", "--retry-all-errors", "--retry-max-time", "110")


@dataclass
class Uploaded:
    """What clients were told is stored, by name: its hash."""

    hashes: dict[str, str] = field(default_factory=dict)
    over: threading.Event = field(default_factory=threading.Event)


def _curl(rate: str, node: Service, name: str, path: Path) -> None:
    done = subprocess.run(
        [
            *("curl", "--silent", "--show-error", "--fail", *RETRIES, "--limit-rate", rate),
            *("-H", f"X-Auth-Token: {node.token}", "--upload-file", str(path)),
            f"http://127.0.0.1:{node.port}/api/files/{name}",
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def _tus(client: Client, modules: Path) -> Callable[[Service, str, Path], None]:
    return lambda node, name, path: client.upload(
        f"http://127.0.0.1:{node.port}", node.token, name, path, modules
    )


def test_a_rolling_restart_loses_nothing(ceph_backend: S3Backend, tmp_path: Path) -> None:
    modules = tmp_path / "modules"
    modules.mkdir()
    install(modules)
    path = source(tmp_path, SIZE)
    nodes = [_start(ceph_backend, tmp_path / f"node-{number}.log") for number in range(2)]
    token = nodes[0].token
    try:
        for node in nodes:
            node.token = token
            wait_ready(node, PATIENCE)
        uploaded = Uploaded()
        clients: dict[str, Callable[[Service, str, Path], None]] = {
            "quick": partial(_curl, QUICK),
            "slow": partial(_curl, SLOW),
            "tus": _tus(TUS_JS, modules),
            "ietf": _tus(TUS_JS_IETF, modules),
        }
        with ThreadPoolExecutor(2 * len(clients)) as pool:
            busy = [
                pool.submit(_upload_on, node, f"{kind}-{number}", upload, path, uploaded)
                for number, node in enumerate(nodes)
                for kind, upload in clients.items()
            ]
            try:
                for _ in range(RESTARTS):
                    for number, node in enumerate(nodes):
                        before = len(uploaded.hashes)
                        node.process.terminate()
                        assert node.process.wait(GRACE + 10) == 0, node.log.read_text()[-3000:]
                        nodes[number] = _start(ceph_backend, node.log, node.port)
                        wait_ready(nodes[number], PATIENCE)
                        nodes[number].token = token
                        assert len(uploaded.hashes) >= before
            finally:
                uploaded.over.set()
            for each in busy:
                each.result(120)
        assert len(uploaded.hashes) >= 2 * len(clients) * RESTARTS
        for node in nodes:
            for name, expected in uploaded.hashes.items():
                assert _hash(node, name) == expected, name
    finally:
        for node in nodes:
            if node.process.poll() is None:
                assert node.stop() == 0
    said = "".join(node.log.read_text() for node in nodes)
    assert "Traceback" not in said
    cut = said.count("Cancelled")
    print(f"{len(uploaded.hashes)} uploads, {cut} stops that cut some")
    assert cut > 0


def _start(backend: S3Backend, log: Path, port: int | None = None) -> Service:
    settings = {"GUNICORN_CMD_ARGS": f"--graceful-timeout {GRACE}"}
    return start(backend, log, workers=1, settings=settings, port=port)


def _upload_on(
    node: Service,
    kind: str,
    upload: Callable[[Service, str, Path], None],
    path: Path,
    uploaded: Uploaded,
) -> None:
    """Upload one file after the other until it is over; each has to succeed."""
    number = 0
    while not uploaded.over.is_set():
        name = f"{kind}-{number}"
        upload(node, name, path)
        uploaded.hashes[name] = streams.sha256_of(SIZE)
        number += 1


def _hash(node: Service, name: str) -> str:
    with Connection(node.port) as client:
        client.send(raw.head("GET", f"/api/files/{name}", node.token))
        answer = client.read_answer()
        assert answer.status == 200, (name, answer)
        return hashlib.sha256(answer.body).hexdigest()
