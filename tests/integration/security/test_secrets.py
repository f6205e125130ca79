"""No token, key or signature is ever in a log, an answer or a command line, whatever goes wrong.

With all logs on, and as much in them as gunicorn can put there.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import urlsplit

import apsw
import pytest

from tests.support import raw
from tests.support.ceph import Ceph
from tests.support.raw import BrokenAnswerError, Connection
from tests.support.rounds import LONG
from tests.support.secrets import command_lines, shown
from tests.support.service import (
    Backend,
    LocalBackend,
    S3Backend,
    Service,
    service,
    start,
    wait_ready,
)
from tests.support.waiting import until

LINK_KEY = "link-key-canary-" + uuid.uuid4().hex
LOUD = {"GUNICORN_CMD_ARGS": "--log-level debug --access-logfile - --capture-output"}
LARGE = b"x" * 100_000


class Talk:
    """Requests, all that came back, and the secrets that were in them."""

    def __init__(self, running: Service, *secrets: str) -> None:
        self.running = running
        self.secrets = {running.token, LINK_KEY, *secrets}
        self.answered = b""
        self.statuses: set[int] = set()

    def __call__(self, request: bytes) -> bytes:
        """Send it and read what comes of it, to the end of the connection or of an answer."""
        with Connection(self.running.port) as client:
            client.send(request)
            method = request.split(b" ", 1)[0].decode("latin-1")
            try:
                answer = client.read_answer(method)
            except BrokenAnswerError as error:
                self.answered += repr(error).encode()
                return b""
        self.statuses.add(answer.status)
        self.answered += repr((answer.reason, answer.headers)).encode() + answer.body + b"\n"
        return answer.body

    def ask(
        self,
        method: str,
        path: str,
        fields: Mapping[str, str] | None = None,
        body: bytes | None = None,
    ) -> bytes:
        """A request with the token."""
        said = dict(fields or {})
        if body is not None:
            said["Content-Length"] = str(len(body))
        return self(raw.head(method, path, self.running.token, said) + (body or b""))

    def link(self, name: str, method: str = "GET") -> str:
        """The path of a new link, whose MAC is a secret from now on; the answer itself is not."""
        document = json.dumps({"name": name, "method": method}).encode()
        before = self.answered
        made = self.ask("POST", "/api/links", {"Content-Type": "application/json"}, document)
        self.answered = before
        path: str = urlsplit(json.loads(made)["url"]).path
        self.secrets.add(path.split("/")[3].split(".")[2])
        return path

    def nothing_is_shown(self) -> None:
        """Look for all secrets wherever somebody could read them."""
        log = self.running.log.read_bytes()
        assert shown(self.secrets, log) == []
        assert shown(self.secrets, self.answered) == []
        if self.running.process.poll() is None:
            assert shown(self.secrets, command_lines(self.running)) == []


def _bad_tokens(token: str) -> list[str]:
    other = str(uuid.uuid4())
    return [
        *(f"{token}0", token[:-1], f"{{{token}}}", f"urn:uuid:{token}", f"Bearer {token}"),
        *(f"{token},{other}", token.replace("-", "_"), f'"{token}"', f"{token}\xa0"),
    ]


def _refusals(talk: Talk) -> None:
    """Every way for a client to be refused, with secrets in what it says."""
    token, link, new = talk.running.token, talk.link("f"), talk.link("f", "PUT")
    for bad in _bad_tokens(token):
        for method, path in (("GET", "/api/files"), ("PUT", "/api/files/f"), ("GET", "/api/none")):
            talk(
                f"{method} {path} HTTP/1.1\r\nHost: h\r\nX-Auth-Token: {bad}\r\n\r\n".encode(
                    "latin-1"
                )
            )
    talk(raw.head("GET", "/api/files", token, {"x-auth-token": token}))
    talk.ask("PUT", "/api/files/f", {"Content-Type": "text/html"}, LARGE)
    for path in ("/api/files/none", "/api/files?limit=x", "/api/files/..", "/api/uploads/x", "/x"):
        for method in ("GET", "HEAD", "POST", "PATCH", "TRACE"):
            talk.ask(method, path)
    talk.ask("GET", "/api/files/f", {"If-Match": '"x"'})
    talk.ask("GET", "/api/files/f", {"Range": "bytes=999999-"})
    talk.ask("GET", "/api/files", {"Accept": "image/png"})
    talk.ask("POST", "/api/links", {"Content-Type": "text/plain"}, b"x")
    talk.ask("POST", "/api/uploads", {"Tus-Resumable": "0.1"})
    talk.ask("PUT", "/api/files/f", {"Content-MD5": "AAAAAAAAAAAAAAAAAAAAAA=="}, b"x")
    for path in (link, new):
        mac = path.split("/")[3]
        for target in (
            *(path, f"{path}?x", f"{path}?download", path.replace("/f", "%2Ff"), path + ".txt"),
            *(
                path.replace("/f", "%2Ff.txt"),
                path.replace(".", "%2E"),
                path[:-2],
                f"http://h{path}",
            ),
            *(path.replace("/", "%2f"), f"/api/links/{mac[2:]}/f", f"/api/files/{path[1:]}"),
            *(f"/api/files?prefix={path}", f"/{path}", path.replace("1.", "2."), path + "%zz"),
        ):
            for method in ("GET", "PUT", "DELETE", "HEAD"):
                fields = {"Referer": f"http://localhost{path}", "Content-Length": "1"}
                talk(raw.head(method, target, None, fields) + b"x")
    # What the server itself refuses.
    head = f"Host: h\r\nX-Auth-Token: {token}\r\n"
    for request in (
        *(
            f"GET {link} HTTP/9.9\r\n{head}\r\n",
            f"GET {link}\r\n\r\n",
            f"get {link} HTTP/1.1\r\n\r\n",
        ),
        *(f"GET {link} HTTP/1.1\r\n{head}X-Auth-Token : {token}\r\n\r\n",),
        *(f"GET {link} HTTP/1.1\r\n{head}X-Auth-Token\r\n\r\n",),
        *(f"GET {link} HTTP/1.1\r\n{head}Content-Length: x\r\n\r\n",),
        *(f"GET {link} HTTP/1.1\r\n{head}X: {'y' * 9000}\r\n\r\n",),
        *(f"GET {link}{'y' * 9000} HTTP/1.1\r\n{head}\r\n",),
        *(f"PUT {new} HTTP/1.1\r\n{head}Transfer-Encoding: gzip, chunked\r\n\r\n",),
        *(f"PUT {new} HTTP/1.1\r\n{head}Transfer-Encoding: chunked\r\n\r\nzz\r\n",),
        *(f"GET {link} HTTP/1.1\r\n{head}Upgrade: websocket\r\nConnection: upgrade\r\n\r\n",),
        *(f"GET {link} HTTP/1.1\r\n{head}Content-Length: {'9' * 5000}\r\n\r\n",),
    ):
        talk(request.encode())
    for begun in (
        f"PUT {new} HTTP/1.1\r\n{head}Content-Length: 9\r\n\r\ncut",
        f"GET {link} HTTP/1.1\r\n",
    ):
        with Connection(talk.running.port) as client:
            client.send(begun.encode())
            client.reset()


def test_of_refused_requests(backend: Backend, log: Path) -> None:
    settings = {**LOUD, "LINK_KEYS": LINK_KEY}
    with service(backend, log, workers=2, settings=settings) as running:
        talk = Talk(running, *_credentials(backend))
        _refusals(talk)
        assert talk.statuses >= {200, 400, 401, 403, 404, 405, 406, 412, 414, 415, 416, 431}
        talk.nothing_is_shown()
        running.stop()
        talk.nothing_is_shown()
    said = log.read_text()
    # As much was said as can be: by the access log, gunicorn's own, and at the level debug.
    assert "GET /api/files/none HTTP/1.1" in said
    assert re.search(r" debug: GET /api/links/1\.[\w-]{46}\.\*\*\*/f$", said, re.MULTILINE)
    assert "Referer" not in said
    assert re.search(r'"http://localhost/api/links/1\.[\w-]{46}\.\*\*\*/f"', said)


def _credentials(backend: Backend) -> list[str]:
    if not isinstance(backend, S3Backend):
        return []
    return [backend.server.secret_key]


@pytest.fixture
def broken(tmp_path: Path, log: Path) -> Iterator[Talk]:
    """A service in whose index the row of one file is damaged, which nobody foresaw."""
    backend = LocalBackend(tmp_path / "data")
    with service(backend, log, settings={**LOUD, "LINK_KEYS": LINK_KEY}) as running:
        talk = Talk(running)
        for name in ("f", "g"):
            talk.ask("PUT", f"/api/files/{name}", {"X-Object-Meta-A": name}, LARGE)
        with apsw.Connection(str(tmp_path / "data" / "index.db")) as index:
            damage = """UPDATE files SET metadata = replace(metadata, '"f"', '"\\ud800"')"""
            index.execute(f"{damage} WHERE name = 'f'")
        yield talk


def test_of_failures_that_nobody_foresaw(broken: Talk) -> None:
    """Their tracebacks are in the log, and name no request's secret."""
    link = broken.link("f")
    for method in ("GET", "HEAD"):
        broken.ask(method, "/api/files/f", {"If-Match": "*"}, None)
        broken(raw.head(method, link, broken.running.token, {"Content-Length": "1"}) + b"x")
    assert broken.statuses == {201, 204, 500}
    said = broken.running.log.read_text()
    assert said.count("Traceback") == 4
    assert re.search(r" error: HEAD /api/files/f failed \[request [0-9a-f]{32}\]\n", said)
    assert re.search(r" error: GET /api/links/1\.[\w-]{46}\.\*\*\*/f failed \[request ", said)
    assert b"Traceback" not in broken.answered
    assert str(broken.running.log.parent).encode() not in broken.answered
    broken.nothing_is_shown()


@pytest.mark.parametrize(
    "number", [signal.SIGABRT, *([signal.SIGKILL, signal.SIGSEGV] if LONG else [])]
)
def test_of_a_worker_that_dies(number: int, tmp_path: Path, log: Path) -> None:
    """In the middle of a request, with its secrets in memory."""
    backend = LocalBackend(tmp_path / "data")
    with service(backend, log, settings={**LOUD, "LINK_KEYS": LINK_KEY}) as running:
        talk = Talk(running)
        path = talk.link("f", "PUT")
        (worker,) = running.workers()
        with Connection(running.port) as client:
            fields = {"Content-Length": "100000"}
            client.send(raw.head("PUT", path, running.token, fields) + b"begin")
            os.kill(worker, number)
            client.end()
        until(lambda: running.workers() not in ([], [worker]), "another worker")
        wait_ready(running)
        talk.nothing_is_shown()
    assert core_files(tmp_path) == []


def core_files(directory: Path) -> list[Path]:
    """Images of a process's memory, in which secrets would be."""
    return [path for path in directory.rglob("*") if path.name.startswith("core")]


def _user(ceph_node: Ceph, *options: str) -> None:
    command = ["radosgw-admin", "--conf", str(ceph_node.config), *options]
    subprocess.run(command, check=True, capture_output=True)


def test_of_an_object_store_that_refuses(
    ceph_node: Ceph, ceph_backend: S3Backend, tmp_path: Path
) -> None:
    """Ceph says in its own words why: its messages and its error codes get nowhere."""
    log, secret = tmp_path / "service.log", uuid.uuid4().hex + uuid.uuid4().hex
    _user(ceph_node, "key", "create", f"--uid={ceph_backend.server.access_key}",
          f"--access-key=key{secret[:20]}", f"--secret={secret}")  # fmt: skip
    settings = {
        **LOUD,
        "LINK_KEYS": LINK_KEY,
        "AWS_ACCESS_KEY_ID": f"key{secret[:20]}",
        "AWS_SECRET_ACCESS_KEY": secret,
        "DIRECT_DOWNLOADS": "true",
    }
    with service(ceph_backend, log, settings=settings) as running:
        talk = Talk(running, secret)
        talk.ask("PUT", "/api/files/f", {}, LARGE)
        link = talk.link("f")
        before = talk.answered
        signed = talk(raw.head("GET", f"{link}?download"))
        del signed
        location = talk.answered.removeprefix(before)
        found = re.search(rb"X-Amz-Signature=([0-9a-f]{64})", location)
        assert found is not None
        talk.secrets.add(found[1].decode())
        talk.answered = before  # it is for whoever has the link
        _user(ceph_node, "key", "rm", f"--access-key=key{secret[:20]}", "--key-type=s3")
        for method, path in (
            *(("GET", "/api/files/f"), ("HEAD", "/api/files/f"), ("PUT", "/api/files/f")),
            *(("GET", "/api/files"), ("DELETE", "/api/files/f"), ("GET", "/api/uploads")),
            *(("GET", "/ready"), ("GET", link)),
        ):
            talk.ask(method, path, {}, b"x" if method == "PUT" else None)
        talk.ask("PUT", "/api/files/g", {"Upload-Complete": "?0"}, b"x")
        assert 502 in talk.statuses
        talk.secrets |= {f"key{secret[:20]}", ceph_backend.bucket}
        assert shown(talk.secrets, talk.answered) == []
        assert not re.search(rb"tx[0-9a-f]{15}|AccessKey|HostId", talk.answered)
        talk.secrets -= {f"key{secret[:20]}", ceph_backend.bucket}
        talk.nothing_is_shown()
        assert re.search(r"S3 \w+ failed: \w+ \(403\)", log.read_text())
        # Whoever starts now is told in a line.
        other = tmp_path / "other.log"
        again = start(ceph_backend, other, settings=settings)
        try:
            assert again.process.wait(30) != 0
        finally:
            again.kill()
        assert b"file-uploader: AWS_ACCESS_KEY_ID: the object store does" in other.read_bytes()
        assert shown(talk.secrets, other.read_bytes()) == []


CANARY = "canary" + uuid.uuid4().hex
BAD_STARTS: dict[str, dict[str, str]] = {
    "a short key of links": {"LINK_KEYS": CANARY[:31]},
    "one of several keys": {"LINK_KEYS": f"{LINK_KEY},{CANARY[:20]}"},
    "half of a pair": {"BUCKET": "b", "AWS_SECRET_ACCESS_KEY": CANARY},
    "a size beside it": {"LINK_KEYS": LINK_KEY, "MAX_FILE_SIZE": "x"},
    "a boolean": {"LINK_KEYS": LINK_KEY, "DIRECT_DOWNLOADS": "perhaps"},
    "no such bucket": {"BUCKET": "no-such-bucket"},
    "a wrong secret": {"AWS_SECRET_ACCESS_KEY": CANARY},
    "a wrong key": {"AWS_ACCESS_KEY_ID": CANARY},
    "a wrong token": {"AWS_SESSION_TOKEN": CANARY},
    "a token with a line's end": {"AWS_SESSION_TOKEN": f"{CANARY}\nX-Injected: yes"},
    "a key with a line's end": {"AWS_ACCESS_KEY_ID": f"{CANARY}\r\nX-Injected: yes"},
    "a key of other letters": {"AWS_ACCESS_KEY_ID": f"{CANARY}\u20ac"},
    "a secret of other letters": {"AWS_SECRET_ACCESS_KEY": f"{CANARY}\u20ac"},
    "no profile": {"AWS_PROFILE": "none"},
    "a place with a password": {"AWS_ENDPOINT_URL_S3": f"http://user:{CANARY}@127.0.0.1:1"},
    "no place": {"AWS_ENDPOINT_URL_S3": f"nonsense:{CANARY}"},
    "a directory that cannot be": {"BUCKET": "", "DATA_DIR": "/dev/null/x", "LINK_KEYS": LINK_KEY},
}


# Each takes a start; the few are those whose messages were made of what they are about.
_FEW = [
    *("a short key of links", "half of a pair", "a wrong secret", "a key of other letters"),
    *("a token with a line's end", "a place with a password"),
]


@pytest.mark.parametrize("case", BAD_STARTS if LONG else _FEW)
def test_of_settings_that_cannot_work(case: str, ceph_backend: S3Backend, log: Path) -> None:
    """Whether it stops the start or is found out later."""
    settings = {**LOUD, **BAD_STARTS[case]}
    running = start(ceph_backend, log, settings=settings)
    secrets = [CANARY, CANARY[:20], LINK_KEY, ceph_backend.server.secret_key]
    try:
        until(
            lambda: running.process.poll() is not None or b"Booting worker" in log.read_bytes(),
            "a start or its end",
            30,
        )
        if running.process.poll() is None:
            wait_ready(running)
            assert shown(secrets, command_lines(running)) == []
            talk = Talk(running)
            talk.ask("GET", "/ready")
            assert shown(secrets, talk.answered) == []
            running.stop()
    finally:
        if running.process.poll() is None:
            running.kill()
    assert shown(secrets, log.read_bytes()) == []
