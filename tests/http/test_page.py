"""The page at the root: its headers, its forms, and what is there without it."""

from __future__ import annotations

import gzip
import hashlib
import re
from base64 import b64encode
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from file_uploader.http.app import create_app
from file_uploader.http.page import policy
from file_uploader.settings import Settings
from file_uploader.storage.base import Storage
from tests.http.conftest import settings
from tests.support.asgi import Client, running
from tests.support.double import StorageDouble

SCRIPT = "if (1 < 2 && '</b>' !== \"&amp;\") { alert('é') }\n"
STYLE = "a > b { color: red }"
HTML = (
    f"<!doctype html><title>x</title><style>{STYLE}</style><p>&amp;</p>"
    f'<script type="module" crossorigin>{SCRIPT}</script>'
)

Serve = Callable[[Path], Awaitable[Client]]


@pytest.fixture
async def serve_page() -> AsyncIterator[Serve]:
    """Start the application with the page of a file; gives somebody without a token."""

    async def open_double(_settings: Settings) -> Storage:
        return StorageDouble()

    async with AsyncExitStack() as stack:

        async def start(file: Path) -> Client:
            app = create_app(settings(), open_double, page=file)
            return Client(await stack.enter_async_context(running(app)))

        yield start


@pytest.fixture
async def visitor(serve_page: Serve, tmp_path: Path) -> Client:
    file = tmp_path / "index.html"
    file.write_text(HTML)
    return await serve_page(file)


def source(text: str) -> str:
    return f"'sha256-{b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


async def test_it_is_for_everybody(visitor: Client) -> None:
    answer = await visitor("GET", "/")
    assert (answer.status, answer.body.decode()) == (200, HTML)
    assert answer["content-type"] == "text/html; charset=utf-8"
    assert answer["content-length"] == str(len(HTML.encode()))
    assert answer["x-content-type-options"] == "nosniff"
    assert answer["referrer-policy"] == "no-referrer"
    assert answer["cross-origin-opener-policy"] == "same-origin"
    assert answer["cross-origin-resource-policy"] == "same-origin"
    assert "camera=()" in answer["permissions-policy"]
    assert answer["cache-control"] == "no-cache"
    assert answer["vary"] == "Accept-Encoding"


async def test_its_policy_admits_what_is_in_it_by_hash(visitor: Client) -> None:
    said = (await visitor("GET", "/"))["content-security-policy"]
    directives = dict(each.split(" ", 1) for each in said.split("; "))
    assert directives == {
        "default-src": "'none'",
        "script-src": source(SCRIPT),
        "style-src": source(STYLE),
        "img-src": "'self' blob: data:",
        "media-src": "'self'",
        "connect-src": "'self'",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
    }
    assert "unsafe" not in said


def test_every_script_and_style_has_its_hash() -> None:
    assert "script-src 'none'" in policy("<p>hello</p>")
    assert "style-src 'none'" in policy("<p>hello</p>")
    several = policy("<script>a</script><style>b</style><script>c</script><style>d</style>")
    assert f"script-src {source('a')} {source('c')};" in several
    assert f"style-src {source('b')} {source('d')};" in several
    assert policy(HTML) != policy(HTML.replace("alert", "Alert"))


@pytest.mark.parametrize(
    ("accepted", "coding"),
    [
        (None, None),
        ("", None),
        ("identity", None),
        ("br", None),
        ("gzip;q=0", None),
        ("*;q=0", None),
        ("*, gzip;q=0", None),
        ("gzip", "gzip"),
        ("GZIP", "gzip"),
        ("br, gzip;q=0.1", "gzip"),
        ("*", "gzip"),
    ],
)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_it_is_compressed_for_who_takes_that(
    visitor: Client, method: str, accepted: str | None, coding: str | None
) -> None:
    headers = [] if accepted is None else [("Accept-Encoding", accepted)]
    answer = await visitor(method, "/", headers)
    assert answer.get("content-encoding") == coding
    expected = HTML.encode() if coding is None else gzip.compress(HTML.encode(), 9, mtime=0)
    assert answer["content-length"] == str(len(expected))
    assert answer.body == (b"" if method == "HEAD" else expected)


async def test_who_has_it_gets_it_only_once(visitor: Client) -> None:
    plain = (await visitor("GET", "/"))["etag"]
    zipped = (await visitor("GET", "/", [("Accept-Encoding", "gzip")]))["etag"]
    assert plain != zipped
    for tags in (plain, f'"x", {plain}', f"W/{plain}", "*"):
        answer = await visitor("GET", "/", [("If-None-Match", tags)])
        assert (answer.status, answer.body, answer["etag"]) == (304, b"", plain)
        assert "content-security-policy" in dict(answer.headers)
    assert (await visitor("GET", "/", [("If-None-Match", zipped)])).status == 200


async def test_there_is_nothing_beside_it(visitor: Client) -> None:
    assert (await visitor("GET", "/?x")).status == 200
    for path in ("/index.html", "/static/", "//", "/static/index.html", "/%2f"):
        assert (await visitor("GET", path)).status == 404
    answer = await visitor("POST", "/")
    assert (answer.status, answer["allow"]) == (405, "GET, HEAD, OPTIONS")
    assert (await visitor("OPTIONS", "/")).status == 204


async def test_without_it_a_line_says_how_to_get_it(serve_page: Serve, tmp_path: Path) -> None:
    visitor = await serve_page(tmp_path / "none.html")
    answer = await visitor("GET", "/")
    assert (answer.status, answer["content-type"]) == (404, "text/plain; charset=utf-8")
    assert re.fullmatch(r"[^\n]*make page[^\n]*\n", answer.body.decode())
    assert (await visitor("GET", "/health")).status == 200
