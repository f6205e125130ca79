"""Who may do what: each route by each method, and each kind of token and of link.

The routes are those of the application's own table: one without a row here fails.
"""

from __future__ import annotations

import os
import random
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from file_uploader.http.app import create_app
from file_uploader.http.routing import LinkRoute, NoRoute, PrivateRoute, PublicRoute
from file_uploader.links import Link, LinkKeys
from file_uploader.model.names import FileName
from file_uploader.storage.base import Storage
from tests.support.asgi import Answer, Client, running
from tests.support.double import StorageDouble
from tests.support.rounds import rounds
from tests.support.service import Backend, LocalBackend, S3Backend
from tests.support.tus import BYTES, VERSION
from tests.unit.http.conftest import settings
from tests.unit.http.test_auth import BAD
from tests.unit.security.two_worlds import (
    ALICE,
    BOB,
    FILES,
    KEYS,
    LINK_KEY,
    NAMED,
    TUS,
    Ask,
    World,
    furnish,
    links,
    seen,
    two_worlds,
    world,
)

JSON = ("Content-Type", "application/json")
PIECE = ("Content-Type", "application/partial-upload")
LAST, MORE = ("Upload-Complete", "?1"), ("Upload-Complete", "?0")
CONDITIONS = [
    ("If-Match", "{etag_a}"),
    ("If-Match", "*"),
    ("If-None-Match", "{etag_a}"),
    ("If-None-Match", "*"),
    ("If-Modified-Since", "Thu, 01 Jan 2099 00:00:00 GMT"),
    ("If-Unmodified-Since", "Thu, 01 Jan 1970 00:00:00 GMT"),
    ("If-Unmodified-Since", "Thu, 01 Jan 2099 00:00:00 GMT"),
]
READS: list[list[tuple[str, str]]] = [
    [],
    *([each] for each in CONDITIONS),
    [("Range", "bytes=1-2")],
    [("Range", "bytes=1-2"), ("If-Range", "{etag_a}")],
    [("Range", "bytes=99-")],
    [("Want-Repr-Digest", "sha-512=1")],
]
LISTS = ["", "?prefix=a", "?prefix=dir/&delimiter=/", "?marker=a&limit=1", "?details=true"]
LISTS += ["?prefix={container}", "?marker=files/{container}/", "?limit=0", "?x"]


def offset(value: int) -> tuple[str, str]:
    return "Upload-Offset", str(value)


def _override(method: str) -> tuple[str, str]:
    return "X-HTTP-Method-Override", method


def _on_files(method: str, body: bytes | None = None) -> list[Ask]:
    names = ["a", "dir/b", "dir", "never", "{container}/a", "files/{container}/a", ".."]
    asked = [Ask(method, f"/api/files/{name}", [], body) for name in names]
    return asked + [Ask(method, "/api/files/a", headers, body) for headers in READS]


def _on_uploads(method: str) -> list[Ask]:
    places = ["{open}", "{deferred}", "{part}", "{half}", "{done}", "{never}"]
    return [Ask(method, place, said) for place in places for said in ([], [VERSION])]


ROWS: dict[tuple[str, str], list[Ask]] = {
    ("/api/files", "GET"): [Ask("GET", f"/api/files{query}") for query in LISTS],
    ("/api/files", "HEAD"): [Ask("HEAD", f"/api/files{query}") for query in ("", "?x")],
    ("/api/files/{name}", "GET"): [*_on_files("GET"), Ask("GET", "/api/files/a?download")],
    ("/api/files/{name}", "HEAD"): _on_files("HEAD"),
    ("/api/files/{name}", "PUT"): [
        *_on_files("PUT", b"new"),
        Ask("PUT", "/api/files/a", [MORE], b"new"),
        Ask("PUT", "/api/files/a", [LAST, ("Upload-Draft-Interop-Version", "8")], b"new"),
    ],
    ("/api/files/{name}", "POST"): [
        Ask("POST", "/api/files/a", [LAST], b"new"),
        Ask("POST", "/api/files/a", [], b"new"),
        Ask("POST", "/api/files/a", [_override("DELETE")]),
    ],
    ("/api/files/{name}", "DELETE"): _on_files("DELETE"),
    ("/api/uploads", "GET"): [Ask("GET", "/api/uploads"), Ask("GET", "/api/uploads?id={open}")],
    ("/api/uploads", "HEAD"): [Ask("HEAD", "/api/uploads")],
    ("/api/uploads", "POST"): [
        Ask("POST", "/api/uploads", [VERSION, NAMED, ("Upload-Length", "3")]),
        *(
            Ask("POST", "/api/uploads", [VERSION, NAMED, ("Upload-Concat", f"final;{urls}")])
            for urls in ("{part}", "https://x.example{part}", "{part} {never}", "{half}", "{never}")
        ),
        Ask("POST", "/api/uploads", [_override("GET")]),
    ],
    ("/api/uploads/{id}", "GET"): _on_uploads("GET"),
    ("/api/uploads/{id}", "HEAD"): _on_uploads("HEAD"),
    ("/api/uploads/{id}", "DELETE"): [
        *_on_uploads("DELETE"),
        Ask("POST", "{open}", [_override("DELETE")]),
    ],
    ("/api/uploads/{id}", "PATCH"): [
        *(
            Ask("PATCH", place, [*TUS, offset(at)], body)
            for place in ("{open}", "{part}", "{done}", "{never}")
            for at, body in ((0, b"x"), (5, b""), (5, b" world"))
        ),
        Ask("PATCH", "{deferred}", [*TUS, offset(5), ("Upload-Length", "11")], b" world"),
        Ask("PATCH", "{open}", [PIECE, offset(5), LAST], b" world"),
        Ask("PATCH", "{open}", [PIECE, offset(5), MORE], b" w"),
        Ask("PATCH", "{done}", [PIECE, offset(len(FILES["z"])), LAST], b""),
        Ask("POST", "{open}", [*TUS, offset(5), _override("PATCH")], b" world"),
    ],
    ("/api/links", "POST"): [
        Ask("POST", "/api/links", [JSON], b'{"name": "a"}'),
        Ask("POST", "/api/links", [JSON], b'{"name": "a", "method": "PUT", "overwrite": true}'),
        Ask("POST", "/api/links", [JSON], b"{}"),
    ],
}
"""By route and method: requests of which at least one succeeds for whoever has a right to it."""
PUBLIC = ("/", "/api/docs", "/api/openapi.json", "/docs/api.md", "/health", "/ready")
OPEN = {
    *((path, method) for path in PUBLIC for method in ("GET", "HEAD")),
    *(("/api/links/{link}/{name}", method) for method in ("GET", "HEAD", "PUT")),
}
"""What needs no token: the one for anybody, the other for whoever has a link (below)."""
METHODS = ["GET", "HEAD", "PUT", "POST", "PATCH", "DELETE", "TRACE", "CONNECT", "PROPFIND", "COPY"]
TARGETS = {
    "/api/files": "/api/files",
    "/api/files/{name}": "/api/files/a",
    "/api/uploads": "/api/uploads",
    "/api/uploads/{id}": "{open}",
    "/api/links": "/api/links",
}
NOTHING = ["/api/", "/api/none", "/api/links%2Fx", "/api/filesx", "/api/uploadsx/{container}"]


def _routes(app: Any) -> Sequence[Any]:
    """The table of an application that runs."""
    return tuple(app._endpoint.table)


@asynccontextmanager
async def on_double() -> AsyncIterator[tuple[Client, StorageDouble]]:
    """Somebody without a token, and a store that counts who gets through to it."""
    double = StorageDouble()

    async def open_double(_settings: object) -> Storage:
        return double

    given = settings(link_keys=(SecretStr(LINK_KEY),))
    async with running(create_app(given, open_double)) as app:
        yield Client(app), double


@pytest.fixture
def backends(backend: Backend, tmp_path: Path) -> tuple[Backend, Backend]:
    """Two empty places of one kind."""
    if isinstance(backend, S3Backend):
        return backend, S3Backend(backend.server, backend.server.fresh_bucket())
    return backend, LocalBackend(tmp_path / "other")


async def test_every_route_and_method_is_here() -> None:
    async with on_double() as (nobody, _):
        table = _routes(nobody.app)
    assert isinstance(table[-1], NoRoute)
    found: set[tuple[str, str]] = set()
    for route in table[:-1]:
        assert isinstance(route, PrivateRoute | PublicRoute | LinkRoute), route
        found |= {(route.path, method) for method in route.methods}
        open_here = {method for path, method in OPEN if path == route.path}
        assert bool(open_here) is not isinstance(route, PrivateRoute), route.path
    with_options = {(path, "OPTIONS") for path, _ in found}
    assert found == ROWS.keys() | OPEN | with_options


@pytest.mark.parametrize("row", ROWS, ids=" ".join)
async def test_the_owner_succeeds_with_one_of_them(row: tuple[str, str], tmp_path: Path) -> None:
    """So that what others are refused below is about them, and not about the requests."""
    async with world(LocalBackend(tmp_path)) as here:
        known = await furnish(here.alice)
        statuses = [(await ask.about(known)(here.alice)).status for ask in ROWS[row]]
    assert min(statuses) < 300, list(zip(map(str, ROWS[row]), statuses, strict=True))


TOKENS = [None, *BAD.values(), f"{ALICE}\t{BOB}", "*", "null", "undefined"]


async def test_without_a_token_nothing_is_reached() -> None:
    """Not a step of the store, not a byte of the body; and all get one and the same answer."""
    async with on_double() as (nobody, double):
        known = await furnish(Client(nobody.app, ALICE))
        asked = [ask for asks in ROWS.values() for ask in asks]
        asked += [Ask(method, target) for method in METHODS for target in TARGETS.values()]
        asked += [Ask(method, target) for method in METHODS for target in NOTHING]
        before, reached = dict(double.calls), 0
        for ask in asked:
            answers = [await ask.about(known)(Client(nobody.app, token)) for token in TOKENS]
            twice = await replace(
                ask, headers=[*ask.headers, ("X-Auth-Token", ALICE), ("X-Auth-Token", ALICE)]
            ).about(known)(nobody)
            for answer in (*answers, twice):
                assert answer.status == 401, (ask, answer)
                assert answer["www-authenticate"] == "X-Auth-Token"
                assert not answer.asked_first, ask
                reached += 1
            # They tell what is wrong with the token, and nothing else: least of all of the target.
            assert len({answer.body for answer in answers}) == (1 if ask.method == "HEAD" else 3)
            empty = await ask.about(dict.fromkeys(known, "/api/uploads/never"))(nobody)
            assert seen(empty) == seen(answers[0])
        assert double.calls == before
    assert reached > 2000


async def test_options_tells_everybody_the_same_and_reaches_nothing() -> None:
    async with on_double() as (nobody, double):
        known = await furnish(Client(nobody.app, ALICE))
        before = dict(double.calls)
        for route in _routes(nobody.app)[:-1]:
            target = TARGETS.get(route.path, route.path).format(link="x", name="a", **known)
            answers = [
                await Ask("OPTIONS", target).about(known)(Client(nobody.app, token))
                for token in (None, ALICE, BOB, "x")
            ]
            assert {seen(answer) for answer in answers} == {seen(answers[0])}
            assert (answers[0].status, answers[0].body) == (204, b"")
            assert set(answers[0]["allow"].split(", ")) == set(route.methods)
        assert double.calls == before


async def test_other_methods_are_refused_before_anything_is_reached() -> None:
    async with on_double() as (nobody, double):
        alice = Client(nobody.app, ALICE)
        known = await furnish(alice)
        before = dict(double.calls)
        for path, target in TARGETS.items():
            for method in METHODS:
                if (path, method) not in ROWS:
                    answer = await Ask(method, target, [], b"x").about(known)(alice)
                    assert (answer.status, answer.asked_first) == (405, False)
        for target in NOTHING:
            for method in METHODS:
                assert (await Ask(method, target).about(known)(alice)).status == 404
        assert double.calls == before


async def test_to_another_client_it_is_as_if_there_were_nothing(
    backends: tuple[Backend, Backend],
) -> None:
    """All of the rows, and many requests at random, in a world with Alice's files and one without.

    Both have to answer the same, and hers has to be as it was.
    """
    seed = int(os.environ.get("SEED", random.randrange(2**32)))
    print(f"SEED={seed}")
    pick = random.Random(seed)
    on_ceph = isinstance(backends[0], S3Backend)
    many = rounds(20 if on_ceph else 150, 500 if on_ceph else 10_000)
    rows = [ask for asks in ROWS.values() for ask in asks]
    if on_ceph:
        rows = pick.sample(rows, rounds(30, len(rows)))
    async with two_worlds(*backends) as (without, with_files):
        known = await furnish(with_files.alice)
        before = await with_files.kept()
        for ask in [*rows, *(_at_random(pick) for _ in range(many))]:
            await _same(ask.about(known), without, with_files)
        assert await with_files.kept() == before


async def _same(ask: Ask, without: World, with_files: World) -> None:
    empty, answer = await ask(without.bob), await ask(with_files.bob)
    assert seen(answer) == seen(empty), str(ask)
    everything = repr((answer.headers, answer.body, answer.interim))
    assert not [data for data in FILES.values() if data and data.decode() in everything], str(ask)


_TARGETS = [
    *("/api/files", "/api/files?details=true", "/api/uploads", "/api/links", "/api/none"),
    *(f"/api/files/{name}" for name in ("a", "a", "dir/b", "mine", "mine", "never", "dir/%62")),
    *("{open}", "{open}", "{deferred}", "{part}", "{half}", "{done}", "{never}"),
    *("/api/links/x/a", "http://localhost/api/files/a", "/api/files/a?download", "//api/files/a"),
]
_HEADERS = [
    *CONDITIONS,
    *(("Range", value) for value in ("bytes=0-1", "bytes=-1", "bytes=9-", "bytes=0-1,2-3")),
    ("If-Range", "{etag_a}"),
    *(_override(method) for method in ("GET", "HEAD", "PATCH", "DELETE", "POST", "PUT")),
    *(VERSION, BYTES, PIECE, JSON, LAST, MORE, NAMED, offset(0), offset(5)),
    *(("Upload-Length", value) for value in ("0", "3", "11")),
    *(("Upload-Concat", value) for value in ("partial", "final;{part}", "final;{part} {done}")),
    ("Upload-Defer-Length", "1"),
    ("Upload-Draft-Interop-Version", "8"),
    ("Upload-Checksum", "sha1 qvTGHdzF6KLavt4PO0gs2a6pQ00="),
    ("Repr-Digest", "sha-256=:{etag_a}:"),
    ("Content-MD5", "XUFAKrxLKna5cZ2REBfFkg=="),
    ("Accept", "application/x-ndjson"),
    ("X-Object-Meta-Copy-From", "{container}/a"),
    ("Content-Range", "bytes 0-1/2"),
]


def _at_random(pick: random.Random) -> Ask:
    method = pick.choice(["GET", "HEAD", "PUT", "PUT", "POST", "POST", "PATCH", "PATCH", "DELETE"])
    headers = dict(pick.choices(_HEADERS, k=pick.randrange(6)))
    body = pick.choice([None, b"", b"hello", b'{"name": "a"}', b" world"])
    if method in ("GET", "HEAD", "DELETE"):
        body = None
    return Ask(method, pick.choice(_TARGETS), list(headers.items()), body)


REFUSED: dict[str, Callable[[Link], str]] = {
    "expired": lambda link: KEYS.sign(replace(link, expires=datetime.now(UTC) - timedelta(1))),
    "of another key": lambda link: LinkKeys([b"k" * 32]).sign(link),
    "of another name": lambda link: KEYS.sign(replace(link, name=FileName("z"))),
    "with another MAC": lambda link: KEYS.sign(link)[:-43] + "A" * 43,
    "with another letter": lambda link: _exchanged(KEYS.sign(link), -1),
    "with other fields": lambda link: _exchanged(KEYS.sign(link), 30),
    "of another version": lambda link: "2" + KEYS.sign(link)[1:],
    "with more": lambda link: KEYS.sign(link) + "A",
    "cut": lambda link: KEYS.sign(link)[:-1],
    "no link": lambda _link: "x",
}


def _exchanged(text: str, place: int) -> str:
    letters = list(text)
    letters[place] = "A" if letters[place] != "A" else "B"
    return "".join(letters)


ADMITTED = {"get": {"GET": 200, "HEAD": 200}, "new": {"PUT": 412}, "put": {"PUT": 204}}


async def test_links(tmp_path: Path) -> None:
    """Each method by each link, and by each that is none: with a token of whoever, and without."""
    async with world(LocalBackend(tmp_path)) as here:
        known = await furnish(here.alice)
        made = links(datetime.now(UTC).replace(microsecond=0) + timedelta(hours=1))
        for name, admitted in ADMITTED.items():
            for method in METHODS:
                for client in (here.nobody, here.bob):
                    answer = await Ask(method, known[name], [], b"x")(client)
                    assert answer.status == admitted.get(method, 405), (name, method)
                    assert answer.asked_first == (answer.status == 204)
                    if answer.status == 204:
                        await here.alice("PUT", "/api/files/a", body=FILES["a"])
        before = await here.kept()
        for kind, forge in REFUSED.items():
            for link in made.values():
                answers = [
                    await Ask(method, f"/api/links/{forge(link)}/{name}", [], b"x")(client)
                    for method in METHODS
                    if method != "HEAD"
                    for name in ("a", "never")
                    for client in (here.nobody, here.bob, here.alice)
                ]
                assert {answer.status for answer in answers} == {403}, kind
                assert not any(answer.asked_first for answer in answers)
        assert await here.kept() == before


async def _probed(here: World, link: str, headers: list[tuple[str, str]]) -> Answer:
    return await Ask("PUT", link, headers, b"x")(here.nobody)


async def test_a_link_for_a_new_file_tells_nothing_of_the_one_that_is_there(
    tmp_path: Path,
) -> None:
    """Not its tag, which is a digest, nor its age: whatever the request guesses, it is wrong."""
    past = "Thu, 01 Jan 1970 00:00:00 GMT"
    future = "Thu, 01 Jan 2099 00:00:00 GMT"
    async with world(LocalBackend(tmp_path)) as here:
        known = await furnish(here.alice)
        for kind in ("If-Match", "If-None-Match"):
            tags = [known["etag_a"], f"W/{known['etag_a']}", '"other"', f'"x", {known["etag_a"]}']
            answers = [await _probed(here, known["new"], [(kind, tag)]) for tag in tags]
            assert len({seen(answer) for answer in answers}) == 1, kind
            assert answers[0].status == 412
        for since in (past, future):
            answers = [
                await _probed(here, known["new"], headers)
                for headers in ([("If-Unmodified-Since", since)], [])
            ]
            assert seen(answers[0]) == seen(answers[1])
