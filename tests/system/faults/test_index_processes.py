"""Four processes on one index: disturbed from outside, and killed, one of them or all."""

from __future__ import annotations

import random
import statistics
import time
from pathlib import Path

import pytest

from tests.support.bodies import MIB
from tests.support.files import new_container
from tests.support.rounds import rounds
from tests.support.waiting import until
from tests.system.faults.index import ForcedCheckpoints, ShmLock, caught, endless_reader, wal_size
from tests.system.faults.index_processes import Running, Told, check, prepare, running

PROCESSES = 4
SECONDS = rounds(6, 120)
SLOWEST_HUNDREDTH = 2.0
SLOWEST = 5.0
"""Seconds that a change may take: several commits, each of which the other program can keep waiting
for a tenth of a second, and all compete for two cores and a disk."""
HELD_UP = 0.5
"""Seconds within which the others are told of a change again, as a rule, after one was killed."""


@pytest.mark.alone
async def test_forced_checkpoints_and_a_reader_that_never_ends(tmp_path: Path) -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    container = new_container()
    await prepare(tmp_path, container)
    with (
        running(tmp_path, container, PROCESSES) as processes,
        ForcedCheckpoints(tmp_path, random.Random(seed)) as forced,
    ):
        time.sleep(SECONDS / 3)  # noqa: ASYNC251 - for so long the log starts afresh again and again
        with endless_reader(tmp_path):
            time.sleep(SECONDS * 2 / 3)  # noqa: ASYNC251
            for process in processes:
                process.kill()
            size = wal_size(tmp_path)
    told = [process.told for process in processes]
    took = [each for process in told for each in process.took]
    p99 = statistics.quantiles(took, n=100)[98]
    print(
        f"{len(took)} changes, p99 {p99 * 1000:.0f} ms, slowest {max(took) * 1000:.0f} ms;"
        f" {sum(len(each.counted) for each in told)} swaps;"
        f" {forced.made} forced checkpoints, {forced.refused} refused;"
        f" WAL {size / MIB:.1f} MiB"
    )
    assert forced.made
    assert forced.refused
    assert all(each.done and each.counted for each in told)
    await check(tmp_path, container, told)
    assert p99 < SLOWEST_HUNDREDTH
    assert max(took) < SLOWEST


@pytest.mark.alone
async def test_one_is_killed_in_the_middle_of_a_commit_or_a_checkpoint(tmp_path: Path) -> None:
    container = new_container()
    await prepare(tmp_path, container)
    told: list[Told] = []
    held_up: list[float] = []
    kills = rounds(3, 50)
    with running(tmp_path, container, PROCESSES) as processes:
        for number in range(kills):
            lock = (ShmLock.WRITE, ShmLock.CHECKPOINT)[number % 2]
            victim = _kill_in_the_middle(tmp_path, processes, lock)
            killed = time.monotonic()
            processes.remove(victim)
            told.append(victim.told)
            held_up += [each.waits_for_next(killed) for each in processes]
            processes.append(Running(tmp_path, container, PROCESSES + number))
            processes[-1].go()
        for process in processes:
            process.kill()
        told += [process.told for process in processes]
    print(
        f"{kills} kills, {sum(len(each.took) for each in told)} changes; told of the next one after"
        f" {statistics.median(held_up) * 1000:.0f} ms, at most {max(held_up) * 1000:.0f} ms"
    )
    await check(tmp_path, container, told)
    assert statistics.median(held_up) < HELD_UP
    assert max(held_up) < SLOWEST


def _kill_in_the_middle(directory: Path, processes: list[Running], lock: ShmLock) -> Running:
    """Kill one that has the lock, once all are at work."""
    until(lambda: all(process.told.took for process in processes), "all are at work", patience=30)
    pid = caught(directory / "index.db-shm", lock, {process.pid for process in processes})
    [victim] = [process for process in processes if process.pid == pid]
    victim.kill()
    return victim
