"""Waiting for a body: what ends the wait ends it also in the moment in which data arrives."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

import pytest

from file_uploader.server.body_receiver import Receiver


def _receiver() -> Receiver:
    request = SimpleNamespace(content_length=100, chunked=False)
    nothing = {"_maybe_resume_reading": lambda: None, "tell_end": lambda: None}
    return Receiver(request, SimpleNamespace(_closed=False, **nothing))


async def test_data_ends_the_wait() -> None:
    receiver = _receiver()
    waiting = asyncio.create_task(receiver.receive())
    await asyncio.sleep(0)
    receiver.feed(b"data")
    assert await waiting == {"type": "http.request", "body": b"data", "more_body": True}


async def test_a_cancellation_is_not_lost_to_data_that_arrives_with_it() -> None:
    receiver = _receiver()
    waiting = asyncio.create_task(receiver.receive())
    await asyncio.sleep(0)
    receiver.feed(b"data")
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert await receiver.receive() == {"type": "http.request", "body": b"data", "more_body": True}


async def test_a_limit_on_time_is_not_lost_to_data_that_arrives_with_it() -> None:
    receiver = _receiver()

    async def receive_in_time() -> None:
        loop = asyncio.get_running_loop()
        due = loop.time() + 0.01
        async with asyncio.timeout_at(due):
            loop.call_at(due, receiver.feed, b"data")
            await receiver.receive()
            await asyncio.sleep(10)

    with pytest.raises(TimeoutError):
        await receive_in_time()


async def test_the_end_of_the_connection_ends_the_wait() -> None:
    receiver = _receiver()
    waiting = asyncio.create_task(receiver.receive())
    await asyncio.sleep(0)
    receiver.signal_disconnect()
    assert await waiting == {"type": "http.disconnect"}


async def test_what_arrived_comes_before_the_end_of_the_connection() -> None:
    receiver = _receiver()
    receiver.feed(b"that")
    receiver.feed(b"this")
    receiver.signal_disconnect()
    assert [await receiver.receive() for _ in range(4)] == [
        {"type": "http.request", "body": b"that", "more_body": True},
        {"type": "http.request", "body": b"this", "more_body": True},
        {"type": "http.disconnect"},
        {"type": "http.disconnect"},
    ]
