"""What a client of the running service has stored: put there, and looked at, beside the test."""

from __future__ import annotations

import json
from collections.abc import Mapping
from urllib.parse import quote

from tests.support import raw
from tests.support.raw import Connection
from tests.support.service import Service

TEXT = "text/plain"


def put(running: Service, files: Mapping[str, tuple[str, bytes]]) -> None:
    """Store files: type and content by name."""
    with Connection(running.port) as client:
        for name, (media_type, data) in files.items():
            fields = {"Content-Type": media_type, "Content-Length": str(len(data))}
            path = f"/api/files/{quote(name)}"
            client.send(raw.head("PUT", path, running.token, fields) + data)
            answer = client.read_answer("PUT")
            assert answer.status == 204, answer


def begin(running: Service, name: str, data: bytes, length: int) -> None:
    """Upload the beginning of a file, as another client would."""
    fields = {
        "Content-Length": str(len(data)),
        "Upload-Complete": "?0",
        "Upload-Length": str(length),
    }
    with Connection(running.port) as client:
        path = f"/api/files/{quote(name)}"
        client.send(raw.head("PUT", path, running.token, fields) + data)
        answer = client.read_answer("PUT")
    assert answer.status == 201, answer


def listed(running: Service) -> list[str]:
    """The names of all files."""
    names: list[str] = json.loads(_get(running, "/api/files"))
    return names


def unfinished(running: Service) -> list[str]:
    """The names of all uploads that are not finished."""
    return [upload["name"] for upload in json.loads(_get(running, "/api/uploads"))]


def read(running: Service, name: str) -> bytes:
    """The content of a file."""
    return _get(running, f"/api/files/{quote(name)}")


def _get(running: Service, path: str) -> bytes:
    with Connection(running.port) as client:
        client.send(raw.head("GET", path, running.token))
        answer = client.read_answer("GET")
    assert answer.status == 200, answer
    return answer.body
