"""Downloads that do not come to their end never look as if they had."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from file_uploader.errors import StorageError, StorageFailed, StorageTimeout, StorageUnavailable
from tests.support.asgi import Client
from tests.support.bodies import content
from tests.support.double import StorageDouble, raise_
from tests.unit.http.conftest import container

FILE = "/api/files/a"
DATA = content(10_000)


@pytest.fixture
def pieces(client: Client, double: StorageDouble) -> None:
    """A file that is read in ten pieces."""
    double.chunk_size = 1000
    double.store(container(client), "a", DATA)


@pytest.mark.usefixtures("pieces")
@pytest.mark.parametrize("error", [StorageFailed("bad"), StorageTimeout("late"), OSError(5, "io")])
@pytest.mark.parametrize("at", [2, 5, 10])
async def test_a_read_that_fails_on_the_way(
    client: Client, double: StorageDouble, error: Exception, at: int
) -> None:
    double.before["chunk"] = raise_(error, at=at)
    answer = await client.exchange("GET", FILE).run()
    assert (answer.status, answer.complete) == (200, False)
    assert answer["content-length"] == "10000"
    assert answer.body == DATA[: (at - 1) * 1000]
    assert double.open_files == 0


@pytest.mark.usefixtures("pieces")
@pytest.mark.parametrize(
    ("error", "status"),
    [(StorageFailed("bad"), 502), (StorageUnavailable("gone"), 503), (StorageTimeout("late"), 504)],
)
@pytest.mark.parametrize("step", ["open", "chunk"])
async def test_a_read_that_fails_at_its_start_is_an_error(
    client: Client, double: StorageDouble, step: str, error: StorageError, status: int
) -> None:
    double.before[step] = raise_(error)
    answer = await client("GET", FILE)
    assert (answer.status, answer.complete) == (status, True)
    assert answer.get("content-length") != "10000"
    assert answer.get("etag") is None
    assert double.open_files == 0


@pytest.mark.usefixtures("pieces")
async def test_no_more_is_read_than_the_client_takes(client: Client, double: StorageDouble) -> None:
    """Back-pressure: the next piece is read only when the last is gone."""
    exchange = client.exchange("GET", FILE, take=2)
    task = asyncio.ensure_future(exchange.run())
    await exchange.until_stalled()
    for _ in range(10):
        await asyncio.sleep(0)
    assert double.calls["chunk"] == 3
    assert double.open_files == 1
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    assert double.open_files == 0


@pytest.mark.usefixtures("pieces")
async def test_head_reads_nothing(client: Client, double: StorageDouble) -> None:
    assert (await client("HEAD", FILE)).status == 200
    assert (double.calls["open"], double.calls["chunk"]) == (0, 0)
