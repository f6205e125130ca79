"""Where faults are mixed: a store, the service on it, and all that can go wrong there."""

from __future__ import annotations

import contextlib
import errno
import random
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tests.support import s3_proxy
from tests.support.loops import LoopThread
from tests.support.mounts import private_mounts
from tests.support.s3_proxy import Break, FaultyProxy, threaded_proxy
from tests.support.s3_servers import S3Server
from tests.support.service import LocalBackend, S3Backend
from tests.system.faults import process, small_disks
from tests.system.faults.cluster import Cluster, WatchedCluster
from tests.system.faults.disk import EXT4, Disk, volatile_disk
from tests.system.faults.fault import Fault
from tests.system.faults.index import ForcedCheckpoints, endless_reader
from tests.system.faults.platter import SURVIVORS
from tests.system.faults.syscalls import Call, let_pass

SETTINGS = {"UPLOAD_EXPIRY": "1h"}

_SMALL = 384 * 1024 * 1024
"""Bytes of the disk that gets full: all that clients have at a time, and the service's reserve."""

_MOST_FLUSHES = 100


@dataclass(frozen=True)
class Theatre:
    """A service that does not run yet, and the faults that can come."""

    cluster: Cluster
    faults: Sequence[Fault]


@contextlib.contextmanager
def embedded(room: Path) -> Iterator[Theatre]:
    """The embedded store on a small disk, with other programs at its index."""
    with private_mounts(), small_disks.tmpfs(room / "disk", _SMALL) as disk:
        directory = disk / "data"

        def fill_up(_cluster: Cluster, chance: random.Random) -> None:
            with small_disks.taken(disk):
                time.sleep(chance.uniform(0.2, 1))

        def read_on(_cluster: Cluster, chance: random.Random) -> None:
            with endless_reader(directory), ForcedCheckpoints(directory, chance):
                time.sleep(chance.uniform(0.2, 1))

        cluster = Cluster(LocalBackend(directory), room, nodes=1, workers=2, settings=SETTINGS)
        yield Theatre(
            cluster,
            [
                *process.FAULTS,
                Fault("a full disk", fill_up, frozenset({507})),
                Fault("other programs at the index", read_on),
            ],
        )


@contextlib.contextmanager
def failing_calls(room: Path) -> Iterator[Theatre]:
    """The embedded store with system calls that fail."""
    directory = room / "data"
    cluster = WatchedCluster(
        LocalBackend(directory), room, workers=2, settings=SETTINGS, watched=directory
    )

    def fail_at_random(_cluster: Cluster, chance: random.Random) -> None:
        number = chance.choice((errno.EIO, errno.ENOSPC))
        rate, own = chance.choice((0.02, 0.2, 1)), random.Random(chance.random())

        def judge(_call: Call) -> int:
            return number if own.random() < rate else 0

        cluster.watch.judge = judge
        time.sleep(chance.uniform(0.1, 0.5))
        cluster.watch.judge = let_pass

    failing = Fault("system calls fail", fail_at_random, frozenset({502, 507}))
    yield Theatre(cluster, [failing, failing, process.KILL_ALL])


@contextlib.contextmanager
def volatile(room: Path) -> Iterator[Theatre]:
    """The embedded store on a disk that forgets what it was not told to make durable."""
    with private_mounts(), volatile_disk(room, EXT4) as disk, contextlib.ExitStack() as mounting:
        mounted = mounting.enter_context(disk.mounted())
        cluster = Cluster(
            LocalBackend(mounted / "data"), room, nodes=1, workers=2, settings=SETTINGS
        )

        def lose_power(_cluster: Cluster, chance: random.Random) -> None:
            _lose_power(disk, chance)
            cluster.kill()
            mounting.close()
            mounting.enter_context(disk.mounted())
            cluster.start()

        loss = Fault("loss of power", lose_power, frozenset({502}))
        yield Theatre(cluster, [loss, loss, process.KILL_ALL])


def _lose_power(disk: Disk, chance: random.Random) -> None:
    # What is answered while it stands still was flushed before; after that nothing succeeds.
    disk.stand_still(after=chance.randint(1, _MOST_FLUSHES))
    disk.lose_power(chance.choice(list(SURVIVORS)), chance.randrange(2**32))


_VERBS = (
    s3_proxy.put_object,
    s3_proxy.create_upload,
    s3_proxy.upload_part,
    s3_proxy.complete_upload,
    s3_proxy.abort_upload,
    s3_proxy.get_object,
    s3_proxy.head_object,
    s3_proxy.delete_object,
    s3_proxy.list_objects,
    s3_proxy.get_record,
    s3_proxy.put_record,
    s3_proxy.get_held,
    s3_proxy.put_held,
)
_BREAKS = [how for how in Break if how not in (Break.HOLD, Break.HOLD_AND_CUT)]
_REFUSALS = frozenset({502, 503, 504})


@contextlib.contextmanager
def on_s3(room: Path, server: S3Server) -> Iterator[Theatre]:
    """Two nodes on S3, and a way there that breaks."""
    bucket = server.fresh_bucket()
    with threaded_proxy(server) as (loop, proxy):
        backend = S3Backend(replace(server, endpoint=proxy.endpoint), bucket)
        cluster = Cluster(backend, room, nodes=2, workers=1, settings=SETTINGS)
        yield Theatre(cluster, [*process.FAULTS, *_ways_to_break(loop, proxy)])
    server.remove_bucket(bucket)


def _ways_to_break(loop: LoopThread, proxy: FaultyProxy) -> list[Fault]:
    def spoil(_cluster: Cluster, chance: random.Random) -> None:
        for _ in range(chance.randint(1, 8)):
            proxy.breaks(chance.choice(_VERBS), chance.choice(_BREAKS), times=chance.randint(1, 3))
        time.sleep(chance.uniform(0.5, 2))
        proxy.heal()
        time.sleep(s3_proxy.OUTAGE)  # it may be gone just now

    def be_gone(_cluster: Cluster, chance: random.Random) -> None:
        loop.run(proxy.refuse())
        time.sleep(chance.uniform(0.5, 3))
        loop.run(proxy.listen())

    spoiled = Fault("requests to S3 are spoiled", spoil, _REFUSALS)
    return [spoiled, spoiled, spoiled, Fault("S3 is gone", be_gone, _REFUSALS)]
