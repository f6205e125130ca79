"""The URLs of uploads are those that the client of a proxy can use."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.clients.wire import DIALECTS, Dialect
from tests.support.raw import Connection
from tests.support.service import LocalBackend, service


@pytest.mark.parametrize(
    ("trusted", "scheme"), [("127.0.0.1", "https"), ("192.0.2.1", "http")], ids=["proxy", "other"]
)
def test_the_scheme_is_that_of_the_proxy_if_it_is_trusted(
    tmp_path: Path, log: Path, trusted: str, scheme: str
) -> None:
    backend, settings = LocalBackend(tmp_path / "data"), {"FORWARDED_ALLOW_IPS": trusted}
    with service(backend, log, settings=settings) as running:
        for dialect in DIALECTS:
            location = _location(running.port, dialect, running.token)
            assert location.startswith(f"{scheme}://files.example.com:8443/api/uploads/")


def _location(port: int, dialect: Dialect, token: str) -> str:
    head = dialect.creation(token, "name", 5)
    head = head.replace(b"Host: localhost\r\n", b"Host: files.example.com:8443\r\n")
    head = head.replace(b"\r\n\r\n", b"\r\nX-Forwarded-Proto: https\r\n\r\n")
    with Connection(port) as client:
        client.send(head)
        answer = client.read_answer("POST")
    assert answer.status == 201, answer
    return answer.header("location") or ""
