"""The application on a store double, and two clients of it."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from file_uploader.http.app import create_app
from file_uploader.model.names import Container
from file_uploader.settings import Settings
from file_uploader.storage.base import Storage
from tests.support.asgi import Client, running
from tests.support.double import StorageDouble
from tests.support.tus import Tus

ALICE = "0a1b2c3d-4e5f-4a6b-8c7d-9e8f7a6b5c4d"
BOB = "f0e1d2c3-b4a5-4968-8778-695a4b3c2d1e"

NO_PAGES = Path("/nonexistent")

Serve = Callable[..., Awaitable[Client]]


def settings(**values: Any) -> Settings:
    """Settings that nothing outside of the test has a say in."""
    defaults: dict[str, Any] = {
        "bucket": None,
        "data_dir": Path("/nonexistent"),
        "idle_timeout": timedelta(seconds=30),
    }
    return Settings.model_construct(**{**defaults, **values})


def container(client: Client) -> Container:
    """Where a client's files are."""
    assert client.token is not None
    return Container.of(uuid.UUID(client.token))


@pytest.fixture
def double() -> StorageDouble:
    return StorageDouble()


@pytest.fixture
async def serve(double: StorageDouble) -> AsyncIterator[Serve]:
    """Start the application on the double with some settings of its own; gives a client.

    There is no page unless a test has one, whatever is built in the checkout.
    """

    async def open_double(_settings: Settings) -> Storage:
        return double

    async with AsyncExitStack() as stack:

        async def start(pages: Path = NO_PAGES, **values: Any) -> Client:
            app = create_app(settings(**values), open_double, pages)
            return Client(await stack.enter_async_context(running(app)), ALICE)

        yield start


@pytest.fixture
async def client(serve: Serve) -> Client:
    """The client that most tests are about."""
    return await serve()


@pytest.fixture
def other(client: Client) -> Client:
    """Another client of the same application."""
    return Client(client.app, BOB)


@pytest.fixture
def nobody(client: Client) -> Client:
    """Somebody without a token."""
    return Client(client.app)


@pytest.fixture
def tus(client: Client) -> Tus:
    """The client that most tests are about, speaking tus."""
    return Tus(client)
