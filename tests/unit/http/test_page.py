"""The page at `/`: what it may do, how it is sent, and what is there without it."""

from __future__ import annotations

import asyncio
import gzip
import re
from base64 import b64encode
from hashlib import sha256
from pathlib import Path

import pytest

from tests.support.asgi import Client
from tests.unit.http.conftest import Serve

SCRIPT = "const greeting = `<p>&amp; höflich</p>`;\nif (1 < 2 && 3 > 2) show(greeting);\n"
STYLE = "body > p::after { content: '</p>' }"
HTML = f"""<!doctype html>
<html lang="en">
  <head>
    <title>A page</title>
    <script type="module" crossorigin>{SCRIPT}</script>
    <style rel="stylesheet" crossorigin>{STYLE}</style>
  </head>
  <body><p>No script, no style.</p></body>
</html>
"""
GZIP = ("Accept-Encoding", "gzip, deflate, br")


def source(text: str) -> str:
    """The source expression that allows an inline text (CSP 3, 2.3.1)."""
    return f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"


@pytest.fixture
def page_file(tmp_path: Path) -> Path:
    return write(tmp_path / "index.html", HTML)


def write(path: Path, html: str) -> Path:
    """Put a page there, with its newlines as they are."""
    path.write_bytes(html.encode())
    return path


@pytest.fixture
async def nobody(serve: Serve, page_file: Path) -> Client:
    """Somebody without a token, where there is a page."""
    return Client((await serve(page_file.parent)).app)


async def directives(serve: Serve, page_file: Path, html: str) -> dict[str, list[str]]:
    """The policy that this page is sent with."""
    answer = await (await serve(write(page_file, html).parent))("GET", "/")
    assert answer.body == html.encode()
    pairs = (one.split() for one in answer["content-security-policy"].split(";"))
    return {name: sources for name, *sources in pairs}


async def test_it_is_sent_to_who_has_no_token(nobody: Client) -> None:
    answer = await nobody("GET", "/")
    assert (answer.status, answer.body.decode()) == (200, HTML)
    assert answer["content-type"] == "text/html; charset=utf-8"
    assert answer["content-length"] == str(len(HTML.encode()))
    assert answer["content-security-policy"] == (
        f"default-src 'none'; script-src {source(SCRIPT)}; style-src {source(STYLE)}; "
        "img-src 'self' blob: data:; media-src 'self' blob:; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    assert answer["x-content-type-options"] == "nosniff"
    assert answer["referrer-policy"] == "no-referrer"
    assert answer["cross-origin-opener-policy"] == "same-origin"
    assert answer["cross-origin-resource-policy"] == "same-origin"
    assert answer["cache-control"] == "no-cache"
    assert answer["vary"] == "Accept-Encoding"
    assert re.fullmatch(r'"[0-9a-f]{64}"', answer["etag"])
    switched_off = answer["permissions-policy"].split(", ")
    assert {"camera=()", "microphone=()", "geolocation=()"} <= set(switched_off)
    assert "clipboard-write" not in answer["permissions-policy"]


@pytest.mark.parametrize("target", ["/", "/api/openapi.json"])
async def test_those_who_ask_first_and_at_once_get_the_same(nobody: Client, target: str) -> None:
    answers = await asyncio.gather(*(nobody("GET", target) for _ in range(5)))
    assert {answer.status for answer in answers} == {200}
    assert len({(answer.body, answer["etag"]) for answer in answers}) == 1


@pytest.mark.parametrize("target", ["/?", "/?lang=de&x", "http://localhost", "http://localhost/"])
async def test_it_is_the_same_whatever_the_query(nobody: Client, target: str) -> None:
    assert (await nobody("GET", target)).body == (await nobody("GET", "/")).body


async def test_a_script_that_is_changed_by_a_byte_has_another_hash(
    serve: Serve, page_file: Path
) -> None:
    before = await directives(serve, page_file, HTML)
    after = await directives(serve, page_file, HTML.replace("1 < 2", "1 < 3"))
    assert after["script-src"] == [source(SCRIPT.replace("1 < 2", "1 < 3"))]
    assert after["script-src"] != before["script-src"]
    assert after["style-src"] == before["style-src"]


@pytest.mark.parametrize(
    ("html", "scripts", "styles"),
    [
        ("<p>text</p>", [], []),
        ("<script></script>", [""], []),
        ("<SCRIPT>a</SCRIPT><Style>b</Style>", ["a"], ["b"]),
        ("<script> a\n</script><p>x</p><script defer>b</script>", [" a\n", "b"], []),
        ("<style>a</style>x<style media='print'>&gt; b</style>", [], ["a", "&gt; b"]),
        ("<script data-x='a > b' type=module>a && '<p>'</script>", ["a && '<p>'"], []),
        ("<script src='x.js'></script><script>a</script>", ["a"], []),
        ("<!-- <script>a</script> --><script>b</script>", ["b"], []),
        ("<script>a\r\nb\rc</script>", ["a\nb\nc"], []),
        ("<script>'<style>x</style>'</script><style>y</style>", ["'<style>x</style>'"], ["y"]),
        (f"<script>{'</a>' * 5000}</script>", ["</a>" * 5000], []),
    ],
)
async def test_every_inline_script_and_style_is_allowed_and_nothing_else(
    serve: Serve, page_file: Path, html: str, scripts: list[str], styles: list[str]
) -> None:
    policy = await directives(serve, page_file, html)
    assert policy["script-src"] == [source(text) for text in scripts] or ["'none'"]
    assert policy["style-src"] == [source(text) for text in styles] or ["'none'"]


@pytest.mark.parametrize(
    ("accepted", "coding"),
    [
        (None, None),
        ("", None),
        ("identity", None),
        ("br, deflate", None),
        ("gzip;q=0", None),
        ("gzip; q=0.000, *", None),
        ("*;q=0", None),
        ("gzip;q=high", None),
        ("gzip", "gzip"),
        ("GZIP", "gzip"),
        ("gzip, deflate, br, zstd", "gzip"),
        ("br;q=1.0, gzip;q=0.2", "gzip"),
        ("*", "gzip"),
        ("identity;q=0, *;q=0.5", "gzip"),
    ],
)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_it_is_compressed_for_who_takes_that(
    nobody: Client, method: str, accepted: str | None, coding: str | None
) -> None:
    headers = [] if accepted is None else [("Accept-Encoding", accepted)]
    answer = await nobody(method, "/", headers)
    assert (answer.status, answer.get("content-encoding")) == (200, coding)
    assert answer["vary"] == "Accept-Encoding"
    if method == "HEAD":
        assert answer.body == b""
        whole = (await nobody("GET", "/", headers)).body
    else:
        whole = answer.body
    assert answer["content-length"] == str(len(whole))
    assert (gzip.decompress(whole) if coding else whole) == HTML.encode()


async def test_the_same_page_has_the_same_tags_in_every_process(
    serve: Serve, page_file: Path
) -> None:
    one, another = await serve(page_file.parent), await serve(page_file.parent)
    for headers in ([], [GZIP]):
        answers = [await client("GET", "/", headers) for client in (one, another)]
        assert answers[0].body == answers[1].body
        assert answers[0]["etag"] == answers[1]["etag"]


async def test_tags_tell_pages_and_codings_apart(serve: Serve, page_file: Path) -> None:
    clients = [await serve(write(page_file, html).parent) for html in (HTML, HTML + "\n")]
    tags = [(await one("GET", "/", headers))["etag"] for one in clients for headers in ([], [GZIP])]
    assert len(set(tags)) == 4


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("headers", [[], [GZIP]], ids=["plain", "gzip"])
async def test_who_has_it_gets_no_copy(
    nobody: Client, method: str, headers: list[tuple[str, str]]
) -> None:
    first = await nobody("GET", "/", headers)
    tag = first["etag"]
    for known in (tag, f"W/{tag}", f'"x", {tag}', "*"):
        answer = await nobody(method, "/", [*headers, ("If-None-Match", known)])
        assert (answer.status, answer.body) == (304, b"")
        for name in ("etag", "cache-control", "vary", "content-security-policy"):
            assert answer[name] == first[name]
        assert answer.get("content-length") is None
    assert (await nobody(method, "/", [*headers, ("If-None-Match", '"x"')])).status == 200


async def test_the_tag_of_another_coding_is_not_this_one(nobody: Client) -> None:
    tag = (await nobody("GET", "/", [GZIP]))["etag"]
    assert (await nobody("GET", "/", [("If-None-Match", tag)])).status == 200


async def test_a_list_of_tags_that_is_none_is_refused(nobody: Client) -> None:
    answer = await nobody("GET", "/", [("If-None-Match", "x")])
    assert (answer.status, answer.slug) == (400, "invalid-header")


async def test_it_takes_no_other_method(nobody: Client) -> None:
    for method in ("PUT", "POST", "PATCH", "DELETE", "PROPFIND"):
        answer = await nobody(method, "/", body=b"x")
        assert (answer.status, answer.slug) == (405, "method-not-allowed")
        assert answer["allow"] == "GET, HEAD, OPTIONS"
    assert (await nobody("OPTIONS", "/"))["allow"] == "GET, HEAD, OPTIONS"


@pytest.mark.parametrize("target", ["/index.html", "//", "/./", "/x", "/%2F", "/static/index.html"])
async def test_it_is_nowhere_else(nobody: Client, target: str) -> None:
    answer = await nobody("GET", target)
    assert (answer.status, answer.slug) == (404, "not-found")


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_without_the_file_one_line_tells_how_to_get_it(client: Client, method: str) -> None:
    answer = await client(method, "/")
    assert (answer.status, answer["content-type"]) == (404, "text/plain; charset=utf-8")
    assert answer["x-content-type-options"] == "nosniff"
    if method == "GET":
        (line,) = answer.body.decode().splitlines()
        assert "`make page`" in line
    assert (await client("GET", "/api/files")).json == []


async def test_the_page_is_the_one_that_was_there_at_the_start(
    nobody: Client, page_file: Path
) -> None:
    write(page_file, "<p>another</p>")
    assert (await nobody("GET", "/")).body.decode() == HTML
