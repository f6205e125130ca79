"""What a browser sends for a page of another origin: preflights, and an upload in pieces."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest

from tests.integration.service.clients.wire import DIALECTS, TUS, Dialect
from tests.support import raw
from tests.support.bodies import content
from tests.support.raw import Answer, Connection
from tests.support.service import Service
from tests.support.services import CUSTOM, PAGE, Lend
from tests.support.witness import fetch

LENGTH = 100_000
DATA = content(LENGTH)


@pytest.fixture
def running(shared_service: Lend) -> Service:
    """What a browser may see does not depend on the store."""
    return shared_service("local", CUSTOM)


class Page:
    """A page of this origin: a browser lets it do and read only what the answers allow."""

    def __init__(self, client: Connection, origin: str = PAGE) -> None:
        self._client = client
        self._origin = origin

    def preflight(self, method: str, path: str, fields: list[str]) -> Answer:
        """Ask whether a request of this kind may be sent."""
        asked = {
            "Origin": self._origin,
            "Access-Control-Request-Method": method,
            "Access-Control-Request-Headers": ",".join(sorted(field.lower() for field in fields)),
        }
        self._client.send(raw.head("OPTIONS", path, None, asked))
        return self._client.read_answer("OPTIONS")

    def request(self, request: bytes, body: bytes = b"") -> Answer:
        """Send a request, after its preflight, and take what the page may read of the answer."""
        first, *lines = request.decode().rstrip().split("\r\n")
        method, target, _ = first.split(" ")
        fields = [line.split(":")[0] for line in lines]
        own = [field for field in fields if field not in ("Host", "Content-Length")]
        allowed = self.preflight(method, target, own)
        assert 200 <= allowed.status < 300, allowed
        assert allowed.header("access-control-allow-origin") == self._origin
        assert method in _names(allowed, "access-control-allow-methods")
        permitted = {name.lower() for name in _names(allowed, "access-control-allow-headers")}
        assert {field.lower() for field in own} <= permitted
        self._client.send(request[:-2] + f"Origin: {self._origin}\r\n\r\n".encode() + body)
        answer = self._client.read_answer(method)
        assert answer.header("access-control-allow-origin") == self._origin
        assert answer.header("access-control-allow-credentials") is None
        assert "Origin" in _names(answer, "vary")
        return answer


def _names(answer: Answer, header: str) -> list[str]:
    values = [value for name, value in answer.headers if name == header]
    return [name.strip() for value in values for name in value.split(",")]


def _exposed(answer: Answer, name: str) -> str:
    """A header that the page may read."""
    assert name in _names(answer, "access-control-expose-headers")
    value = answer.header(name)
    assert value is not None, answer
    return value


def _location(answer: Answer) -> str:
    return urlsplit(_exposed(answer, "Location")).path


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.name)
def test_a_page_uploads_in_pieces(running: Service, dialect: Dialect) -> None:
    name, token, half = f"page-{dialect.name}", running.token, LENGTH // 2
    with Connection(running.port) as client:
        page = Page(client)
        path = _location(page.request(dialect.creation(token, name, LENGTH)))
        first = dialect.append(token, path, 0, half, last=False)
        assert _exposed(page.request(first, DATA[:half]), "Upload-Offset") == str(half)
        asked = page.request(dialect.look(token, path))
        assert _exposed(asked, "Upload-Offset") == str(half)
        assert _exposed(asked, "Upload-Length") == str(LENGTH)
        second = dialect.append(token, path, half, LENGTH - half, last=True)
        done = page.request(second, DATA[half:])
        assert _exposed(done, "Upload-Offset") == str(LENGTH)
        assert _exposed(done, "ETag")
    assert fetch(running, name) == DATA


def test_a_page_reads_what_went_wrong(running: Service) -> None:
    with Connection(running.port) as client:
        page = Page(client)
        created = page.request(TUS.creation(running.token, "wrong", LENGTH))
        path = _location(created)
        answer = page.request(TUS.append(running.token, path, 5, 1, last=False), b"x")
        assert answer.status == 409
    with Connection(running.port) as client:
        answer = Page(client).request(TUS.look(running.token, f"{path[:-4]}0000"))
        assert answer.status == 404


def test_pages_of_other_origins_are_kept_out(running: Service) -> None:
    with Connection(running.port) as client:
        page = Page(client, "https://evil.example.com")
        refused = page.preflight("POST", "/api/uploads", ["X-Auth-Token", "Tus-Resumable"])
        assert refused.header("access-control-allow-origin") is None
        client.send(
            raw.head("GET", "/api/uploads", running.token, {"Origin": "https://evil.example.com"})
        )
        assert client.read_answer().header("access-control-allow-origin") is None
