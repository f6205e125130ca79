"""From the start of the application to its end."""

from __future__ import annotations

import asyncio

import pytest
from starlette.types import Message, Receive, Scope, Send

from file_uploader import metrics
from file_uploader.errors import ConfigurationError, StorageUnavailable
from file_uploader.http import app as http_app
from file_uploader.http.app import create_app
from file_uploader.settings import Settings
from file_uploader.storage.base import Storage
from file_uploader.storage.upkeep import Flaw, Swept
from tests.support import asgi
from tests.support.asgi import Client, running
from tests.support.double import StorageDouble
from tests.unit.http.conftest import ALICE, Serve, settings


async def test_the_store_is_opened_at_the_start_and_closed_at_the_end(
    double: StorageDouble,
) -> None:
    opened = []

    async def open_double(given: Settings) -> Storage:
        opened.append(given)
        return double

    mine = settings(max_file_size=5)
    app = create_app(mine, open_double)
    assert opened == []
    async with running(app):
        assert opened == [mine]
        assert (await Client(app, ALICE)("GET", "/api/files")).status == 200
        assert not double.closed
    assert double.closed


async def test_a_store_that_cannot_be_opened_stops_the_start() -> None:
    async def fail(_settings: Settings) -> Storage:
        raise ConfigurationError("DATA_DIR: not writable")

    with pytest.raises(AssertionError, match=r"lifespan\.startup\.failed"):
        async with running(create_app(settings(), fail)):
            pass


@pytest.mark.parametrize(
    "error", [StorageUnavailable("gone"), OSError(5, "io"), RuntimeError("boom")]
)
async def test_the_sweep_goes_on_after_a_failure(
    serve: Serve,
    double: StorageDouble,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    error: Exception,
) -> None:
    monkeypatch.setattr(http_app, "SWEEP_INTERVAL", 0.001)
    third = asyncio.Event()

    async def fail_twice() -> None:
        if double.calls["sweep"] < 3:
            raise error
        third.set()

    double.before["sweep"] = fail_twice
    await serve()
    async with asyncio.timeout(5):
        await third.wait()
    assert caplog.text.count("the sweep failed") == 2


def findings() -> float:
    [metric] = metrics.SWEEP_FINDINGS.collect()
    return metric.samples[0].value


async def test_what_a_sweep_cannot_remove_is_logged_and_counted(
    serve: Serve,
    double: StorageDouble,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Once in each sweep, in so many lines; the next sweep comes all the same."""
    monkeypatch.setattr(http_app, "SWEEP_INTERVAL", 0.001)
    monkeypatch.setattr(http_app, "MOST_LOGGED", 2)
    counted = findings()
    third = asyncio.Event()

    async def find() -> None:
        double.swept = Swept()
        if double.calls["sweep"] > 2:
            third.set()
            return
        for number in range(5):
            double.swept.tell(Flaw("it cannot be removed", name=f"\u202e{number}\n"))

    double.before["sweep"] = find
    await serve()
    async with asyncio.timeout(5):
        await third.wait()
    assert caplog.text.count("%E2%80%AE0%0A: it cannot be removed") == 2
    assert caplog.text.count("it cannot be removed") == 4
    assert caplog.text.count("could not look at or remove 5 things in all") == 2
    assert findings() == counted + 10


async def test_the_store_is_closed_while_a_sweep_runs(double: StorageDouble) -> None:
    sweeping = asyncio.Event()

    async def for_ever() -> None:
        sweeping.set()
        await asyncio.Event().wait()

    double.before["sweep"] = for_ever

    async def open_double(_settings: Settings) -> Storage:
        return double

    async with running(create_app(settings(), open_double)), asyncio.timeout(5):
        await sweeping.wait()
    assert double.closed


async def test_a_sweep_holds_up_no_request(serve: Serve, double: StorageDouble) -> None:
    async def for_ever() -> None:
        await asyncio.Event().wait()

    double.before["sweep"] = for_ever
    client = await serve()
    assert (await client("GET", "/api/files")).status == 200


async def test_a_websocket_is_refused(client: Client) -> None:
    sent = []

    async def receive() -> Message:
        return {"type": "websocket.connect"}

    async def send(message: Message) -> None:
        sent.append(message["type"])

    scope = {"type": "websocket", "path": "/api/files", "raw_path": b"/api/files", "headers": []}
    await client.app(scope, receive, send)
    assert sent == ["websocket.close"]


async def test_a_request_that_is_never_served_fails_its_test(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def silent(_scope: Scope, _receive: Receive, _send: Send) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(asgi, "PATIENCE", 0.01)
    with pytest.raises(AssertionError, match="GET b'/health' was not served within"):
        await Client(silent)("GET", "/health")
