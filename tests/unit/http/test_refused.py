"""Bodies of refused requests: read on for a while so that the answer is seen, then no more."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from file_uploader.http import middleware
from tests.support.asgi import Answer, Client
from tests.support.double import StorageDouble, raise_
from tests.unit.http.conftest import container

FILE = "/api/files/a"
BODY = [b"x" * 1000] * 10

REFUSED = {
    "401": ("PUT", FILE, [("X-Auth-Token", "x")], 401),
    "404": ("PUT", "/api/nothing", [], 404),
    "404-public": ("PUT", "/nothing", [], 404),
    "405": ("POST", FILE, [], 405),
    "405-public": ("POST", "/health", [], 405),
    "400-name": ("PUT", "/api/files/..", [], 400),
    "400-header": ("PUT", FILE, [("Content-MD5", "x")], 400),
    "412": ("PUT", FILE, [("If-Match", "*")], 412),
    "200": ("GET", "/api/files", [], 200),
    "204": ("OPTIONS", FILE, [], 204),
    "204-head": ("HEAD", "/api/files", [], 204),
}


@pytest.mark.parametrize("kind", REFUSED)
@pytest.mark.parametrize("chunked", [False, True])
async def test_unread_bodies_are_drained_after_the_answer(
    client: Client, nobody: Client, kind: str, chunked: bool
) -> None:
    method, target, headers, status = REFUSED[kind]
    sender = nobody if kind == "401" else client
    length = None if chunked else 10_000
    answer = await sender(method, target, headers, BODY, length=length)
    assert (answer.status, answer.complete) == (status, True)
    assert not answer.asked_first, "the server would have sent 100 Continue"
    assert answer.received == 10_000
    assert answer["connection"] == "close"


async def test_also_when_nobody_foresaw_it(client: Client, double: StorageDouble) -> None:
    error = RuntimeError("boom")
    double.before["put"] = raise_(error)
    answer = await client.exchange("PUT", FILE, body=BODY).run()
    assert (answer.status, answer.asked_first, answer.received) == (500, False, 10_000)
    assert answer["connection"] == "close"
    assert answer.crash is error


async def test_an_error_after_the_whole_body_keeps_the_connection(
    client: Client, double: StorageDouble
) -> None:
    answer = await client("PUT", FILE, [("Content-MD5", "A" * 22 + "==")], BODY)
    assert (answer.status, answer.get("connection")) == (400, None)
    assert double.files == {}


@pytest.mark.parametrize("method", ["GET", "DELETE", "OPTIONS"])
async def test_without_a_body_there_is_nothing_to_close(client: Client, method: str) -> None:
    assert (await client(method, FILE)).get("connection") is None
    answer = await client(method, FILE, [("Content-Length", "0")])
    assert answer.get("connection") is None


async def test_draining_ends_with_the_client(client: Client) -> None:
    answer = await client("POST", FILE, body=BODY, ends=False)
    assert (answer.status, answer.complete) == (405, True)


async def test_draining_has_a_limit_of_bytes(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(middleware, "DRAIN_BYTES", 3500)
    answer = await client("POST", FILE, body=BODY)
    assert (answer.status, answer.received) == (405, 4000)


async def test_draining_has_a_limit_of_time(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(middleware, "DRAIN_SECONDS", 0.02)
    exchange = client.exchange("POST", FILE, body=BODY, stalls=True)
    async with asyncio.timeout(5):
        answer = await exchange.run()
    assert exchange.stalled.is_set()
    assert (answer.status, answer.complete, answer.received) == (405, True, 10_000)


def test_the_limits_are_the_documented_ones() -> None:
    assert (middleware.DRAIN_SECONDS, middleware.DRAIN_BYTES) == (2.0, 64 * 2**20)


async def cancelled(client: Client, body: list[bytes]) -> Answer:
    """A PUT whose client stalls and which the server then cancels."""
    exchange = client.exchange("PUT", FILE, body=body, stalls=True)
    task = asyncio.ensure_future(exchange.run())
    await exchange.until_stalled()
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    assert task.cancelled()
    return exchange.answer


@pytest.mark.parametrize("existing", [None, b"old"])
@pytest.mark.parametrize("chunks", [0, 1, 10])
async def test_a_cancelled_put_leaves_everything_as_it_was(
    client: Client, double: StorageDouble, existing: bytes | None, chunks: int
) -> None:
    if existing is not None:
        double.store(container(client), "a", existing)
    answer = await cancelled(client, BODY[:chunks])
    assert answer.status == 0
    assert double.calls["commit"] == 0
    found = double.files.get(container(client), {})
    assert [data for _, data in found.values()] == ([] if existing is None else [existing])
