"""Schemathesis against a running service, and what the service answered."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from email.message import Message
from pathlib import Path

from file_uploader.http.pages.contract import WRITTEN
from tests.support.service import ROOT, Service

CONFIG = Path(__file__).with_name("schemathesis.toml")
LINKED = "linked.txt"
METRICS_TOKEN = "0123456789abcdef"
UPLOADS = 60
"""Open uploads that are there at the start: some are finished or forgotten on the way."""


@dataclass(frozen=True)
class Exchange:
    """A request to an operation (``PUT /api/files/{name}``), with its answer.

    ``headers`` are the names of those of the answer, in lower case.
    """

    operation: str
    status: int
    headers: frozenset[str]


@dataclass(frozen=True)
class Attack:
    """One run that has ended."""

    status: int
    output: str
    report: Path

    def exchanges(self) -> Iterator[Exchange]:
        """Every request that was answered."""
        for line in self.report.read_text(encoding="utf-8").splitlines():
            recorder = json.loads(line).get("ScenarioFinished", {}).get("recorder", {})
            for case_id, interaction in recorder.get("interactions", {}).items():
                case, answer = recorder["cases"][case_id]["value"], interaction["response"]
                if answer is not None:
                    label = f"{case['method']} {case['path']}"
                    status, headers = answer["status_code"], frozenset(answer["headers"])
                    yield Exchange(label, status, headers)


def attack(running: Service, directory: Path, *, examples: int, seed: int) -> Attack:
    """Run all phases with all checks, with so many examples for each operation."""
    directory.mkdir()
    known = _furnish(running, directory)
    shutil.copy(CONFIG, directory)
    report = directory / "report.ndjson"
    done = subprocess.run(
        [
            *(sys.executable, "-m", "schemathesis.cli", "run", str(WRITTEN)),
            *("--url", running.url, "--seed", str(seed), "--max-examples", str(examples)),
            *("--report", "ndjson", "--report-ndjson-path", str(report), "--no-color"),
        ],
        cwd=directory,
        env={
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(ROOT),
            "TOKEN": running.token,
            "METRICS_TOKEN": METRICS_TOKEN,
            **known,
        },
        capture_output=True,
        text=True,
        check=False,
    )
    return Attack(done.returncode, done.stdout + done.stderr, report)


def _furnish(running: Service, directory: Path) -> dict[str, str]:
    """Store files, make links and begin uploads, and return what the hooks have to know of them."""
    for name in (LINKED, "2026/photo.jpg"):
        assert _ask(running, "PUT", f"/api/files/{name}", {}, b"hello world").status == 204
    to_read = _link(running, {"name": LINKED})
    to_store = _link(running, {"name": LINKED, "method": "PUT", "overwrite": True})
    headers = {"Tus-Resumable": "1.0.0", "Upload-Metadata": "name YQ==", "Upload-Length": "11"}
    ids = [
        _ask(running, "POST", "/api/uploads", headers).headers["location"].rpartition("/")[2]
        for _ in range(UPLOADS)
    ]
    for name, values in {
        "links_to_read": [to_read],
        "links_to_store": [to_store],
        "uploads": ids,
    }.items():
        quoted = "".join(f'"{value}"\n' for value in values)
        (directory / f"{name}.txt").write_text(quoted, encoding="utf-8")
    return {
        "LINKED": LINKED,
        "LINK_TO_READ": to_read,
        "LINK_TO_STORE": to_store,
        "UPLOADS": " ".join(ids),
    }


def _link(running: Service, document: Mapping[str, object]) -> str:
    headers = {"Content-Type": "application/json"}
    made = _ask(running, "POST", "/api/links", headers, json.dumps(document).encode())
    url: str = json.loads(made.body)["url"]
    return url.split("/")[5]


@dataclass(frozen=True)
class _Answer:
    status: int
    headers: Message
    body: bytes


def _ask(
    running: Service, method: str, path: str, headers: Mapping[str, str], body: bytes | None = None
) -> _Answer:
    connection = http.client.HTTPConnection("127.0.0.1", running.port, timeout=60)
    try:
        connection.request(method, path, body, {"X-Auth-Token": running.token, **headers})
        answer = connection.getresponse()
        return _Answer(answer.status, answer.headers, answer.read())
    finally:
        connection.close()
