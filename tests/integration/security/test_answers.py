"""What every answer says to browsers and caches, and what a request cannot make it say."""

from __future__ import annotations

import ast
import re
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import pytest

import file_uploader
from tests.support import raw
from tests.support.asgi import Answer, Client
from tests.support.canary import Canary, canary
from tests.support.links import made
from tests.support.raw import Connection
from tests.support.service import LocalBackend, Service, service
from tests.support.services import CUSTOM, PAGE, Lend
from tests.unit.http.test_auth import BAD
from tests.unit.security.test_matrix import METHODS, NOTHING, OPEN, ROWS, TARGETS, on_double
from tests.unit.security.two_worlds import ALICE, BOB, Ask, World, furnish, world


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[World]:
    async with world(LocalBackend(tmp_path)) as started:
        yield started


def _public(path: str) -> bool:
    return not path.startswith("/api/")


async def test_nobody_sniffs_and_no_cache_mixes_clients_up() -> None:
    """All answers to all rows of the matrix, whoever asks: of files, lists, uploads and errors."""
    async with on_double() as (nobody, _):
        known = await furnish(Client(nobody.app, ALICE))
        await _all_are_kept_apart(nobody, known)


async def _all_are_kept_apart(nobody: Client, known: dict[str, str]) -> None:
    asked = [ask for asks in ROWS.values() for ask in asks]
    asked += [Ask(method, target) for method in METHODS for target in TARGETS.values()]
    asked += [Ask(method, target) for method in METHODS for target in NOTHING]
    asked += [Ask("GET", path) for path, _ in OPEN if _public(path)]
    asked += [Ask("GET", path) for path in ("/none", "/api", "/api/links/x/a")]
    asked += [
        Ask(method, known[link]) for method in ("GET", "PUT") for link in ("get", "new", "put")
    ]
    for ask in asked:
        for token in (None, BAD["nil"], BOB, ALICE):
            answer = await ask.about(known)(Client(nobody.app, token))
            if answer.body:
                assert answer["x-content-type-options"] == "nosniff", (ask, answer)
            assert answer.get("set-cookie") is None
            _is_kept_apart(ask.about(known), answer)
        known = await furnish(Client(nobody.app, ALICE))


def _is_kept_apart(ask: Ask, answer: Answer) -> None:
    if ask.method == "OPTIONS":
        return
    caching = set((answer.get("cache-control") or "").split(", "))
    varies = set((answer.get("vary") or "").split(", "))
    if ask.target.startswith("/api/links/"):
        # The URL alone decides who gets it.
        assert caching & {"private", "no-store"}, (ask, answer)
    elif ask.target.startswith("/api/"):
        assert "no-store" in caching or caching >= {"private", "no-cache"}, (ask, answer)
        assert "X-Auth-Token" in varies or caching >= {"no-store"}, (ask, answer)
    else:
        assert caching & {"no-store", "no-cache"}, (ask, answer)


TYPES = [
    *("text/html", "text/html; charset=utf-7", "image/svg+xml", "application/xhtml+xml"),
    *("application/pdf", "text/plain", "application/octet-stream", "video/mp4", "audio/ogg"),
    *("multipart/x-mixed-replace; boundary=a", "message/rfc822", "multipart/related", "text/xml"),
    *("application/x-shockwave-flash", "application/wasm", "text/cache-manifest", "x", "*/*", ","),
    *("image/png, text/html", "video/mp4;text/html", "text/html  text/html", "application/json"),
    None,
]


@pytest.mark.parametrize("content_type", TYPES)
async def test_every_file_is_in_a_sandbox(here: World, content_type: str | None) -> None:
    """By its name and by a link, whole and in parts, described and not modified."""
    headers = [] if content_type is None else [("Content-Type", content_type)]
    headers += [("Content-Disposition", "inline"), ("X-Object-Meta-Content-Security-Policy", "x")]
    assert (await here.alice("PUT", "/api/files/a", headers, b"<script>")).status == 204
    known = await furnish_links(here.alice)
    for target, client in (("/api/files/a", here.alice), (known["get"], here.nobody)):
        for query in ("", "?download"):
            for more in ([], [("Range", "bytes=1-2")], [("If-None-Match", "*")]):
                for method in ("GET", "HEAD"):
                    answer = await client(method, target + query, more)
                    assert answer.status in (200, 206, 304)
                    assert answer["x-content-type-options"] == "nosniff"
                    policy = answer["content-security-policy"]
                    assert re.match(r"sandbox(;| allow-same-origin;) default-src 'none';", policy)
                    assert "allow-scripts" not in policy
                    disposition = answer["content-disposition"]
                    saved = query or (content_type or "").startswith("multipart/")
                    assert disposition.startswith("attachment" if saved else "inline")


async def furnish_links(alice: Client) -> dict[str, str]:
    """Links to what is there, which is left as it is."""
    answer = await alice(
        "POST", "/api/links", [("Content-Type", "application/json")], b'{"name": "a"}'
    )
    return {"get": answer.json["url"].removeprefix("http://localhost")}


@pytest.fixture
def running(shared_service: Lend) -> Service:
    return shared_service("local", CUSTOM)


def _ask(
    running: Service,
    method: str,
    target: str,
    fields: Mapping[str, str] | None = None,
    token: str | None = None,
    host: str = "localhost",
) -> raw.Answer:
    said = {"Host": host, **({"X-Auth-Token": token} if token else {}), **(fields or {})}
    lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in said.items())]
    with Connection(running.port) as client:
        client.send("".join(f"{line}\r\n" for line in lines).encode("latin-1") + b"\r\n")
        return client.read_answer(method)


TUS = {"Tus-Resumable": "1.0.0", "Upload-Length": "9", "Upload-Metadata": "filename YQ=="}


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "https://page.example.evil"])
@pytest.mark.parametrize("method", ["GET", "OPTIONS"])
def test_no_other_origin_is_let_in_nor_repeated(running: Service, method: str, origin: str) -> None:
    asked = {
        "Origin": origin,
        "Cookie": "a=b",
        "Access-Control-Request-Method": "PUT",
        "Access-Control-Request-Headers": "x-auth-token",
    }
    for target in ("/api/files", "/health", "/api/links/x/a", "/none"):
        answer = _ask(running, method, target, asked, running.token)
        assert answer.header("access-control-allow-origin") is None
        assert answer.header("access-control-allow-credentials") is None
    allowed = _ask(running, method, "/health", {**asked, "Origin": PAGE})
    assert allowed.header("access-control-allow-origin") == PAGE
    assert allowed.header("access-control-allow-credentials") is None


OF_URLS = {
    "X-Forwarded-Host": "evil.example",
    "X-Forwarded-Port": "1",
    "X-Forwarded-Prefix": "/evil",
    "Forwarded": "for=192.0.2.99;host=evil.example;proto=https",
}


def test_whom_a_proxy_speaks_for_is_not_believed_but_for_the_url(running: Service) -> None:
    """And that only of a proxy on this machine: the address that is trusted by default."""
    said = {
        "X-Forwarded-For": "192.0.2.99",
        "X-Real-IP": "192.0.2.99",
        "X-Original-URL": "/health",
        "X-Rewrite-URL": "/health",
        "Script-Name": "/evil",
        "SCRIPT_NAME": "/evil",
        "PATH_INFO": "/health",
    }
    answer = _ask(running, "POST", "/api/uploads", {**TUS, **said}, running.token)
    location = answer.header("location") or ""
    assert (answer.status, location[:33]) == (
        201,
        "http://localhost/api/uploads/01a" + location[32],
    )
    answer = _ask(
        running, "POST", "/api/uploads", {**TUS, "X-Forwarded-Proto": "https"}, running.token
    )
    assert (answer.header("location") or "").startswith("https://localhost/api/uploads/")
    for scheme in ("javascript", "https://evil.example/", "ftp"):
        answer = _ask(
            running, "POST", "/api/uploads", {**TUS, "X-Forwarded-Proto": scheme}, running.token
        )
        assert (answer.status, answer.header("location")) == (400, None)
    said_of = running.said()
    assert "192.0.2.99" not in said_of


@pytest.mark.parametrize("trusted", ["192.0.2.1", ""])
def test_elsewhere_not_even_for_the_url(tmp_path: Path, log: Path, trusted: str) -> None:
    settings = {"FORWARDED_ALLOW_IPS": trusted}
    with service(LocalBackend(tmp_path / "data"), log, settings=settings) as started:
        asked = {**TUS, **OF_URLS, "X-Forwarded-Proto": "https"}
        answer = _ask(started, "POST", "/api/uploads", asked, started.token)
        assert (answer.header("location") or "").startswith("http://localhost/")


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "localhost:1",
        "[::1]:8080",
        "a%0d%0ab",
    ],
)
def test_a_host_is_repeated_to_its_own_client_only(running: Service, host: str) -> None:
    """In the Location of an upload and the URL of a link, which nobody keeps: each is made anew."""
    answer = _ask(running, "POST", "/api/uploads", TUS, running.token, host=host)
    assert (answer.header("location") or "").startswith(f"http://{host}/api/uploads/")
    place = (answer.header("location") or "").removeprefix(f"http://{host}")
    told = _ask(running, "HEAD", place, {"Tus-Resumable": "1.0.0"}, running.token)
    assert host not in repr(told.headers)


@pytest.mark.parametrize(
    "request_line",
    [
        *("TRACE /api/files HTTP/1.1", "TRACE / HTTP/1.1", "TRACK /health HTTP/1.1"),
        *("CONNECT localhost:1 HTTP/1.1", "CONNECT /api/files HTTP/1.1", "DEBUG / HTTP/1.1"),
        *("PRI * HTTP/2.0", "GET / HTTP/2.0", "OPTIONS * HTTP/1.1"),
    ],
)
def test_methods_of_proxies_do_nothing(running: Service, request_line: str) -> None:
    """And no request is sent back, with what is secret in it."""
    with Connection(running.port) as client:
        fields = ["Host: h", f"X-Auth-Token: {running.token}", "X-Secret: canary"]
        client.send("\r\n".join([request_line, *fields, "", ""]).encode())
        answer = client.read_answer()
    assert answer.status in ((204,) if request_line.startswith("OPTIONS") else (400, 404, 405))
    assert running.token not in repr(answer)
    assert "canary" not in repr(answer)


@pytest.mark.parametrize("upgrade", ["h2c", "TLS/1.0", "websocket", "h2c, websocket"])
def test_no_other_protocol_is_switched_to(running: Service, upgrade: str) -> None:
    fields = {
        "Connection": "Upgrade, HTTP2-Settings",
        "Upgrade": upgrade,
        "HTTP2-Settings": "AAMAAABkAAQCAAAAAAIAAAAA",
    }
    answer = _ask(running, "GET", "/api/files", fields, running.token)
    assert answer.status in (200, 400)
    assert answer.interim == []


@pytest.mark.parametrize("override", ["PUT", "DELETE", "PATCH", "GET", "OPTIONS", "TRACE", "get"])
@pytest.mark.parametrize(
    "name", ["X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override", "_method"]
)
def test_a_method_is_overridden_at_uploads_only(running: Service, name: str, override: str) -> None:
    """Never to get by a token, nor to make more of a link, nor of a file's URL."""
    put = {"Content-Length": "0"}
    assert _ask(running, "PUT", "/api/files/a", put, running.token).status == 204
    said = {name: override, "Content-Length": "0"}
    reading, new = made(running, "a"), made(running, "new", "PUT")
    for target in ("/api/uploads", "/api/uploads/" + "0" * 32, "/api/files/a", "/api/links"):
        status = _ask(running, "POST", target, said).status
        harmless = override == "OPTIONS" and name == "X-HTTP-Method-Override"
        assert status == (204 if harmless and "uploads" in target else 401)
    assert _ask(running, "GET", reading, said).status == 200
    for method in ("POST", "DELETE"):
        assert _ask(running, method, reading, said).status == 405
        assert _ask(running, method, new, said).status == 405
    assert _ask(running, "POST", "/api/files/a", said, running.token).status == 405
    assert _ask(running, "GET", "/api/files/a?_method=DELETE", said, running.token).status == 400
    assert _ask(running, "GET", "/api/files/a", said, running.token).status == 200


def test_nothing_that_a_client_names_is_fetched(running: Service) -> None:
    """No URL in any header, target or document makes the server connect to anywhere."""
    with canary() as bird:
        url = f"{bird.url}/secret"
        assert _urls_everywhere(running, bird, url) > 50
        assert bird.seen == []


def _urls_everywhere(running: Service, bird: Canary, url: str) -> int:
    asked = 0
    names = (
        *("Referer", "Origin", "Link", "Location", "Content-Location", "X-Forwarded-Host", "Host"),
        *("X-Original-URL", "X-Copy-From", "X-Amz-Copy-Source", "Destination", "Forwarded", "From"),
        *("Upload-Concat", "Upload-Metadata", "X-Object-Meta-Url", "Via", "Client-IP", "Profile"),
    )
    bare = url.removeprefix("http://").split("/")[0]
    for name in names:
        for value in (url, f"final;{url}", f"<{url}>; rel=preload", bare):
            for method, target in (("PUT", "/api/files/a"), ("POST", "/api/uploads"), ("GET", "/")):
                fields = {
                    "Content-Length": "0",
                    **(TUS if "uploads" in target else {}),
                    name: value,
                }
                host = fields.pop("Host", "localhost")
                assert _ask(running, method, target, fields, running.token, host).status < 500
                asked += 1
    for target in (
        url,
        f"//{bare}/api/files/a",
        f"/api/files/{url}",
        f"/{url}",
        f"/api/files?url={url}",
    ):
        for method in ("GET", "HEAD", "PUT", "COPY"):
            fields = {"Content-Length": "0"}
            assert _ask(running, method, target, fields, running.token).status < 500
            asked += 1
    assert _ask(running, "CONNECT", bare, {}, running.token).status in (400, 404)
    return asked


OUTGOING = {"http.client", "urllib.request", "socket", "ssl", "requests", "aiohttp", "aiobotocore"}
MAY_CONNECT = {
    "storage/s3/client/client.py": "the object store, at the address that the settings name",
    "storage/s3/buffers/part.py": "what it is sent",
    "storage/s3/client/errors.py": "what goes wrong there",
    "storage/s3/client/opening.py": "why it cannot be reached",
    "http/operations/probe.py": "a program of its own: the server whose health it checks",
    "http/sendfile.py": "a socket that a client has opened",
}


def test_only_the_object_store_is_ever_connected_to() -> None:
    """By what the modules import: whoever wants to fetch something has to come by here."""
    found = set()
    root = Path(file_uploader.__file__).parent
    for path in root.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names: list[str] = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
            if any(
                name == each or name.startswith(f"{each}.") for name in names for each in OUTGOING
            ):
                found.add(str(path.relative_to(root)))
    assert found == MAY_CONNECT.keys()
