"""What a browser is told that it may do with a file: by its type, and by where it was found."""

from __future__ import annotations

import pytest

from file_uploader.http.fields.sandbox import described
from tests.support.asgi import Client

SHOWN = "sandbox; default-src 'none'; style-src 'unsafe-inline'"
PLAYED = "sandbox allow-same-origin; default-src 'none'; media-src "
URL = "https://files.example.org:8443/api/links/1.a-b.c_d/a"

MEDIA = [
    "audio/wav",
    "audio/x-m4a",
    "Video/MP4",
    "video/webm;codecs=vp8,opus",
    'video/webm ; codecs="vp9, opus"',
    "video/vnd.dlna.mpeg-tts",
    "audio/mpegurl",
]
OTHERS = [
    "",
    "audio",
    "audio/",
    "text/html",
    "image/svg+xml",
    "image/png",
    "application/ogg",
    "video/a+xml",
    "audio/a+json",
    "video/mp4, text/html",
    "video/mp4;a=b,text/html",
    "text/html, video/mp4",
    " video/mp4",
    "video/mp4 text/html",
    "xvideo/mp4",
]
UNFIT = [
    "/api/files/a",
    "http:///api/files/a",
    "http://[::1]:8080/a",
    "http://a;b/a",
    "http://'self'/a",
    "http://a:b/a",
    "http://a/a;b",
    "http://a/a,b",
    "http://a/a b",
    "ftp://a/a",
]


def _policy(content_type: str, url: str) -> str:
    return described(content_type, lambda _path: url, b"/a")["content-security-policy"]


@pytest.mark.parametrize("content_type", MEDIA)
def test_media_may_fetch_themselves(content_type: str) -> None:
    assert _policy(content_type, URL) == PLAYED + URL


@pytest.mark.parametrize("content_type", OTHERS)
def test_nothing_else_may_fetch_anything(content_type: str) -> None:
    assert _policy(content_type, URL) == SHOWN


@pytest.mark.parametrize("url", UNFIT)
def test_a_url_that_is_no_source_gets_into_no_policy(url: str) -> None:
    assert _policy("video/mp4", url) == SHOWN


@pytest.mark.parametrize(
    ("sent", "source"),
    [
        ("a", "a"),
        ("b/%C3%A9%20%25", "b/%C3%A9%20%25"),
        ("a;b,c'd\"e", "a%3Bb%2Cc%27d%22e"),
        ("*", "%2A"),
    ],
)
async def test_the_source_is_the_file_as_it_was_asked_for(
    client: Client, sent: str, source: str
) -> None:
    assert (await client("PUT", f"/api/files/{sent}", [("Content-Type", "video/mp4")])).status < 300
    for query in ("", "?download"):
        answer = await client("GET", f"/api/files/{sent}{query}")
        assert answer["content-security-policy"] == f"{PLAYED}http://localhost/api/files/{source}"


@pytest.mark.parametrize(
    "content_type",
    [
        "application/signed-exchange;v=b3",
        "Application/Signed-Exchange",
        "text/plain, application/signed-exchange;v=b3",
        "multipart/x-mixed-replace; boundary=a",
        "multipart/related",
    ],
)
@pytest.mark.parametrize("disposition", [None, "inline"])
async def test_what_a_browser_would_follow_is_only_saved(
    client: Client, content_type: str, disposition: str | None
) -> None:
    headers = [("Content-Type", content_type)]
    headers += [] if disposition is None else [("Content-Disposition", disposition)]
    await client("PUT", "/api/files/dir/a.b", headers, b"x")
    for method in ("GET", "HEAD"):
        answer = await client(method, "/api/files/dir/a.b")
        assert answer["content-type"] == content_type
        assert answer["content-disposition"].startswith('attachment; filename="a.b"')


@pytest.mark.parametrize("host", ["a;script-src", "[::1]", "a'b"])
async def test_a_host_that_is_none_gets_into_no_policy(client: Client, host: str) -> None:
    await client("PUT", "/api/files/a", [("Content-Type", "video/mp4")])
    assert (await client("GET", "/api/files/a", host=host))["content-security-policy"] == SHOWN


async def test_without_a_host(client: Client) -> None:
    await client("PUT", "/api/files/a", [("Content-Type", "video/mp4")])
    answer = await client("GET", "/api/files/a", host=None, version="1.0")
    assert answer["content-security-policy"] == SHOWN
