"""ClientBody: a body ends normally only when it is whole, in time and what was announced."""

from __future__ import annotations

import asyncio
import hashlib
import threading
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from file_uploader.errors import (
    BodyError,
    BodyLengthMismatch,
    BodyTimeout,
    ClientDisconnected,
    DigestMismatch,
    FileTooLarge,
    InvalidInput,
)
from file_uploader.model.files import TransferLimits
from file_uploader.transfer import body as body_module
from file_uploader.transfer.body import ClientBody
from file_uploader.transfer.hashing import HASH_BATCH, Hashing
from tests.support.bodies import (
    BREAKAGES,
    KIB,
    MIB,
    Breakage,
    Source,
    body_of,
    content,
    pieces,
    ragged,
)
from tests.support.waiting import happens

ALGORITHMS = ["md5", "sha1", "sha256", "sha512"]


async def pulled(body: ClientBody) -> bytes:
    chunks = [chunk async for chunk in body]
    assert all(chunks), "an empty chunk"
    return b"".join(chunks)


def digest(algorithm: str, data: bytes) -> bytes:
    return hashlib.new(algorithm, data, usedforsecurity=False).digest()


# -- what comes through ---------------------------------------------------------------------------


@pytest.mark.parametrize("size", [0, 1, 16 * KIB, HASH_BATCH - 1, HASH_BATCH + 1, 3 * MIB])
@pytest.mark.parametrize("chunk", [1000, 16 * KIB - 1, 16 * KIB, HASH_BATCH, MIB])
async def test_bytes_and_digests_for_every_chunking(size: int, chunk: int) -> None:
    data = content(size)
    expected = {name: digest(name, data) for name in ALGORITHMS}
    for announced in (True, False):
        body = body_of(data, chunk=chunk, announced=announced, expected=expected)
        assert await pulled(body) == data
        assert body.received == size
        assert body.length == (size if announced else None)
        assert body.sha256 == expected["sha256"]


@pytest.mark.parametrize("seed", range(20))
async def test_digests_of_ragged_chunks(seed: int) -> None:
    """Small and large pieces by turns: some are hashed at once, some in a thread, in order."""
    data = content(2 * MIB, seed)
    body = body_of(data, chunks=ragged(data, seed, largest=512 * KIB))
    assert await pulled(body) == data
    assert body.sha256 == digest("sha256", data)


@settings(max_examples=50, deadline=None)
@given(chunks=st.lists(st.binary(max_size=50)))
async def test_any_chunks_empty_ones_included(chunks: list[bytes]) -> None:
    data = b"".join(chunks)
    body = ClientBody(Source(chunks), length=len(data), expected={"md5": digest("md5", data)})
    assert await pulled(body) == data
    assert body.sha256 == digest("sha256", data)


async def test_one_byte_at_a_time() -> None:
    data = content(5000)
    assert await pulled(body_of(data, chunk=1)) == data


async def test_other_digests_on_request() -> None:
    data = content(300 * KIB)
    body = ClientBody(Source(pieces(data, KIB)), algorithms=["sha256", "sha512"])
    await pulled(body)
    assert body.digests == {name: digest(name, data) for name in ("sha256", "sha512")}


async def test_the_digest_is_known_only_at_the_end() -> None:
    body = body_of(b"abc", chunk=1, expected={"sha256": digest("sha256", b"abc")})
    assert body.announced_sha256 == digest("sha256", b"abc")
    for _ in range(3):
        await anext(body)
        with pytest.raises(RuntimeError):
            _ = body.sha256
    with pytest.raises(StopAsyncIteration):
        await anext(body)
    assert body.sha256 == digest("sha256", b"abc")
    assert body_of(b"").announced_sha256 is None


async def test_a_small_chunk_does_not_overtake_the_thread(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """While a thread hashes, what comes after waits for it, however small it is."""
    go = threading.Event()
    order: list[int] = []
    hashing = Hashing._hash

    def held(self: Hashing, chunks: list[bytes]) -> None:
        size = sum(map(len, chunks))
        if size >= HASH_BATCH:
            assert go.wait(10)
        order.append(size)
        hashing(self, chunks)

    monkeypatch.setattr(Hashing, "_hash", held)
    data = content(HASH_BATCH + 10)
    body = body_of(data, chunks=[data[:HASH_BATCH], data[HASH_BATCH:]])
    await anext(body)
    await anext(body)
    assert order == []
    go.set()
    with pytest.raises(StopAsyncIteration):
        await anext(body)
    assert order == [HASH_BATCH, 10]
    assert body.sha256 == digest("sha256", data)


# -- what does not --------------------------------------------------------------------------------


@pytest.mark.parametrize("breakage", BREAKAGES, ids=str)
@pytest.mark.parametrize(("size", "after"), [(2, 0), (2, 1), (100, 99), (600 * KIB, 400 * KIB)])
async def test_every_breakage(breakage: Breakage, size: int, after: int) -> None:
    data = content(size)
    body = breakage.body(data, after)
    got = b""
    with pytest.raises(breakage.error):  # noqa: PT012 - what came before the error counts
        async for chunk in body:
            got += chunk
    assert data.startswith(got)
    with pytest.raises(RuntimeError):
        _ = body.sha256
    assert isinstance(breakage.error(), BodyError | InvalidInput | FileTooLarge)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
async def test_a_wrong_digest_is_named(algorithm: str) -> None:
    expected = {name: digest(name, b"abc") for name in ALGORITHMS}
    expected[algorithm] = digest(algorithm, b"abd")
    with pytest.raises(DigestMismatch, match=algorithm):
        await pulled(body_of(b"abc", expected=expected))


async def test_more_than_announced_is_noticed_before_the_end() -> None:
    source = Source([b"12345", b"6"], stall=True)
    body = ClientBody(source, length=5)
    assert await anext(body) == b"12345"
    with pytest.raises(BodyLengthMismatch):
        await anext(body)


async def test_the_limit_is_noticed_as_soon_as_it_is_passed() -> None:
    body = ClientBody(Source([b"12345", b"6"], stall=True), limits=TransferLimits(max_size=5))
    assert await anext(body) == b"12345"
    with pytest.raises(FileTooLarge):
        await anext(body)


def test_an_announced_length_over_the_limit_is_refused_unread() -> None:
    limits = TransferLimits(max_size=5)
    ClientBody(Source([]), length=5, limits=limits)
    with pytest.raises(FileTooLarge):
        ClientBody(Source([]), length=6, limits=limits)


async def test_exactly_the_limit_is_allowed() -> None:
    limits = TransferLimits(max_size=5)
    assert await pulled(body_of(b"12345", announced=False, limits=limits)) == b"12345"


async def test_errors_of_the_source_pass_unchanged() -> None:
    error = ClientDisconnected("gone")
    with pytest.raises(ClientDisconnected) as caught:
        await pulled(ClientBody(Source([b"1"], error=error)))
    assert caught.value is error


# -- how long the client may take -----------------------------------------------------------------


class Clock:
    """Time as `file_uploader.transfer.body` sees it: it passes only when told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(body_module, "time", SimpleNamespace(monotonic=made.monotonic))
    return made


async def timed(clock: Clock, *steps: tuple[float, int]) -> AsyncIterator[bytes]:
    """Each chunk of so many bytes takes the client so many seconds."""
    for seconds, size in steps:
        clock.now += seconds
        yield bytes(size)


RATE = TransferLimits(min_rate=100, rate_window=timedelta(seconds=10))


@pytest.mark.parametrize(
    ("steps", "in_time"),
    [
        ([(1, 100)] * 30, True),
        ([(1, 99)] * 9, True),  # less than a window: not judged yet
        ([(1, 99)] * 10, False),
        ([(5, 500)] * 8, True),
        ([(9.9, 1), (0.1, 999)], True),
        ([(9.9, 1), (0.1, 998)], False),
        ([(1, 5000)] * 10 + [(1, 99)] * 10, False),  # having been fast earns nothing
        ([(25, 2500)], True),
        ([(25, 2499)], False),
        ([(0, 1)] * 5000, True),
    ],
)
async def test_the_rate_over_each_window(
    clock: Clock, steps: list[tuple[float, int]], in_time: bool
) -> None:
    body = ClientBody(timed(clock, *steps), limits=RATE)
    if in_time:
        assert len(await pulled(body)) == sum(size for _, size in steps)
    else:
        with pytest.raises(BodyTimeout, match="100 bytes a second"):
            await pulled(body)


async def test_time_that_the_consumer_takes_is_not_the_clients(clock: Clock) -> None:
    body = ClientBody(timed(clock, *[(0.01, 1)] * 50), limits=RATE)
    async for _ in body:
        clock.now += 1000


async def test_a_slow_consumer_is_no_idle_client() -> None:
    limits = TransferLimits(idle_timeout=timedelta(milliseconds=20))
    body = ClientBody(Source([b"1", b"2"]), limits=limits)
    assert await anext(body) == b"1"
    await asyncio.sleep(0.05)
    assert await anext(body) == b"2"


async def test_an_idle_client() -> None:
    limits = TransferLimits(idle_timeout=timedelta(milliseconds=20))
    body = ClientBody(Source([b"1"], stall=True), limits=limits)
    assert await anext(body) == b"1"
    with pytest.raises(BodyTimeout, match=r"0\.02 s"):
        await anext(body)


async def test_empty_chunks_do_not_keep_a_connection_alive() -> None:
    async def nothing() -> AsyncIterator[bytes]:
        while True:
            await asyncio.sleep(0.005)
            yield b""

    limits = TransferLimits(idle_timeout=timedelta(milliseconds=50))
    async with asyncio.timeout(5):
        with pytest.raises(BodyTimeout):
            await anext(ClientBody(nothing(), limits=limits))


# -- leaving nothing behind -----------------------------------------------------------------------


@pytest.mark.parametrize("breakage", BREAKAGES, ids=str)
async def test_an_error_leaves_no_task(breakage: Breakage) -> None:
    before = asyncio.all_tasks()
    with pytest.raises(breakage.error):
        await pulled(breakage.body(content(600 * KIB), 300 * KIB))
    assert asyncio.all_tasks() == before


@pytest.mark.parametrize("sent", [0, 1, 300 * KIB])
async def test_cancelled_while_waiting(sent: int) -> None:
    """It stays a cancellation, though a timeout of our own is running at the time."""
    source = Source(pieces(content(sent), 64 * KIB), stall=True)
    pulling = asyncio.create_task(pulled(ClientBody(source)))
    await happens(source.stalled, "what the client sends is taken")
    pulling.cancel()
    with pytest.raises(asyncio.CancelledError):
        await pulling
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_cancelled_while_a_thread_hashes(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The thread ends by itself, and nobody complains of a future that nobody awaited."""
    go, begun, done = threading.Event(), threading.Event(), threading.Event()
    hashing: Callable[[Hashing, list[bytes]], None] = Hashing._hash

    def held(self: Hashing, chunks: list[bytes]) -> None:
        begun.set()
        assert go.wait(10)
        hashing(self, chunks)
        done.set()

    monkeypatch.setattr(Hashing, "_hash", held)
    complaints: list[object] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: complaints.append(context))
    pulling = asyncio.create_task(pulled(body_of(content(HASH_BATCH))))
    assert await asyncio.to_thread(begun.wait, 10)
    for _ in range(5):
        await asyncio.sleep(0)
    pulling.cancel()
    with pytest.raises(asyncio.CancelledError):
        await pulling
    go.set()
    assert await asyncio.to_thread(done.wait, 10)
    await asyncio.sleep(0)
    assert complaints == []
    assert capsys.readouterr().err == ""
