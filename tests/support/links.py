"""Links as a client of the running service gets and hands them on."""

from __future__ import annotations

import json
from urllib.parse import urlsplit

from tests.support import raw
from tests.support.raw import Connection
from tests.support.service import Service
from tests.support.stored import put


def made(running: Service, name: str, method: str = "GET", **more: object) -> str:
    """The path of a new link."""
    document = json.dumps({"name": name, "method": method, **more}).encode()
    fields = {"Content-Type": "application/json", "Content-Length": str(len(document))}
    with Connection(running.port) as client:
        client.send(raw.head("POST", "/api/links", running.token, fields) + document)
        answer = client.read_answer("POST")
    assert answer.status == 201, answer
    url: str = json.loads(answer.body)["url"]
    return urlsplit(url).path


def shared(running: Service, name: str, data: bytes, content_type: str) -> str:
    """The URL of a link to a file that is stored for it."""
    put(running, {name: (content_type, data)})
    return running.url + made(running, name)
