"""What goes on although nobody waits for it any more."""

from __future__ import annotations

import asyncio
import gc
import threading

import pytest

from file_uploader.errors import StorageUnavailable
from file_uploader.transfer.tasks import OwnedTasks, ended, outcome


async def test_a_result_and_a_failure_come_through() -> None:
    loop = asyncio.get_running_loop()

    def fail() -> None:
        raise OSError("it broke")

    assert await ended(loop.run_in_executor(None, lambda: 5)) == 5
    with pytest.raises(OSError, match="it broke"):
        await ended(loop.run_in_executor(None, fail))


async def test_who_is_cancelled_waits_for_the_thread_and_hears_no_more_of_it() -> None:
    go, begun = threading.Event(), threading.Event()
    complaints: list[object] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: complaints.append(context))

    def work() -> None:
        begun.set()
        assert go.wait(10)
        raise OSError("it broke")

    waiting = asyncio.create_task(ended(loop.run_in_executor(None, work)))
    assert await asyncio.to_thread(begun.wait, 10)
    waiting.cancel()
    await asyncio.sleep(0.01)
    assert not waiting.done()
    go.set()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    gc.collect()
    await asyncio.sleep(0)
    assert complaints == []


async def test_a_failure_that_is_expected_needs_nobody_who_waits() -> None:
    tasks, go = OwnedTasks(), asyncio.Event()
    complaints: list[object] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: complaints.append(context))

    async def work() -> None:
        await go.wait()
        raise StorageUnavailable("not now")

    waiting = asyncio.create_task(outcome(tasks.start(work())))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.wait([waiting])
    del waiting  # which holds on to the other
    go.set()
    await tasks.drain()
    gc.collect()
    await asyncio.sleep(0)
    assert complaints == []


async def test_a_task_ends_although_its_caller_is_gone() -> None:
    tasks, go, done = OwnedTasks(), asyncio.Event(), asyncio.Event()

    async def work() -> None:
        await go.wait()
        done.set()

    caller = asyncio.create_task(tasks.finish(work()))
    await asyncio.sleep(0)
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    go.set()
    await tasks.drain()
    assert done.is_set()
