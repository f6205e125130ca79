"""Behind the proxies of ``deploy/``: nothing is kept there, changed there or repeated there."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import os
import re
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from urllib.parse import quote, urlsplit

import pytest

from tests.integration.service.clients.wire import (
    DIALECTS,
    TUS,
    Dialect,
    append,
    create,
    listed,
    look,
    offset_of,
)
from tests.support import proxies, raw, streams
from tests.support.bodies import content
from tests.support.names import TRAPS
from tests.support.proxies import Proxy
from tests.support.raw import Answer, BrokenAnswerError, Connection
from tests.support.s3_servers import S3Server
from tests.support.service import LocalBackend, S3Backend, Service, peak_of, service
from tests.support.waiting import until
from tests.support.witness import fetch, store

MIB = 2**20
GIB = 2**30
KEPT = 48 * MIB
"""The most that a proxy's memory may grow by, whatever goes through it."""
WRITTEN = MIB
"""The most that it may write to files meanwhile: its log."""

Starter = Callable[[Sequence[int]], contextlib.AbstractContextManager[Proxy]]


@pytest.fixture(scope="module", params=proxies.NAMES)
def starter(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Starter:
    """Starts one of the proxies. Skips where it is not installed, but fails if ``CI`` is set."""
    name: str = request.param
    program = proxies.program(name)
    if program is None:
        message = f"needs {name}: {proxies.INSTALL[name]}"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(message)

    def start(nodes: Sequence[int]) -> contextlib.AbstractContextManager[Proxy]:
        assert program is not None
        return proxies.proxy(name, program, tmp_path_factory.mktemp(name) / "proxy", nodes)

    return start


@pytest.fixture(scope="module")
def backend(tmp_path_factory: pytest.TempPathFactory) -> LocalBackend:
    return LocalBackend(tmp_path_factory.mktemp("proxied") / "data")


@pytest.fixture(scope="module")
def direct(backend: LocalBackend) -> Iterator[Service]:
    """The service as the proxy sees it."""
    log = backend.directory.parent / "service.log"
    settings = {"INTERIM_RESPONSES": "false", "IDLE_TIMEOUT": "5s", "ROOT_PATH": "/below"}
    with service(backend, log, workers=2, settings=settings) as running:
        yield running
    said = log.read_text()
    assert "Traceback" not in said, said[-5000:]


@pytest.fixture(scope="module")
def proxy(starter: Starter, direct: Service) -> Iterator[Proxy]:
    with starter([direct.port]) as running:
        until(lambda: _health(running.port) == 200, "the proxy takes the node for healthy")
        yield running


@pytest.fixture
def proxied(proxy: Proxy, direct: Service) -> Service:
    """The service as clients see it."""
    return dataclasses.replace(direct, port=proxy.port)


def _health(port: int) -> int:
    with Connection(port) as client:
        client.send(raw.head("GET", "/health"))
        return client.read_answer().status


def _stored(backend: LocalBackend) -> int:
    """Bytes that the store has on disk."""
    return sum(Path(path).stat().st_size for path in backend.leftovers())


@contextlib.contextmanager
def _nothing_is_kept(proxy: Proxy) -> Iterator[None]:
    """Whatever goes through in this block stays in neither the proxy's memory nor its files."""
    written = proxy.written()
    with peak_of(proxy.memory) as peak:
        before = peak.bytes
        yield
    grown, kept = peak.bytes - before, proxy.written() - written
    print(f"{proxy.name}: {before / MIB:.0f} MiB of memory and {grown / MIB:.1f}; {kept} B written")
    assert grown < KEPT
    assert kept < WRITTEN


@pytest.mark.alone
@pytest.mark.parametrize(
    ("size", "chunked"), [(GIB, False), (256 * MIB, True)], ids=["content-length", "chunked"]
)
def test_a_large_file_reaches_the_service_while_it_is_sent(
    proxied: Service, proxy: Proxy, backend: LocalBackend, size: int, *, chunked: bool
) -> None:
    before, digest = _stored(backend), hashlib.sha256()
    framing = {"Transfer-Encoding": "chunked"} if chunked else {"Content-Length": str(size)}
    with _nothing_is_kept(proxy), Connection(proxy.port, 60) as client:
        client.send(raw.head("PUT", "/api/files/large", proxied.token, framing))
        sent = 0
        for block in streams.blocks(size):
            client.send(raw.chunk(block) if chunked else block)
            digest.update(block)
            sent += len(block)
            if sent == size // 2:
                until(lambda: _stored(backend) - before > size // 2 - 32 * MIB, "half is there")
        client.send(raw.chunk(b"") if chunked else b"")
        assert client.read_answer("PUT").status == 204
    with _nothing_is_kept(proxy):
        assert streams.get_sha256(proxied, "large") == digest.hexdigest()
    assert streams.delete(proxied, "large") == 204


def test_a_client_that_reads_slowly_is_waited_for(
    proxied: Service, proxy: Proxy, direct: Service
) -> None:
    assert streams.put(direct, "unread", 256 * MIB).status == 204
    with _nothing_is_kept(proxy), Connection(proxy.port, 60, window=256 * 1024) as client:
        client.send(raw.head("GET", "/api/files/unread", proxied.token))
        assert client.read_interim() == 200
        first = client.read_body(MIB)
        time.sleep(1)
        rest = client.read_body(255 * MIB)
    assert hashlib.sha256(first + rest).hexdigest() == streams.sha256_of(256 * MIB)
    assert streams.delete(direct, "unread") == 204


def test_heads_ranges_and_many_requests_on_one_connection(proxied: Service) -> None:
    data = content(3 * MIB, "ranges")
    store(proxied, "ranges", data)
    with Connection(proxied.port) as client:
        for first, last in ((0, 0), (1, MIB), (2 * MIB, 3 * MIB - 1)):
            fields = {"Range": f"bytes={first}-{last}"}
            client.send(raw.head("GET", "/api/files/ranges", proxied.token, fields))
            answer = client.read_answer()
            assert (answer.status, answer.body) == (206, data[first : last + 1])
        client.send(raw.head("HEAD", "/api/files/ranges", proxied.token))
        answer = client.read_answer("HEAD")
        assert answer.header("content-length") == str(len(data))
        fields = {"If-None-Match": answer.header("etag") or ""}
        client.send(raw.head("GET", "/api/files/ranges", proxied.token, fields))
        assert client.read_answer().status == 304
    assert fetch(proxied, "ranges") == data


def test_names_and_kept_headers_arrive_as_they_were_sent(proxied: Service, direct: Service) -> None:
    fields = {"Content-Length": "1", "X-Object-Meta-a_b": "v" * 1024}
    for name in (*TRAPS, "slashes/at/the/end"):
        with Connection(proxied.port) as client:
            target = f"/api/files/{quote(name, safe='/')}"
            client.send(raw.head("PUT", target, proxied.token, fields) + b"x")
            assert client.read_answer("PUT").status == 204, name
    with Connection(direct.port) as client:
        client.send(raw.head("GET", "/api/files", proxied.token))
        assert {*TRAPS} <= set(json.loads(client.read_answer().body))
    with Connection(proxied.port) as client:
        client.send(raw.head("HEAD", f"/api/files/{quote(TRAPS[0])}", proxied.token))
        assert client.read_answer("HEAD").header("x-object-meta-a_b") == "v" * 1024


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.name)
def test_an_upload_goes_on_after_a_cut(proxied: Service, dialect: Dialect) -> None:
    data, name, token = content(8 * MIB, dialect.name), f"cut/{dialect.name}", proxied.token
    with Connection(proxied.port) as client:
        path = create(client, dialect, token, name, len(data))
        client.send(dialect.append(token, path, 0, len(data), last=True) + data[: 5 * MIB])
        with Connection(proxied.port) as another:
            until(lambda: _acknowledged(another, token, path) > 0, "something is durable")
        client.reset()
    with Connection(proxied.port) as client:
        offset = look(client, dialect, token, path)
        assert 0 < offset <= 5 * MIB
        middle = (offset + len(data)) // 2
        answer = append(client, dialect, token, path, offset, data[offset:middle], last=False)
        assert offset_of(answer) == middle
        answer = append(client, dialect, token, path, middle, data[middle:], last=True)
        assert 200 <= answer.status < 300, answer
    assert fetch(proxied, name) == data


def _acknowledged(client: Connection, token: str, path: str) -> int:
    (offset,) = (each["offset"] for each in listed(client, token) if path.endswith(each["id"]))
    return int(offset)


def test_a_client_that_waits_for_100_gets_it(proxied: Service) -> None:
    fields = {"Content-Length": "5", "Expect": "100-continue"}
    with Connection(proxied.port) as client:
        client.send(raw.head("PUT", "/api/files/expected", proxied.token, fields))
        assert client.read_interim() == 100
        client.send(b"hello")
        assert client.read_answer("PUT").status == 204


def test_who_asks_a_refusal_of_the_body_gets_it(proxied: Service, proxy: Proxy) -> None:
    """HAProxy leaves the decision to the service; nginx asks for the body before it connects."""
    fields = {"Content-Length": str(GIB), "Expect": "100-continue"}
    with Connection(proxied.port) as client:
        client.send(raw.head("PUT", "/api/files/refused", None, fields))
        answer = client.read_answer("PUT")
    assert (answer.status, answer.interim) == (401, [100] if proxy.name == "nginx" else [])


def test_a_refusal_is_seen_before_the_body_is_sent(proxied: Service) -> None:
    """Also by who did not ask: the answer comes while there is still almost everything to send."""
    with Connection(proxied.port) as client:
        client.send(raw.head("PUT", "/api/files/refused", None, {"Content-Length": str(GIB)}))
        client.send(bytes(MIB))
        assert client.read_answer("PUT").status == 401


def test_silence_is_answered_by_the_service(proxied: Service) -> None:
    with Connection(proxied.port) as client:
        fields = {"Content-Length": "10"}
        client.send(raw.head("PUT", "/api/files/silent", proxied.token, fields) + b"1")
        answer = client.read_answer("PUT")
    assert answer.status == 408
    assert answer.header("content-type") == "application/problem+json", "not the proxy's own"


def _created(running: Service, host: str) -> str:
    """The answer to the creation of an upload over TLS, in lower case."""
    done = subprocess.run(
        [
            *("curl", "--silent", "--insecure", "--include", "--request", "POST"),
            *("--resolve", f"{host}:127.0.0.1", "--header", f"X-Auth-Token: {running.token}"),
            *("--header", "Tus-Resumable: 1.0.0", "--header", "Upload-Length: 5"),
            *("--header", "Upload-Metadata: filename eA==", f"https://{host}/below/api/uploads"),
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.lower()


def test_urls_of_uploads_are_those_of_the_proxy(proxied: Service, proxy: Proxy) -> None:
    host = f"files.example.com:{proxy.tls_port}"
    assert f"location: https://{host}/below/api/uploads/" in _created(proxied, host)
    with Connection(proxied.port) as client:
        lie = {
            "X-Forwarded-Proto": "https",
            "X-Forwarded-Host": "evil.example",
            "X-Forwarded-Port": "8443",
            "X-Forwarded-Prefix": "/evil",
            "Forwarded": "host=evil.example;proto=https",
        }
        upload = {
            "Content-Length": "0",
            "Tus-Resumable": "1.0.0",
            "Upload-Length": "5",
            "Upload-Metadata": "filename eA==",
        }
        client.send(raw.head("POST", "/api/uploads", proxied.token, {**lie, **upload}))
        location = client.read_answer("POST").header("location")
    assert location is not None
    assert location.startswith("http://localhost/below/api/uploads/")


def test_behind_two_proxies_a_url_is_that_of_the_first(direct: Service, tmp_path: Path) -> None:
    """The client speaks https with HAProxy; that http with nginx, which appends its own."""
    programs = {name: proxies.program(name) for name in proxies.NAMES}
    if None in programs.values():
        (pytest.fail if os.environ.get("CI") else pytest.skip)("needs both proxies")
    haproxy, nginx = str(programs["haproxy"]), str(programs["nginx"])
    with (
        proxies.proxy("nginx", nginx, tmp_path / "inner", [direct.port], inner=True) as inner,
        proxies.proxy("haproxy", haproxy, tmp_path / "outer", [inner.port]) as outer,
    ):
        until(lambda: _health(outer.port) == 200, "the outer takes the inner for healthy")
        host = f"files.example.com:{outer.tls_port}"
        assert f"location: https://{host}/below/api/uploads/" in _created(direct, host)


def test_no_log_holds_a_link(proxied: Service, proxy: Proxy) -> None:
    store(proxied, "linked", b"content")
    wanted = json.dumps({"method": "GET", "name": "linked"}).encode()
    fields = {"Content-Type": "application/json", "Content-Length": str(len(wanted))}
    with Connection(proxied.port) as client:
        client.send(raw.head("POST", "/api/links", proxied.token, fields) + wanted)
        answer = client.read_answer("POST")
        assert answer.status == 201, answer
        path = urlsplit(json.loads(answer.body)["url"]).path
        client.send(raw.head("GET", path))
        assert client.read_answer().body == b"content"
    until(lambda: "/api/links/***/linked" in proxy.log(), "the request is logged")
    assert path.startswith("/below/api/links/")
    assert path.split("/")[4] not in proxy.log()
    assert proxied.token not in proxy.log()


def test_interim_responses_with_104(starter: Starter, tmp_path: Path, log: Path) -> None:
    """HAProxy passes them on. nginx 1.22 takes the first for the answer, as the docs say."""
    fields = {"Content-Length": "5", "Upload-Complete": "?1", "Upload-Draft-Interop-Version": "8"}
    with (
        service(LocalBackend(tmp_path / "data"), log) as running,
        starter([running.port]) as proxy,
        Connection(proxy.port) as client,
    ):
        until(lambda: _health(proxy.port) == 200, "the proxy takes the node for healthy")
        client.send(raw.head("PUT", "/api/files/told", running.token, fields))
        first = client.read_head()
        assert first.startswith(b"HTTP/1.1 104 ")
        assert b"location: " in first.lower()
        client.send(b"hello")
        rest = b""
        with contextlib.suppress(BrokenAnswerError):
            while b"HTTP/1.1 2" not in rest:
                rest += client.read_head()
    assert _sees_an_answer(first + rest) == (proxy.name == "haproxy")


def _sees_an_answer(heads: bytes) -> bool:
    """Whether a client that reads by the rules gets to a final answer that it can tell apart.

    nginx adds its own headers of a final answer to the first head, and what follows is a body.
    """
    return b"server: nginx" not in heads.partition(b"\r\n\r\n")[0].lower() and b" 2" in heads


class Mute:
    """A node that notes each request whole, and then closes the connection, or answers ``204``."""

    def __init__(self, *, answers: bool, ready: bool = True) -> None:
        self._answers = answers
        self._ready = b"200 OK" if ready else b"503 Service Unavailable"
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        self.requests: list[bytes] = []
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        self._listening.close()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listening.accept()
                with connection:
                    self._answer(connection)

    def _answer(self, connection: socket.socket) -> None:
        connection.settimeout(5)
        request = b""
        while not _is_whole(request):
            received = connection.recv(65536)
            if not received:
                return
            request += received
        if request.startswith(b"GET /ready"):
            closing = b"Content-Length: 0\r\nConnection: close\r\n\r\n"
            connection.sendall(b"HTTP/1.1 " + self._ready + b"\r\n" + closing)
            return
        self.requests.append(request)
        if self._answers:
            connection.sendall(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")


def _is_whole(request: bytes) -> bool:
    head, end, body = request.partition(b"\r\n\r\n")
    length = next(
        (
            int(line.split(b":")[1])
            for line in head.lower().split(b"\r\n")
            if b"content-length" in line
        ),
        0,
    )
    return bool(end) and len(body) >= length


@pytest.mark.parametrize("method", ["PUT", "POST", "PATCH", "DELETE", "GET"])
def test_no_change_is_made_twice(starter: Starter, method: str) -> None:
    """A node that has got it and says nothing may have done it: another one does not hear of it."""
    body = b"hello" if method.startswith("P") else b""
    fields = {"Content-Length": str(len(body))} if body else {}
    with contextlib.ExitStack() as running:
        mutes = [running.enter_context(contextlib.closing(Mute(answers=False))) for _ in range(2)]
        proxy = running.enter_context(starter([mute.port for mute in mutes]))
        client = running.enter_context(Connection(proxy.port))
        client.send(raw.head(method, "/api/files/once", "token", fields) + body)
        assert client.read_answer(method).status == 502
        times = sum(len(mute.requests) for mute in mutes)
    assert times == (2 if (proxy.name, method) == ("nginx", "GET") else 1)


def test_a_node_that_is_not_ready_gets_nothing(starter: Starter) -> None:
    """From HAProxy, which asks each node now and then; nginx does not."""
    with contextlib.ExitStack() as running:
        one, other = (
            running.enter_context(contextlib.closing(Mute(answers=True, ready=ready)))
            for ready in (False, True)
        )
        proxy = running.enter_context(starter([one.port, other.port]))

        def spared() -> bool:
            one.requests.clear()
            assert [_ask(proxy, {}) for _ in range(6)] == [204] * 6
            return not one.requests

        if proxy.name == "nginx":
            assert not spared()
        else:
            until(spared, "it is found out", 30)


def test_what_a_node_is_told_of_a_request(starter: Starter) -> None:
    mute = Mute(answers=True)
    with contextlib.closing(mute), starter([mute.port]) as proxy:
        until(
            lambda: _ask(proxy, {"X-Request-ID": "a1-b2"}) == 204, "the node is taken for healthy"
        )
        _ask(proxy, {})
        _ask(proxy, {"X-Request-ID": 'bad "id"', "X-Forwarded-Proto": "https"})
    heads = [
        dict(
            line.lower().split(": ", 1)
            for line in request.decode().split("\r\n")[1:]
            if ": " in line
        )
        for request in mute.requests
    ]
    given, none, bad = (head["x-request-id"] for head in heads)
    assert given == "a1-b2"
    assert len({given, none, bad}) == 3
    for made in (none, bad):
        assert re.fullmatch("[0-9a-f]{32}", made)
    for head in heads:
        assert head["host"] == "localhost"
        assert head["x-forwarded-proto"] == "http"
        assert head["x-auth-token"] == "token"


def _ask(proxy: Proxy, fields: dict[str, str]) -> int:
    with Connection(proxy.port) as client:
        client.send(raw.head("GET", "/api/files", "token", fields))
        return client.read_answer().status


@pytest.fixture
def two_nodes(ceph: S3Server, tmp_path: Path) -> Iterator[list[Service]]:
    s3 = S3Backend(ceph, ceph.fresh_bucket())
    with contextlib.ExitStack() as started:
        nodes = [
            started.enter_context(
                service(
                    s3,
                    tmp_path / f"node{number}.log",
                    settings={"SPOOL_DIR": str(tmp_path), "INTERIM_RESPONSES": "false"},
                )
            )
            for number in range(2)
        ]
        yield nodes


def test_one_of_two_nodes_is_stopped(starter: Starter, two_nodes: list[Service]) -> None:
    """What is under way there ends; an upload goes on at the other node.

    HAProxy asks the other node where one cannot be reached. nginx does not for a PUT, so that one
    may fail while it finds out.
    """
    one, other = two_nodes
    token = one.token
    with starter([node.port for node in two_nodes]) as proxy:
        until(lambda: _health(proxy.port) == 200, "the proxy takes a node for healthy")
        through = dataclasses.replace(one, port=proxy.port)
        data = content(9 * MIB, "moved")
        with Connection(proxy.port) as client:
            path = create(client, TUS, token, "moved", len(data))
            append(client, TUS, token, path, 0, data[: 2 * MIB], last=False)
        for number in range(8):
            store(through, f"before/{number}", b"x")
        slow, stopped = Connection(proxy.port), threading.Thread(target=one.stop)
        with slow:
            slow.send(raw.head("PUT", "/api/files/slow", token, {"Content-Length": "11"}) + b"slow")
            time.sleep(0.3)
            began = time.monotonic()
            stopped.start()
            meanwhile = [_put(through, f"meanwhile/{number}") for number in range(8)]
            slow.send(b" sender")
            assert slow.read_answer("PUT").status == 204
        stopped.join()
        assert one.process.returncode == 0
        after = [_put(through, f"after/{number}") for number in range(8)]
        assert {*meanwhile, *after} <= {204, 502}
        tried_anew = 1 + int((time.monotonic() - began) / 5)
        assert [*meanwhile, *after].count(502) <= (tried_anew if proxy.name == "nginx" else 0)
        with Connection(proxy.port) as client:
            assert look(client, TUS, token, path) == 2 * MIB
            answer = append(client, TUS, token, path, 2 * MIB, data[2 * MIB :], last=True)
            assert 200 <= answer.status < 300, answer
        assert fetch(through, "moved") == data
        assert fetch(dataclasses.replace(other, token=token), "slow") == b"slow sender"


def _put(running: Service, name: str) -> int:
    with Connection(running.port) as client:
        client.send(raw.head("PUT", f"/api/files/{name}", running.token, {"Content-Length": "1"}))
        client.send(b"x")
        return client.read_answer("PUT").status


@pytest.mark.parametrize(
    ("trusted", "scheme"),
    [("127.0.0.1", "https"), ("*", "https"), ("192.0.2.1", "http")],
    ids=["proxy", "all", "other"],
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
    # Of two proxies, and of gunicorn's own languages one that says otherwise.
    told = b"X-Forwarded-Proto: https,http\r\nX-Forwarded-Ssl: off"
    head = head.replace(b"\r\n\r\n", b"\r\n" + told + b"\r\n\r\n")
    with Connection(port) as client:
        client.send(head)
        answer: Answer = client.read_answer("POST")
    assert answer.status == 201, answer
    return answer.header("location") or ""
