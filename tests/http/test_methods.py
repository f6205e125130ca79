"""Which methods there are, and what is said to all others."""

from __future__ import annotations

import pytest

from tests.support.asgi import Client

UPLOAD = "/api/uploads/" + "0" * 32
ALLOW = {
    "/": "GET, HEAD, OPTIONS",
    "/api/files": "GET, HEAD, OPTIONS",
    "/api/files/a": "GET, HEAD, PUT, POST, DELETE, OPTIONS",
    "/api/uploads": "GET, HEAD, POST, OPTIONS",
    UPLOAD: "GET, HEAD, PATCH, DELETE, OPTIONS",
    "/api/links": "POST, OPTIONS",
    "/health": "GET, HEAD, OPTIONS",
    "/ready": "GET, HEAD, OPTIONS",
}
REFUSED = {
    ("GET", "/"): (404, None),
    ("HEAD", "/"): (404, None),
    ("POST", "/api/files/a"): (405, "GET, HEAD, PUT, DELETE, OPTIONS"),
    ("POST", "/api/uploads"): (412, None),
    ("POST", "/api/links"): (415, None),
    ("GET", UPLOAD): (404, None),
    ("HEAD", UPLOAD): (404, None),
    ("PATCH", UPLOAD): (415, None),
    ("DELETE", UPLOAD): (404, None),
}
"""Methods that do something only with more than this test sends, or to what is there."""
METHODS = ["GET", "HEAD", "PUT", "DELETE", "OPTIONS", "POST", "PATCH", "TRACE", "PROPFIND", "get"]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("target", ALLOW)
async def test_unknown_methods_are_refused_with_what_is_allowed(
    client: Client, method: str, target: str
) -> None:
    await client("PUT", "/api/files/a", body=b"x")
    answer = await client(method, target)
    if method in ALLOW[target].split(", "):
        refused = REFUSED.get((method, target))
        assert answer.status in (200, 204) or (answer.status, answer.get("allow")) == refused
        return
    assert answer.status == 405
    assert method == "HEAD" or answer.slug == "method-not-allowed"
    assert answer["allow"] == ALLOW[target]
    assert (await client("GET", "/api/files")).json == ["a"]


@pytest.mark.parametrize("target", ALLOW)
async def test_options_tells_what_is_allowed(nobody: Client, target: str) -> None:
    answer = await nobody("OPTIONS", target)
    assert (answer.status, answer.body) == (204, b"")
    assert answer["allow"] == ALLOW[target]


@pytest.mark.parametrize(
    "target",
    [
        *("/api", "/api/", "/api/file", "/api/filesx", "/healthy", "/health//", "/ready/x", "*"),
        *("/index.html", "//", "/x", "/%2F", "/static/index.html", "/favicon.ico"),
    ],
)
@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "POST", "OPTIONS"])
async def test_other_paths_are_not_found(client: Client, method: str, target: str) -> None:
    answer = await client(method, target)
    assert answer.status == 404
    if method != "HEAD":
        assert answer.slug == "not-found"


async def test_health_asks_nothing_of_the_store(client: Client) -> None:
    answer = await client("GET", "/health")
    assert (answer.status, answer.json) == (200, {"status": "up"})
    assert answer["cache-control"] == "no-store"
