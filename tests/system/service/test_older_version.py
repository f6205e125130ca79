"""What an older version has stored is served, and what it has begun is finished, by this one.

The older one is taken from the repository's history, and killed while an append is under way.
"""

from __future__ import annotations

import io
import subprocess
import tarfile
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote, urlsplit

import pytest

from tests.integration.service.clients.wire import IETF, TUS, Dialect, append, create, listed, look
from tests.support import raw, stored
from tests.support.bodies import content
from tests.support.command import command
from tests.support.links import made
from tests.support.raw import Answer, Connection
from tests.support.service import ROOT, Backend, Service, service, start, wait_ready
from tests.support.waiting import until

OLDER = "3556a81fffbb"
"""A commit that has files, links, and uploads in both protocols."""

MIB = 2**20
FILES = {
    "empty": b"",
    "small": content(100, "small"),
    "a folder/Ä%#? b.txt": content(100_000, "named"),
    "large": content(20 * MIB, "large"),
}
KEPT = {"Content-Type": "text/x-old", "X-Object-Meta-Colour": "blue", "Content-Language": "de"}
SENT = 9 * MIB + 321
"""Bytes of each upload that the older version has acknowledged."""
LENGTH = 14 * MIB
DATA = content(LENGTH, "upload")


@dataclass
class Left:
    """What the older version leaves, as its client knows it: ETags by name, and paths."""

    etags: dict[str, str | None] = field(default_factory=dict)
    readable: str = ""
    writable: str = ""
    uploads: dict[str, tuple[Dialect, str]] = field(default_factory=dict)
    parts: list[str] = field(default_factory=list)


@pytest.fixture(scope="module")
def older(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The older version, as a checkout has it."""
    archived = subprocess.run(["git", "archive", OLDER], cwd=ROOT, capture_output=True, check=False)
    if archived.returncode:
        pytest.skip("needs the history of the repository")
    tree = tmp_path_factory.mktemp("older")
    with tarfile.open(fileobj=io.BytesIO(archived.stdout)) as archive:
        archive.extractall(tree, filter="data")
    return tree


@pytest.fixture
def left(older: Path, backend: Backend, tmp_path: Path, token: str) -> Left:
    """Have the older version store and begin everything, and kill it."""
    running = start(backend, tmp_path / "older.log", workers=2, tree=older)
    running.token = token
    try:
        wait_ready(running)
        with Connection(running.port, 60) as client, Connection(running.port, 60) as hanging:
            left = _left_by(running, client)
            _hang(hanging, client, left, token)
    finally:
        running.kill()
    return left


@pytest.fixture
def token() -> str:
    """The client's."""
    return "8c0f3a52-6d0c-4a39-9f4d-2f4a5a3c7d11"


@pytest.mark.soak
def test_everything_is_there_and_goes_on(
    left: Left, backend: Backend, tmp_path: Path, token: str
) -> None:
    with service(backend, tmp_path / "log", workers=2) as running:
        running.token = token
        with Connection(running.port, 60) as client:
            for name, data in FILES.items():
                answer = _ask(client, "GET", f"/api/files/{quote(name)}", token)
                assert (answer.status, answer.body) == (200, data), name
                assert answer.header("etag") == left.etags[name]
                assert {key: answer.header(key) for key in KEPT} == KEPT
            assert _ask(client, "GET", left.readable).body == FILES["small"]
            assert _ask(client, "PUT", left.writable, body=b"by a link").status == 204
            for name, (dialect, path) in left.uploads.items():
                _finish(client, running, name, dialect, path)
            _join(client, running, left.parts)
        names = [*FILES, *left.uploads, "by-link", "joined"]
        assert sorted(stored.listed(running)) == sorted(names)
    for pass_over in ("sweep", "verify"):
        done = command(pass_over, settings=backend.settings, cwd=tmp_path)
        assert done.status == 0, done


def _left_by(running: Service, client: Connection) -> Left:
    token, left = running.token, Left()
    for name, data in FILES.items():
        answer = _ask(client, "PUT", f"/api/files/{quote(name)}", token, KEPT, data)
        assert answer.status == 204, answer
        left.etags[name] = answer.header("etag")
    left.readable = made(running, "small")
    left.writable = made(running, "by-link", "PUT")
    for dialect in (TUS, IETF):
        for name, sent in (("begun", 0), ("broken-off", SENT), ("arrived", LENGTH)):
            path = create(client, dialect, token, f"{dialect.name}-{name}", LENGTH)
            left.uploads[f"{dialect.name}-{name}"] = dialect, path
            if sent:
                last = sent == LENGTH
                answer = append(client, dialect, token, path, 0, DATA[:sent], last=last)
                assert 200 <= answer.status < 300, answer
    left.uploads["endless"] = TUS, _created(client, token, "endless", {"Upload-Defer-Length": "1"})
    answer = append(client, TUS, token, left.uploads["endless"][1], 0, DATA[:SENT], last=False)
    assert answer.status == 204, answer
    for part in (DATA[:SENT], DATA[SENT:]):
        fields = {"Upload-Concat": "partial", "Upload-Length": str(len(part))}
        left.parts.append(_created(client, token, None, fields))
    answer = append(client, TUS, token, left.parts[0], 0, DATA[:SENT], last=True)
    assert answer.status == 204, answer
    return left


def _hang(hanging: Connection, client: Connection, left: Left, token: str) -> None:
    """Send a part of an append, and wait until some of it is acknowledged."""
    path = create(client, TUS, token, "hanging", LENGTH)
    left.uploads["hanging"] = TUS, path
    hanging.send(TUS.append(token, path, 0, LENGTH, last=True) + DATA[:SENT])
    until(lambda: _offsets(client, token)["hanging"] == SENT, "it is acknowledged", 20)


def _offsets(client: Connection, token: str) -> dict[str, int]:
    return {upload["name"]: upload["offset"] for upload in listed(client, token)}


def _finish(client: Connection, running: Service, name: str, dialect: Dialect, path: str) -> None:
    token = running.token
    offset = look(client, dialect, token, path)
    if name.endswith(("broken-off", "endless", "hanging")):
        assert offset == SENT
    if name == "endless":
        fields = {"Upload-Length": str(LENGTH), "Upload-Offset": str(offset)}
        more = {"Tus-Resumable": "1.0.0", "Content-Type": "application/offset+octet-stream"}
        answer = _ask(client, "PATCH", path, token, {**fields, **more}, DATA[offset:])
        assert answer.status == 204, answer
    elif offset < LENGTH:
        answer = append(client, dialect, token, path, offset, DATA[offset:], last=True)
        assert 200 <= answer.status < 300, answer
    assert _ask(client, "GET", f"/api/files/{name}", token).body == DATA, name


def _join(client: Connection, running: Service, parts: list[str]) -> None:
    token = running.token
    assert look(client, TUS, token, parts[0]) == SENT
    answer = append(client, TUS, token, parts[1], 0, DATA[SENT:], last=True)
    assert answer.status == 204, answer
    _created(client, token, "joined", {"Upload-Concat": f"final;{' '.join(parts)}"})
    assert _ask(client, "GET", "/api/files/joined", token).body == DATA


def _created(client: Connection, token: str, name: str | None, fields: Mapping[str, str]) -> str:
    """Create a tus upload, and return its path."""
    said = {"Tus-Resumable": "1.0.0", "Content-Length": "0", **fields}
    if name is not None:
        said["Upload-Metadata"] = f"filename {b64encode(name.encode()).decode()}"
    client.send(raw.head("POST", "/api/uploads", token, said))
    answer = client.read_answer("POST")
    assert answer.status == 201, answer
    return urlsplit(answer.header("location") or "").path


def _ask(
    client: Connection,
    method: str,
    path: str,
    token: str | None = None,
    fields: Mapping[str, str] | None = None,
    body: bytes = b"",
) -> Answer:
    said = {**(fields or {})}
    if method in ("PUT", "PATCH"):
        said["Content-Length"] = str(len(body))
    client.send(raw.head(method, path, token, said) + body)
    return client.read_answer(method)
