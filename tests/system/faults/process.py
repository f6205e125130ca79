"""Faults on the process: it is killed, hangs, is stopped or replaced."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import time

from tests.support.service import Service, wait_ready
from tests.support.waiting import until
from tests.system.faults.cluster import Cluster
from tests.system.faults.fault import Fault


def kill_all(cluster: Cluster, _: random.Random) -> None:
    """All of it at once, and start it again."""
    cluster.kill()
    cluster.start()


def kill_worker(cluster: Cluster, chance: random.Random) -> None:
    """One worker; its master starts another."""
    node = chance.choice(cluster.nodes)
    worker = _a_worker(node, chance)
    with contextlib.suppress(ProcessLookupError):
        os.kill(worker, signal.SIGKILL)
    until(lambda: worker not in node.workers(), "the worker is gone")
    wait_ready(node)


def hang_worker(cluster: Cluster, chance: random.Random) -> None:
    """One worker stands still for a while, with all that it holds."""
    worker = _a_worker(chance.choice(cluster.nodes), chance)
    with contextlib.suppress(ProcessLookupError):
        os.kill(worker, signal.SIGSTOP)
        time.sleep(chance.uniform(0.1, 2.0))
        os.kill(worker, signal.SIGCONT)


def hang_and_kill_worker(cluster: Cluster, chance: random.Random) -> None:
    """One worker stands still, and never goes on."""
    node = chance.choice(cluster.nodes)
    worker = _a_worker(node, chance)
    with contextlib.suppress(ProcessLookupError):
        os.kill(worker, signal.SIGSTOP)
        time.sleep(chance.uniform(0.1, 1.0))
        os.kill(worker, signal.SIGKILL)
    until(lambda: worker not in node.workers(), "the worker is gone")
    wait_ready(node)


def stop(cluster: Cluster, _: random.Random) -> None:
    """SIGTERM in the middle of everything, and a start."""
    cluster.stop()
    cluster.start()


def replace_workers(cluster: Cluster, chance: random.Random) -> None:
    """SIGHUP: new workers come, and the old ones end what they have begun."""
    node = chance.choice(cluster.nodes)
    old = set(node.workers())
    node.process.send_signal(signal.SIGHUP)
    until(lambda: not old & set(node.workers()), "the old workers have ended", patience=60)
    wait_ready(node)


def _a_worker(node: Service, chance: random.Random) -> int:
    until(lambda: bool(node.workers()), "there is a worker")
    return chance.choice(node.workers())


KILL_ALL = Fault("kill -9 of everything", kill_all)
FAULTS = (
    KILL_ALL,
    Fault("kill -9 of a worker", kill_worker),
    Fault("a worker hangs", hang_worker),
    Fault("a worker hangs and is killed", hang_and_kill_worker),
    Fault("SIGTERM", stop),
    Fault("SIGHUP", replace_workers),
)
