"""Which methods there are, and what is said to all others."""

from __future__ import annotations

import pytest
from pydantic import SecretStr

from tests.support.asgi import Client
from tests.unit.http.conftest import Serve

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
    if (method, target) == ("OPTIONS", "*"):
        return
    assert answer.status == 404
    if method != "HEAD":
        assert answer.slug == "not-found"


async def test_options_of_the_server_as_a_whole(nobody: Client) -> None:
    """RFC 9110, 9.3.7: it tests what the server can do, wherever."""
    answer = await nobody("OPTIONS", "*")
    assert (answer.status, answer.body) == (204, b"")
    assert answer["allow"] == "GET, HEAD, PUT, POST, PATCH, DELETE, OPTIONS"


async def test_without_a_token_for_it_there_are_no_metrics(serve: Serve) -> None:
    without = await serve()
    for method in ("GET", "HEAD", "OPTIONS", "POST"):
        assert (await without(method, "/metrics")).status == 404
    answer = await (await serve(metrics_token=SecretStr("a" * 16)))("OPTIONS", "/metrics")
    assert (answer.status, answer["allow"]) == (204, "GET, HEAD, OPTIONS")


async def test_what_metrics_depend_on(serve: Serve) -> None:
    client = await serve(metrics_token=SecretStr("a" * 16))
    for token, status in (("a" * 16, 200), ("b" * 16, 401)):
        answer = await client("GET", "/metrics", [("Authorization", f"Bearer {token}")])
        assert (answer.status, answer["vary"]) == (status, "Authorization")
        assert answer["cache-control"] == "no-store"


@pytest.mark.parametrize("target", ["/api/uploads", UPLOAD])
@pytest.mark.parametrize("override", ["FOO", "TRACE", "delete", "", "PATCH, PATCH", "\u00e9"])
async def test_no_override_refuses_options(nobody: Client, target: str, override: str) -> None:
    """It is for those who do not know yet what is possible, and need no token for that."""
    answer = await nobody("OPTIONS", target, [("X-HTTP-Method-Override", override)])
    assert (answer.status, answer["allow"]) == (204, ALLOW[target])
    assert answer["tus-version"] == "1.0.0"


@pytest.mark.parametrize("target", ["/api/uploads", UPLOAD])
@pytest.mark.parametrize("method", ["GET", "POST", "PATCH", "DELETE", "FOO"])
@pytest.mark.parametrize("override", ["FOO", "PUT", "get", ""])
async def test_an_override_that_is_not_possible(
    client: Client, nobody: Client, method: str, target: str, override: str
) -> None:
    said = [("X-HTTP-Method-Override", override)]
    answer = await client(method, target, said)
    assert (answer.status, answer.slug) == (405, "method-not-allowed")
    assert answer["allow"] == ALLOW[target]
    assert repr(override) in answer.json["detail"]
    assert (await nobody(method, target, said)).status == 401


@pytest.mark.parametrize("target", ["/", "/api/files/a", "/api/links", "/health", "/none"])
async def test_elsewhere_nothing_is_overridden(client: Client, target: str) -> None:
    said = [("X-HTTP-Method-Override", "FOO")]
    for method in ("GET", "POST", "OPTIONS"):
        without, overridden = await client(method, target), await client(method, target, said)
        assert (without.status, without.headers) == (overridden.status, overridden.headers)


async def test_health_asks_nothing_of_the_store(client: Client) -> None:
    answer = await client("GET", "/health")
    assert (answer.status, answer.json) == (200, {"status": "up"})
    assert answer["cache-control"] == "no-store"
