"""Two clients at the same URLs: no cache mixes them up, and no token is left behind."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.nginx import Cache, Nginx, nginx
from tests.support.raw import Answer, Connection, head
from tests.support.service import Backend, Service, service
from tests.support.services import DEFAULTS, Services

FULL, NO_QUERY = "$server_port$request_uri", "$server_port$uri"
DEAF = "proxy_ignore_headers Cache-Control Expires X-Accel-Expires Set-Cookie;"
"""Caches what it was told not to cache; only `Vary` is left between two clients."""

HEAD_AS_IT_IS = "proxy_cache_convert_head off;"
"""Without it, nginx asks for the whole with GET where a client asks with HEAD."""

CACHES = {
    "plain": Cache(FULL, HEAD_AS_IT_IS),
    "plain-no-query": Cache(NO_QUERY, HEAD_AS_IT_IS),
    "deaf": Cache(FULL, DEAF),
    "deaf-no-query": Cache(NO_QUERY, DEAF),
    "deaf-ranges": Cache(FULL, f"{DEAF} {HEAD_AS_IT_IS} proxy_force_ranges on;"),
}

Fields = Mapping[str, str]


@dataclass(frozen=True)
class Person:
    """A client. ``mark`` is in all contents and in the names that only this one has."""

    mark: str
    token: str

    def ask(
        self,
        port: int,
        method: str,
        path: str,
        fields: Fields | None = None,
        body: bytes | None = None,
    ) -> Answer:
        """One request on a connection of its own."""
        further = {**(fields or {}), "Connection": "close"}
        if body is not None:
            further["Content-Length"] = str(len(body))
        with Connection(port) as connection:
            connection.send(head(method, path, self.token, further) + (body or b""))
            return connection.read_answer(method)


@pytest.fixture
def people() -> tuple[Person, Person]:
    return Person("alices", str(uuid.uuid4())), Person("bobs", str(uuid.uuid4()))


@pytest.fixture(scope="module")
def running(local_services: Services) -> Service:
    """What a cache makes of the answers does not depend on the store."""
    return local_services.lend(DEFAULTS)


@pytest.fixture(scope="module")
def proxy(
    nginx_program: str, running: Service, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Nginx]:
    directory = tmp_path_factory.mktemp("apart")
    with nginx(nginx_program, directory / "nginx", running.port, CACHES) as started:
        yield started


def fill(running: Service, person: Person) -> None:
    """Files of all sizes, with the same names for everybody and with a name of one's own."""
    for name, repeats in (("shared", 1), ("dir/shared", 3_000), (f"only-{person.mark}", 1)):
        content = f"{person.mark} content of {name};".encode() * repeats
        fields = {"Content-Type": "text/plain", "X-Object-Meta-Who": person.mark}
        assert person.ask(running.port, "PUT", f"/api/files/{name}", fields, content).status == 204


PATHS: dict[str, list[Fields]] = {
    "/api/files": [{}, {"Accept": "text/plain"}, {"Accept": "application/x-ndjson"}],
    "/api/files?prefix=": [{}],
    "/api/files?prefix=only": [{}],
    "/api/files?delimiter=/": [{}],
    "/api/files?limit=1": [{}],
    "/api/files?marker=dir/shared": [{}],
    "/api/files?details=true": [{}],
    "/api/files?limit=0": [{}],
    "/api/files/shared": [{}, {"Range": "bytes=0-3"}, {"Range": "bytes=-5"}],
    "/api/files/shared?download": [{}],
    "/api/files/dir/shared": [{}, {"Range": "bytes=60000-60009"}],
    "/api/files/only-alices": [{}, {"Range": "bytes=0-3"}, {"If-None-Match": "*"}],
    "/api/files/only-bobs": [{}, {"If-Match": '"x"'}],
    "/api/files/never": [{}],
    "/api/files/a%2F": [{}],
    "/api/nothing": [{}],
}
REQUESTS = [
    (method, path, fields)
    for path, variants in PATHS.items()
    for fields in variants
    for method in ("GET", "HEAD")
]


def essence(answer: Answer) -> tuple[int, bytes, str | None, str | None]:
    """What has to be the same with a cache in between and without."""
    of_its_own = (answer.header("x-request-id") or "-").encode()
    body = answer.body.replace(of_its_own, b"")
    return answer.status, body, answer.header("etag"), answer.header("x-object-meta-who")


@pytest.mark.parametrize("cache", CACHES)
def test_a_cache_between_two_clients(
    running: Service, proxy: Nginx, people: tuple[Person, Person], cache: str
) -> None:
    port = proxy.ports[cache]
    for person in people:
        fill(running, person)
    hits = 0
    for method, path, fields in REQUESTS:
        for person, other in (people, people[::-1], people, people[::-1]):
            answer = person.ask(port, method, path, fields)
            hits += answer.header("x-cache-status") == "HIT"
            seen = repr((answer.headers, answer.body))
            assert f"only-{other.mark}" not in seen, (method, path, fields)
            assert f"{other.mark} content" not in seen, (method, path, fields)
            assert answer.header("x-object-meta-who") in (None, person.mark)
            # A cache of nginx asks for the whole, without Range and conditions.
            if cache.startswith("plain") and set(fields) <= {"Accept"}:
                direct = person.ask(running.port, method, path, fields)
                assert essence(answer) == essence(direct), (method, path, fields)
            if path == f"/api/files/only-{other.mark}":
                assert answer.status in (404, 412)
        for token in (str(uuid.uuid4()), "x"):
            answer = Person("nobody", token).ask(port, method, path, fields)
            assert b"only-" not in answer.body
            assert b" content" not in answer.body
            assert token != "x" or answer.status == 401
    # A cache that does as it is told keeps nothing of this; one that does not keeps them apart.
    assert (hits > 0) == cache.startswith("deaf")


@pytest.mark.parametrize("cache", CACHES)
def test_the_caches_do_cache(proxy: Nginx, people: tuple[Person, Person], cache: str) -> None:
    """What does not say whose it is goes from one to the other: the test above can fail."""
    first, second = (person.ask(proxy.ports[cache], "GET", "/control") for person in people)
    assert [each.header("x-cache-status") for each in (first, second)] == ["MISS", "HIT"]
    assert first.body == second.body


@pytest.mark.parametrize("cache", ["plain", "deaf"])
def test_both_at_once(
    running: Service, proxy: Nginx, people: tuple[Person, Person], cache: str
) -> None:
    """Requests for one URL that wait for each other at the cache's lock."""
    for person in people:
        fill(running, person)

    def check(number: int) -> None:
        person, other = people if number % 2 else people[::-1]
        for path in ("/api/files/shared", "/api/files"):
            answer = person.ask(proxy.ports[cache], "GET", path)
            assert answer.status == 200
            assert person.mark.encode() in answer.body
            assert other.mark.encode() not in answer.body

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(check, range(80)))


def test_a_change_is_seen_at_once(
    running: Service, proxy: Nginx, people: tuple[Person, Person]
) -> None:
    """A cache that does as it is told never gives an old version, list or `404` either."""
    port = proxy.ports["plain"]
    me, _ = people
    fill(running, me)
    assert me.ask(port, "GET", "/api/files/new").status == 404
    assert me.ask(port, "PUT", "/api/files/new", body=b"1").status == 204
    assert me.ask(port, "GET", "/api/files/new").body == b"1"
    assert me.ask(port, "PUT", "/api/files/new", body=b"22").status == 204
    assert me.ask(port, "GET", "/api/files/new").body == b"22"
    only_new = {"If-None-Match": "*"}
    assert me.ask(port, "PUT", "/api/files/new", only_new, b"333").status == 412
    assert b'"new"' in me.ask(port, "GET", "/api/files").body
    assert me.ask(port, "DELETE", "/api/files/new").status == 204
    assert me.ask(port, "GET", "/api/files/new").status == 404
    assert b'"new"' not in me.ask(port, "GET", "/api/files").body


def spellings(token: str) -> list[bytes]:
    """Every form in which a token could be left somewhere."""
    made = uuid.UUID(token)
    return [
        *(token.encode(), token.upper().encode()),
        *(made.hex.encode(), made.hex.upper().encode()),
        *(made.bytes, made.bytes_le, str(made.int).encode()),
    ]


BAD_REQUESTS: list[tuple[str, str, Fields, bytes | None]] = [
    ("PUT", "/api/files/..", {}, b"x"),
    ("PUT", "/api/files/x", {"Content-MD5": "x"}, b"x"),
    ("PUT", "/api/files/x", {"Content-MD5": "A" * 22 + "=="}, b"x"),
    ("PUT", "/api/files/x", {"If-Match": '"x"'}, b"x"),
    ("PUT", "/api/files/%FF%00", {}, b"x"),
    ("POST", "/api/files/x", {}, b"x"),
    ("DELETE", "/api/files/never", {}, None),
    ("GET", "/api/files/shared", {"Range": "bytes=9999999-"}, None),
    ("GET", "/api/files", {"X-Auth-Token": "{upper}"}, None),
    ("GET", "/api/files", {"X-Auth-Token": "{{{token}}}"}, None),
    ("GET", "/api/files", {"X-Auth-Token": "{token}, {token}"}, None),
    ("GET", "/api/files", {"X-Auth-Token": "{token}0"}, None),
    ("GET", "/api/files", {"Host": "a b"}, None),
    ("GET", "/api/files", {"X-Long": "x" * 20_000}, None),
]
"""Of headers, ``{token}`` is the client's token."""


@pytest.mark.smoke
def test_no_token_is_left_anywhere(
    backend: Backend, log: Path, nginx_program: str, tmp_path: Path, people: tuple[Person, Person]
) -> None:
    """Neither in the store nor in a log, whatever went well or wrong."""
    caches = {"deaf": CACHES["deaf"]}
    with (
        service(backend, log) as running,
        nginx(nginx_program, tmp_path / "nginx", running.port, caches) as proxy,
    ):
        for person in people:
            fill(running, person)
            for port in (running.port, *proxy.ports.values()):
                for method, path, fields in REQUESTS[:: 2 if port == running.port else 9]:
                    person.ask(port, method, path, fields)
                for method, path, fields, body in BAD_REQUESTS:
                    token, upper = person.token, person.token.upper()
                    meant = {
                        name: value.format(token=token, upper=upper)
                        for name, value in fields.items()
                    }
                    person.ask(port, method, path, meant, body)
            cut_upload(running, person)
        assert running.stop() == 0
        check_traces(backend, log.read_bytes(), proxy, people)


def check_traces(
    backend: Backend, service_log: bytes, proxy: Nginx, people: tuple[Person, Person]
) -> None:
    """What is looked at holds what was done, and no token in any form."""
    assert b"/api/files/only-alices" in service_log
    assert b"/api/files/only-alices" in proxy.logs
    kept = list(backend.contents())
    assert any(b"only-alices" in each for each in kept)
    for person in people:
        for needle in spellings(person.token):
            assert not any(needle in each for each in kept)
            assert needle not in service_log
            assert not proxy.contains(needle)


def cut_upload(running: Service, person: Person) -> None:
    """An upload whose client goes away."""
    fields = {"Content-Length": "1000"}
    with Connection(running.port) as connection:
        connection.send(head("PUT", "/api/files/cut", person.token, fields) + b"part of it")
