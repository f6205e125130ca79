"""The power fails, again and again, and a disk forgets what it was not told to make durable.

A real file system on a real block device repairs itself after each loss, and a fresh service begins
with what is left: every acknowledged write is there, whole, and every acknowledged offset.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import os
import random
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

import apsw
import pytest

from file_uploader.model.conditions import UNCONDITIONAL
from file_uploader.model.files import Metadata
from file_uploader.model.names import Container, FileName
from file_uploader.storage.local.directory import DataDirectory
from file_uploader.storage.local.index.checkpoints import CHECKPOINT_PAGES
from file_uploader.storage.local.index.rows import FIND_WITH_DATA, Draft
from file_uploader.storage.local.locks import FileLock
from tests.support.ceph import MissingProgramsError
from tests.support.mounts import private_mounts
from tests.support.rounds import LONG, rounds
from tests.support.service import ROOT, LocalBackend, Service, start, wait_ready
from tests.support.waiting import until
from tests.support.witness import fetch, store
from tests.system.faults.crew import Clients
from tests.system.faults.disk import EXT4, XFS, Disk, volatile_disk
from tests.system.faults.index import endless_reader
from tests.system.faults.platter import SURVIVORS
from tests.system.faults.soundness import faults_in

MOST_FLUSHES = 150
"""Flushes from the start of the traffic to the loss, at most."""

UNTORN = ("nothing", "some-pages")
"""Losses during a repair, or after an error. Then ext4 writes its superblock in place, and relies
on the disk not to tear it."""


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Path]:
    """Where the disk is: in memory where there is any, and mounted for this test alone."""
    memory = Path("/dev/shm")
    directory = memory if os.access(memory, os.W_OK) else tmp_path
    with TemporaryDirectory(prefix="disk-", dir=directory) as name, private_mounts():
        yield Path(name)


@pytest.fixture(params=[EXT4, XFS] if LONG else [EXT4], ids=str)
def disk(request: pytest.FixtureRequest, room: Path) -> Iterator[Disk]:
    """An empty disk. Skips where that cannot be, fails if ``CI`` is set."""
    try:
        with volatile_disk(room, request.param) as found:
            yield found
    except MissingProgramsError as error:
        if os.environ.get("CI"):
            pytest.fail(str(error))
        pytest.skip(str(error))


@pytest.fixture
def clients() -> Clients:
    """Clients that have done nothing yet."""
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    return Clients(seed)


def test_losses_of_power_lose_nothing(disk: Disk, clients: Clients, log: Path) -> None:
    losses, lost = rounds(5, 200), 0
    chance = random.Random(clients.seed)
    for number, survivors in enumerate(itertools.islice(itertools.cycle(SURVIVORS), losses)):
        with _running_on(disk, log, clients, workers=rounds(1, 2)) as (running, directory):
            assert clients.violations(running, directory, finish=chance.random() < 0.5) == []
            with clients.at_work(running) as stop:
                if number % 5 == 4:
                    _fill_the_log(directory, clients)
                disk.stand_still(after=chance.randint(1, MOST_FLUSHES))
                stop.set()
                lost += disk.lose_power(survivors, chance.randrange(2**32))
                running.kill()
    with _running_on(disk, log, clients) as (running, directory):
        assert clients.violations(running, directory, finish=True) == []
        assert running.stop() == 0
    print(f"{losses} losses of power, {clients.acknowledged} acknowledged writes, {lost} lost ones")
    assert clients.acknowledged > 5 * losses
    assert lost > 0


def test_a_loss_while_it_recovers_loses_nothing(disk: Disk, clients: Clients, log: Path) -> None:
    """The power fails once more while what the first loss left is being repaired."""
    chance = random.Random(clients.seed)
    for survivors in UNTORN * rounds(1, 15):
        with _running_on(disk, log, clients) as (running, directory):
            assert clients.violations(running, directory, finish=False) == []
            _lose_all_but(survivors, disk, clients, running)
        disk.lose_power(survivors, chance.randrange(2**32), after=chance.randint(1, 20))
        # Where it fails depends on when: the mount, the start of the service, or its sweep.
        with contextlib.suppress(RuntimeError), _running_on(disk, log, clients):
            disk.lose_power(survivors, chance.randrange(2**32))
    with _running_on(disk, log, clients) as (running, directory):
        assert clients.violations(running, directory, finish=True) == []


def test_without_fsync_a_loss_is_seen(
    disk: Disk, clients: Clients, log: Path, tmp_path: Path
) -> None:
    """What the other tests say is worth something only if this one finds what it looks for."""
    source = "int fsync(int fd) { return 0; } int fdatasync(int fd) { return 0; }"
    settings = {"LD_PRELOAD": str(_library(tmp_path, source))}
    with _running_on(disk, log, clients, settings) as (running, _):
        _lose_all_but("nothing", disk, clients, running)
    assert _found_lost(disk, clients, log)


def test_on_a_disk_that_lies_a_loss_is_seen(disk: Disk, clients: Clients, log: Path) -> None:
    with _running_on(disk, log, clients) as (running, _):
        disk.lie()
        _lose_all_but("nothing", disk, clients, running)
    assert _found_lost(disk, clients, log)


@pytest.mark.parametrize("kind", ["write", "flush"])
def test_a_broken_disk_acknowledges_nothing(
    disk: Disk, clients: Clients, log: Path, kind: str
) -> None:
    with _running_on(disk, log, clients) as (running, _):
        with clients.at_work(running):
            clients.go_on(40)
            disk.fail(kind)
            clients.go_on()
        _assert_refused(clients)
        acknowledged = clients.acknowledged
        with clients.at_work(running):
            clients.go_on()
        _assert_refused(clients)
        assert clients.acknowledged == acknowledged
        unreadable = clients.unreadable(running)
        assert not unreadable or disk.file_system is XFS  # which shuts itself down.
        disk.lose_power("nothing", 0)
        running.kill()
    with _running_on(disk, log, clients) as (running, directory):
        assert clients.violations(running, directory, finish=True) == []


def test_what_follows_a_failed_commit_is_durable(disk: Disk, clients: Clients, log: Path) -> None:
    """The kernel keeps what it could not write, and takes it for written."""
    data = b"small" * 1000
    with _running_on(disk, log, clients) as (running, _):
        store(running, "before", data)
        disk.settle()
        disk.fail("write")
        with pytest.raises(AssertionError, match="status=502"):
            store(running, "refused", data)
        disk.fail("write", 0)
        store(running, "after", data)
        disk.lose_power("nothing", 0)
        running.kill()
    with _running_on(disk, log, clients) as (running, directory):
        assert fetch(running, "before") == data
        assert fetch(running, "refused") in (None, data)
        assert fetch(running, "after") == data
        assert faults_in(directory) == []


# XFS shuts itself down then.
@pytest.mark.parametrize("disk", [EXT4], indirect=True, ids=str)
def test_what_a_failed_checkpoint_left_is_durable(disk: Disk) -> None:
    """As that, for the database itself, when the log that has it once more is written over.

    A reader keeps SQLite from copying all, so that it notes what it has copied without a sync, and
    the disk fails only then.
    """
    container = Container("0123456789abcdef" * 2)
    names = [FileName(f"{number}") for number in range(300)]

    def store(directory: DataDirectory, name: FileName) -> None:
        data = name.value.encode() * 4000
        draft = Draft(len(data), hashlib.sha256(data).digest(), Metadata(), data)
        with directory.writer.transaction():
            directory.writer.put(container, name, draft, UNCONDITIONAL)

    with disk.mounted() as mounted, _opened(mounted / "data") as directory:
        database = directory.path / "index.db"
        with contextlib.closing(FileLock(directory.path / "checkpoint.lock")) as lock:
            lock.acquire()
            for name in names[:200]:
                store(directory, name)
            with endless_reader(directory.path):
                for name in names[200:]:
                    store(directory, name)
                disk.settle()
                directory.checkpoints._checkpoint(cut=False)
                disk.fail("write")
                assert not _synced(database)
                disk.fail("write", 0)
        directory.checkpoints._due.set()
        until(lambda: len(set(_copied(database))) == 1, "all is copied")
        store(directory, FileName("after"))
        disk.lose_power("nothing", 0)
    with disk.mounted() as mounted, _opened(mounted / "data") as directory:
        assert faults_in(directory.path) == []
        for name in [*names, FileName("after")]:
            data = directory.index.find(container, name, FIND_WITH_DATA).data
            assert data == name.value.encode() * 4000


def _copied(database: Path) -> tuple[int, int]:
    """How many pages are in the WAL, and how many of these were copied into the database."""
    with contextlib.closing(apsw.Connection(str(database))) as connection:
        connection.set_busy_timeout(5_000)
        connection.execute("SELECT 1 FROM files LIMIT 1").fetchall()
        return connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_NOOP)


def _synced(path: Path) -> bool:
    """Sync a file in a process of its own: closing it here would drop SQLite's locks on it."""
    source = "import os, sys; os.fsync(os.open(sys.argv[1], os.O_RDONLY))"
    done = subprocess.run([sys.executable, "-c", source, path], capture_output=True, check=False)
    return done.returncode == 0


def test_a_moment_of_errors_loses_nothing(disk: Disk, clients: Clients, log: Path) -> None:
    """Whatever the file system makes of it: what is acknowledged after an error counts as well."""
    chance = random.Random(clients.seed)
    for survivors in UNTORN * rounds(1, 15):
        with _running_on(disk, log, clients, workers=rounds(1, 2)) as (running, _):
            for times in (1, 4):
                with clients.at_work(running):
                    clients.go_on(10)
                    disk.fail(chance.choice(("write", "flush")), times)
                    clients.go_on(20)
                _assert_refused(clients)
            _lose_all_but(survivors, disk, clients, running)
            _assert_refused(clients)
        with _running_on(disk, log, clients) as (running, directory):
            assert clients.violations(running, directory, finish=True) == []


def _fill_the_log(directory: Path, clients: Clients) -> None:
    """Wait until SQLite writes over its log, which after a crash begins anew and grows."""
    log = directory / "index.db-wal"
    until(lambda: log.stat().st_size > CHECKPOINT_PAGES * 4096, "the log is full", patience=60)
    clients.go_on(10)


def _lose_all_but(survivors: str, disk: Disk, clients: Clients, running: Service) -> None:
    """Let there be something to lose, and lose it."""
    with clients.at_work(running) as stop:
        clients.go_on(30)
        disk.stand_still()
        stop.set()
        disk.lose_power(survivors, clients.seed)
        running.kill()


def _found_lost(disk: Disk, clients: Clients, log: Path) -> list[str]:
    """What was promised and is not there; perhaps there is not even an index to begin with."""
    try:
        with _running_on(disk, log, clients) as (running, directory):
            return clients.violations(running, directory, finish=True)
    except RuntimeError as error:
        return [str(error)]


def _assert_refused(clients: Clients) -> None:
    """Whatever they had not expected was a refusal."""
    wrong = clients.wrong()
    assert all(": 502 instead" in each for each in wrong), wrong


@contextlib.contextmanager
def _running_on(
    disk: Disk,
    log: Path,
    clients: Clients,
    settings: Mapping[str, str] | None = None,
    workers: int = 1,
) -> Iterator[tuple[Service, Path]]:
    """A service on the disk, and where it keeps its files."""
    with disk.mounted() as mounted:
        backend = LocalBackend(mounted / "data")
        # Nothing may be left that uses the disk, also if this process is killed.
        tied = ("setpriv", "--pdeathsig", "KILL")
        running = start(backend, log, workers=workers, settings=settings, under=tied)
        running.token = clients.token
        try:
            wait_ready(running)
            yield running, backend.directory
        finally:
            if running.process.poll() is None:
                running.kill()


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[DataDirectory]:
    """A store's directory, as one process has it open."""
    directory = DataDirectory(path)
    try:
        yield directory
    finally:
        with contextlib.suppress(apsw.Error):  # There may be no power.
            directory.writer.close()
        with contextlib.suppress(OSError):
            directory.close()


def _library(directory: Path, source: str) -> Path:
    """A shared library of this C."""
    library = directory / "library.so"
    command = ["gcc", "-shared", "-fPIC", "-o", str(library), "-x", "c", "-"]
    subprocess.run(command, input=source, text=True, check=True)
    return library


USES = """
import signal, sys
from pathlib import Path
from tests.support.mounts import private_mounts
from tests.system.faults.disk import EXT4, XFS, volatile_disk

file_system = {str(each): each for each in (EXT4, XFS)}[sys.argv[2]]
with private_mounts(), volatile_disk(Path(sys.argv[1]), file_system) as disk, disk.mounted() as at:
    (at / "unsynced").write_bytes(bytes(2**20))
    print(disk._process.pid, flush=True)
    signal.pause()
"""


def test_a_disk_ends_when_it_is_killed_with_all_that_use_it(disk: Disk, room: Path) -> None:
    """Else its file system waits for a disk that waits for its file system, for ever."""
    other = room / "other"
    other.mkdir()
    with subprocess.Popen(
        [sys.executable, "-c", USES, str(other), str(disk.file_system)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
    ) as using:
        assert using.stdout is not None
        process = Path(f"/proc/{int(using.stdout.readline())}")
        using.kill()
    until(lambda: not process.exists(), "the disk has ended", patience=30)
