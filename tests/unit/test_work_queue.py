"""Work in a thread beside whoever brings it: in order, bounded, and nothing is ever left lying."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable

import pytest

from file_uploader.transfer.work_queue import AHEAD, WorkQueue


def _start(function: Callable[[], None]) -> asyncio.Future[None]:
    return asyncio.get_running_loop().run_in_executor(None, function)


async def test_all_is_done_in_order() -> None:
    done: list[int] = []
    gone: list[int] = []
    queue = WorkQueue(done.append, _start, gone.append)
    assert not queue.pending
    for round_ in range(20):
        for piece in range(100):
            await queue.put(piece)
            if piece % (round_ + 1) == 0:
                await asyncio.sleep(0)
        await queue.finish()
        assert not queue.pending
        assert done == gone == list(range(100))
        done.clear()
        gone.clear()


async def test_nobody_runs_far_ahead() -> None:
    go = threading.Semaphore(0)
    queue: WorkQueue[int] = WorkQueue(lambda _: bool(go.acquire()), _start)  # type: ignore[arg-type]
    for piece in range(AHEAD + 1):
        await queue.put(piece)
    further = asyncio.create_task(queue.put(9))
    await asyncio.sleep(0.01)
    assert not further.done()
    assert queue.pending == AHEAD + 2
    go.release()
    await further
    go.release(AHEAD + 1)
    await queue.finish()


async def test_what_fails_fails_whoever_comes_next() -> None:
    done: list[int] = []
    gone: list[int] = []

    def work(piece: int) -> None:
        if piece == 2:
            raise OSError("it broke")
        done.append(piece)

    queue = WorkQueue(work, _start, gone.append)
    with pytest.raises(OSError, match="it broke"):  # noqa: PT012
        for piece in range(100):
            await queue.put(piece)
    with pytest.raises(OSError, match="it broke"):
        await queue.finish()
    with pytest.raises(OSError, match="it broke"):
        await queue.put(100)
    assert done == [0, 1]
    await asyncio.sleep(0)
    assert {0, 1, 2, 100} <= set(gone)
    assert len(gone) == len(set(gone)), "each is let go of once"


async def test_who_waits_for_room_can_be_cancelled() -> None:
    go = threading.Event()
    gone: list[int] = []
    queue: WorkQueue[int] = WorkQueue(lambda _: bool(go.wait(10)), _start, gone.append)  # type: ignore[arg-type]
    for piece in range(AHEAD + 1):
        await queue.put(piece)
    waiting = asyncio.create_task(queue.put(9))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert gone == [9]
    go.set()
    await queue.finish()
    assert sorted(gone) == [*range(AHEAD + 1), 9]


async def test_a_piece_that_comes_as_the_thread_ends_is_done_as_well() -> None:
    """The thread has found nothing more; that it has ended is not known on the event loop yet."""
    done: list[int] = []
    queue = WorkQueue(done.append, _start)
    for piece in range(300):
        await queue.put(piece)
        while not done or done[-1] != piece:  # noqa: ASYNC110
            await asyncio.sleep(0)
    await queue.finish()
    assert done == list(range(300))


async def test_threads_that_are_not_there_any_more_fail_it() -> None:
    gone: list[int] = []
    calls: list[Callable[[], None]] = []

    def start(function: Callable[[], None]) -> None:
        calls.append(function)
        if len(calls) > 1:
            raise RuntimeError("closed")

    queue: WorkQueue[int] = WorkQueue(lambda _: None, start, gone.append)
    await queue.put(1)
    calls[0]()
    with pytest.raises(RuntimeError, match="closed"):
        await queue.put(2)
    await queue.finish()
    assert sorted(gone) == [1, 2]
