"""HTTP/1.1 needs one valid Host (RFC 9112, 3.2), whatever else the request says."""

from __future__ import annotations

import pytest

from tests.support.asgi import Client
from tests.support.double import StorageDouble
from tests.unit.http.conftest import Serve

GOOD = [
    "localhost",
    "localhost:8080",
    "[::1]:8080",
    "files.example.org",
    "xn--bcher-kva.example",
]
BAD = [
    "",
    "a b",
    "a,b",
    "a/b",
    "user@host",
    "a?b",
    "a#b",
    "a\tb",
    "<x>",
    "h:port",
    "[::1",
    "caf\xe9",
]


@pytest.mark.parametrize("host", GOOD)
async def test_a_valid_host(client: Client, host: str) -> None:
    assert (await client("GET", "/api/files", host=host)).status == 200


@pytest.mark.parametrize("host", [None, *BAD])
@pytest.mark.parametrize("target", ["/api/files", "/health"])
async def test_none_or_a_bad_one(client: Client, host: str | None, target: str) -> None:
    answer = await client("GET", target, host=host)
    assert (answer.status, answer.slug) == (400, "bad-request")


async def test_two(client: Client) -> None:
    answer = await client("GET", "/api/files", [("Host", "localhost")])
    assert (answer.status, answer.slug) == (400, "bad-request")


async def test_http_1_0_may_go_without(client: Client) -> None:
    assert (await client("GET", "/api/files", host=None, version="1.0")).status == 200


async def test_an_upload_without_is_refused_unread_and_then_drained(
    serve: Serve, double: StorageDouble
) -> None:
    client = await serve()
    answer = await client("PUT", "/api/files/a", body=[b"x"] * 3, host=None)
    assert (answer.status, answer.asked_first) == (400, False)
    assert answer["connection"] == "close"
    assert answer.received == 3
    assert double.files == {}
