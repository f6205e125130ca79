"""The service with a certificate of its own, and no proxy before it."""

from __future__ import annotations

import contextlib
import http.client
import os
import socket
import ssl
import sys
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.bodies import content
from tests.support.certificates import self_signed
from tests.support.processes import listening
from tests.support.service import ROOT, free_port

PATIENCE = 10.0


@dataclass(frozen=True)
class Https:
    """The service, and what a client trusts it by."""

    port: int
    log: Path
    trust: ssl.SSLContext

    def connect(self) -> http.client.HTTPSConnection:
        return http.client.HTTPSConnection(
            "localhost", self.port, context=self.trust, timeout=PATIENCE
        )


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Https]:
    certificate, key = self_signed(tmp_path)
    port = free_port()
    command = (
        *("env", "--ignore-environment", f"--chdir={tmp_path}", f"PATH={os.environ['PATH']}"),
        *(f"PYTHONPATH={ROOT}", sys.executable, "-m", "file_uploader", "serve"),
        *("-w", "1", "-b", f"127.0.0.1:{port}"),
        *("--certfile", str(certificate), "--keyfile", str(key)),
    )
    log = tmp_path / "service.log"
    with listening(command, log, [port]):
        yield Https(port, log, ssl.create_default_context(cafile=certificate))
    # What Python and uvloop complain of has no time before it.
    said = log.read_text().splitlines()
    assert [line for line in said if not line.startswith("20")] == []


def test_files_come_and_go(served: Https) -> None:
    data, headers = content(3 * 1024 * 1024, 1), {"X-Auth-Token": str(uuid.uuid4())}
    connection = served.connect()
    connection.request("PUT", "/api/files/a", data, headers)
    answer = connection.getresponse()
    assert (answer.status, answer.read()) == (204, b"")
    connection.request("GET", "/api/files/a", headers=headers)
    assert connection.getresponse().read() == data
    connection.close()


def test_who_is_refused_while_sending_gets_the_answer(served: Https) -> None:
    """Which a reset would overtake: the connection ends in order, and by itself."""
    connection = served.connect()
    connection.putrequest("PUT", "/api/files/a")
    connection.putheader("Transfer-Encoding", "gzip, chunked")
    connection.endheaders()
    for _ in range(20):
        connection.send(bytes(64 * 1024))
    answer = connection.getresponse()
    assert (answer.status, answer.getheader("Connection")) == (501, "close")
    assert b"transfer coding" in answer.read()
    connection.close()


def test_who_leaves_without_the_answer_is_let_go(served: Https) -> None:
    """The request and the end of TLS are sent at once, so that no answer can come in between."""
    head = f"PUT /api/files/a HTTP/1.1\r\nHost: a\r\nX-Auth-Token: {uuid.uuid4()}\r\n"
    received, to_send = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = served.trust.wrap_bio(received, to_send, server_hostname="localhost")
    with socket.create_connection(("127.0.0.1", served.port), PATIENCE) as connection:
        while True:
            try:
                tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                connection.sendall(to_send.read())
                received.write(connection.recv(65536))
        tls.write(f"{head}Content-Length: 1\r\n\r\na".encode())
        with contextlib.suppress(ssl.SSLWantReadError):
            tls.unwrap()
        connection.sendall(to_send.read())
        while connection.recv(65536):
            pass
