"""Both protocols on bare connections: a test says when each byte goes, and to which worker."""

from __future__ import annotations

import contextlib
import json
import os
import signal
from base64 import b64encode
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any, Protocol
from urllib.parse import urlsplit

from tests.support import raw
from tests.support.raw import Answer, Connection
from tests.support.service import Service

NOTHING: Mapping[str, str] = MappingProxyType({})


class Dialect(Protocol):
    """How a protocol says what both of them mean: heads of requests, as bytes."""

    name: str

    def creation(
        self, token: str, name: str, length: int, kept: Mapping[str, str] = NOTHING
    ) -> bytes:
        """Begin an upload of ``length`` bytes, without any of them, with headers that are kept."""
        ...

    def append(self, token: str, path: str, offset: int, size: int, *, last: bool) -> bytes:
        """Append ``size`` bytes at ``offset``; with ``last``, they are the upload's last."""
        ...

    def look(self, token: str, path: str) -> bytes:
        """Ask for the offset."""
        ...


class Tus:
    """tus 1.0.0."""

    name = "tus"

    def creation(
        self, token: str, name: str, length: int, kept: Mapping[str, str] = NOTHING
    ) -> bytes:
        metadata = f"filename {b64encode(name.encode()).decode()}"
        fields = {"Upload-Length": str(length), "Upload-Metadata": metadata, "Content-Length": "0"}
        return self._head("POST", "/api/uploads", token, {**fields, **kept})

    def append(self, token: str, path: str, offset: int, size: int, *, last: bool) -> bytes:
        fields = {
            "Upload-Offset": str(offset),
            "Content-Length": str(size),
            "Content-Type": "application/offset+octet-stream",
        }
        return self._head("PATCH", path, token, fields)

    def look(self, token: str, path: str) -> bytes:
        return self._head("HEAD", path, token, {})

    def _head(self, method: str, path: str, token: str, fields: dict[str, str]) -> bytes:
        return raw.head(method, path, token, {"Tus-Resumable": "1.0.0", **fields})


class Ietf:
    """draft-ietf-httpbis-resumable-upload-11."""

    name = "ietf"

    def creation(
        self, token: str, name: str, length: int, kept: Mapping[str, str] = NOTHING
    ) -> bytes:
        fields = {"Upload-Complete": "?0", "Upload-Length": str(length), "Content-Length": "0"}
        return self._head("PUT", f"/api/files/{name}", token, {**fields, **kept})

    def append(self, token: str, path: str, offset: int, size: int, *, last: bool) -> bytes:
        fields = {
            "Upload-Offset": str(offset),
            "Upload-Complete": "?1" if last else "?0",
            "Content-Length": str(size),
            "Content-Type": "application/partial-upload",
        }
        return self._head("PATCH", path, token, fields)

    def look(self, token: str, path: str) -> bytes:
        return self._head("HEAD", path, token, {})

    def _head(self, method: str, path: str, token: str, fields: dict[str, str]) -> bytes:
        return raw.head(method, path, token, {"Upload-Draft-Interop-Version": "8", **fields})


TUS, IETF = Tus(), Ietf()
DIALECTS: list[Dialect] = [TUS, IETF]


def create(client: Connection, dialect: Dialect, token: str, name: str, length: int) -> str:
    """Begin an upload and return its path."""
    client.send(dialect.creation(token, name, length))
    answer = client.read_answer("POST")
    assert answer.status == 201, answer
    location = answer.header("location")
    assert location is not None, answer
    return urlsplit(location).path


def append(
    client: Connection,
    dialect: Dialect,
    token: str,
    path: str,
    offset: int,
    data: bytes,
    *,
    last: bool,
) -> Answer:
    """Append all of ``data`` and return the answer."""
    client.send(dialect.append(token, path, offset, len(data), last=last) + data)
    return client.read_answer("PATCH")


def look(client: Connection, dialect: Dialect, token: str, path: str) -> int:
    """Ask for the offset, which ends an append that is under way."""
    client.send(dialect.look(token, path))
    answer = client.read_answer("HEAD")
    assert answer.status in (200, 204), answer
    return offset_of(answer)


def offset_of(answer: Answer) -> int:
    """The offset that the answer acknowledges."""
    offset = answer.header("upload-offset")
    assert offset is not None, answer
    return int(offset)


def listed(client: Connection, token: str) -> list[dict[str, Any]]:
    """The client's unfinished uploads; asking for them disturbs nobody."""
    client.send(raw.head("GET", "/api/uploads", token))
    answer = client.read_answer()
    assert answer.status == 200, answer
    uploads: list[dict[str, Any]] = json.loads(answer.body)
    return uploads


def connected(running: Service, worker: int, patience: float = 30.0) -> Connection:
    """A connection to the worker with this process id: the others are stopped until it is made."""
    with _stopped([pid for pid in running.workers() if pid != worker]):
        client = Connection(running.port, patience)
        client.send(raw.head("GET", "/health"))
        assert client.read_answer().status == 200
    return client


@contextlib.contextmanager
def _stopped(pids: list[int]) -> Iterator[None]:
    try:
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)
