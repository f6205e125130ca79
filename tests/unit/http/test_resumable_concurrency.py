"""Resumable Uploads for HTTP: several requests at once (draft, 4.6)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from file_uploader.http import middleware
from file_uploader.http.resumable import resource
from tests.support.asgi import Answer, Client, Exchange
from tests.support.double import StorageDouble
from tests.unit.http.resumable import (
    FILE,
    Pairs,
    append,
    begun,
    creation,
    is_complete,
    offset,
    stored,
)


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """The rest of a body that was ended here is not waited for."""
    monkeypatch.setattr(middleware, "DRAIN_SECONDS", 0.01)


@asynccontextmanager
async def silent(
    client: Client, method: str, uri: str, fields: Pairs
) -> AsyncIterator[tuple[Exchange, asyncio.Task[Answer]]]:
    """A request that has sent ``abc`` of its body, and then nothing more."""
    exchange = client.exchange(method, uri, fields, [b"abc"], stalls=True)
    serving = asyncio.create_task(exchange.run())
    await exchange.until_stalled()
    yield exchange, serving
    await serving


async def test_4_6_whoever_asks_ends_an_append_and_can_use_the_offset(client: Client) -> None:
    uri = await begun(client)
    async with silent(client, "PATCH", uri, append(0, complete=True)) as (_, serving):
        head = await client("HEAD", uri)
        assert (head["upload-offset"], head["upload-complete"]) == ("3", "?0")
        older = await serving
    assert (older.status, older.slug, is_complete(older)) == (409, "upload-taken-over", False)
    assert (await client("PATCH", uri, append(3, complete=True), b"def")).status == 204
    assert await stored(client) == b"abcdef"


async def test_4_6_whoever_asks_ends_a_creation(client: Client) -> None:
    async with silent(client, "PUT", FILE, creation(complete=True)) as (exchange, serving):
        uri = exchange.answer.interim[0].headers["location"]
        assert await offset(client, uri) == 3
        older = await serving
    assert (older.status, older["location"]) == (409, uri)
    assert (await client("PATCH", uri, append(3, complete=True), b"def")).status == 204
    assert await stored(client) == b"abcdef"


async def test_4_6_a_new_append_ends_the_older_one(client: Client) -> None:
    uri = await begun(client)
    async with silent(client, "PATCH", uri, append(0, complete=True)) as (_, serving):
        newer = await client("PATCH", uri, append(3, complete=True), b"def")
        assert (newer.status, (await serving).status) == (204, 409)
    assert await stored(client) == b"abcdef"


async def test_4_6_of_two_appends_at_one_offset_one_wins(client: Client) -> None:
    uri = await begun(client, b"abc")
    answers = await asyncio.gather(
        *(client("PATCH", uri, append(3, complete=False), piece) for piece in (b"def", b"DEF"))
    )
    assert sorted(answer.status for answer in answers) == [204, 409]
    assert await offset(client, uri) == 6


@pytest.mark.parametrize("first", ["PATCH", "DELETE"])
async def test_4_6_an_append_and_a_cancellation_at_once(
    client: Client, double: StorageDouble, first: str
) -> None:
    uri = await begun(client, b"abc")
    both = [
        client("PATCH", uri, append(3, complete=True), b"def"),
        client("DELETE", uri),
    ]
    answers = await asyncio.gather(*(both if first == "PATCH" else reversed(both)))
    appended, cancelled = answers if first == "PATCH" else reversed(answers)
    assert (cancelled.status, appended.status in (204, 404, 409)) == (204, True)
    assert await stored(client) == (b"abcdef" if appended.status == 204 else None)
    assert double.uploads.records == {}


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
async def test_4_5_cancelling_ends_what_is_under_way(
    client: Client, double: StorageDouble, method: str
) -> None:
    if method == "PUT":
        uri, fields = FILE, creation(complete=True)
    else:
        uri, fields = await begun(client), append(0, complete=True)
    async with silent(client, method, uri, fields) as (exchange, serving):
        if method == "PUT":
            uri = exchange.answer.interim[0].headers["location"]
        assert (await client("DELETE", uri)).status == 204
        assert (await serving).status in (404, 409)
    assert (await client("HEAD", uri)).status == 404
    assert double.uploads.records == {}
    assert await stored(client) is None


async def test_4_1_1_an_offset_that_was_told_holds(
    client: Client, double: StorageDouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resource, "PROGRESS_INTERVAL", 0.0)
    double.uploads.checkpoint = 1
    uri = await begun(client)
    async with silent(client, "PATCH", uri, append(0, complete=True)) as (exchange, _):
        assert exchange.answer.interim[-1].headers["upload-offset"] == "3"
        assert await offset(client, uri) == 3
