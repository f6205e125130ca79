"""A disk that is really full, again and again: the service goes on, keeps what it has, gives room.

It is filled by uploads of every kind and size at once, until not even a small file fits. All that
is there can then be read and deleted, and what is deleted makes room, without a restart. Now and
then another program takes the very last byte: then nothing can be stored, perhaps not even a
deletion, and all that is there can still be read. The service can also be started on the full disk.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import pytest

from file_uploader.storage.local.blobs.free_space import RESERVE, room
from file_uploader.storage.local.index.checkpoints import LOOK
from tests.integration.service.clients.wire import listed
from tests.support import raw
from tests.support.bodies import MIB
from tests.support.local_disk import blobs_on
from tests.support.raw import Connection
from tests.support.rounds import LONG, rounds
from tests.support.service import LocalBackend, Service, service
from tests.support.waiting import until
from tests.support.witness import fetch, store
from tests.system.faults.filling import Filler
from tests.system.faults.held import Held, await_sweep, path_of, read, sizes
from tests.system.faults.index import endless_reader, wal_size
from tests.system.faults.small_disks import SMALL_DISKS, taken

CLIENTS = 4
WORKERS = 2
ENOUGH = 4 * MIB
"""More than all of them store to see whether there is room again: that has to be at once."""
GIVEN_BACK = LOOK + 5
"""Seconds within which there is room again that the index's log had taken."""


class FullDisk:
    """The service on a small disk, and the clients that fill it."""

    def __init__(self, directory: Path, log: Path, fillers: list[Filler]) -> None:
        self._directory = directory
        self._log = log
        self._fillers = fillers
        self._token = str(uuid4())

    @property
    def held(self) -> Held:
        """What all clients together were told is there."""
        held = Held()
        for filler in self._fillers:
            own = filler.held
            held = Held({**held.files, **own.files}, {**held.uploads, **own.uploads})
        return held

    @contextmanager
    def running(self) -> Iterator[Service]:
        """Run the service, on whatever the disk has."""
        with service(LocalBackend(self._directory), self._log, workers=WORKERS) as running:
            running.token = self._token
            yield running
            assert running.stop() == 0

    def fill(self, running: Service) -> None:
        """Fill the disk."""
        self._each(lambda filler: filler.fill(running))

    def refuse(self, running: Service) -> None:
        """Try to store and to delete, where there may be no room for either."""
        self._each(lambda filler: filler.fill(running))
        self._each(lambda filler: filler.try_to_delete(running))

    def make_room(self, running: Service) -> None:
        """Delete most of what is there, finish what the full disk has interrupted, and go on."""
        self._each(lambda filler: filler.make_room(running, share=0.7))
        self._await_removals()
        patience = 0 if room(self._directory) > ENOUGH else GIVEN_BACK
        self._each(lambda filler: filler.use_room(running, patience))
        self._each(lambda filler: filler.finish_uploads(running))

    def check(self, running: Service) -> None:
        """See that what the clients were told is there, whole, and nothing else."""
        held = self.held
        with Connection(running.port, patience=60) as client:
            offsets = {each["name"]: each["offset"] for each in listed(client, running.token)}
            assert offsets.keys() == held.uploads.keys()
            assert all(offsets[name] >= offset for name, offset in held.offsets.items())
            expected = {name: len(file.content) for name, file in held.files.items()}
            assert sizes(client, running.token) == expected
            for name, file in held.files.items():
                assert read(client, running.token, name) == file, name
        self._await_removals()

    def sweep(self) -> None:
        """Start the service once more, and see that nothing is left but what is held."""
        with self.running() as running:
            await_sweep(self._directory, running, self.held)
            self.check(running)

    def _await_removals(self) -> None:
        """Wait until nothing is left of what was replaced, deleted or refused."""
        blobs = self.held.blobs()
        until(lambda: len(blobs_on(self._directory)) == blobs, "no other blob is left")

    def _each(self, what: Callable[[Filler], object]) -> None:
        with ThreadPoolExecutor(CLIENTS) as clients:
            list(clients.map(what, self._fillers))
        for filler in self._fillers:
            assert not filler.wrong, filler.wrong[0]


@pytest.mark.parametrize(
    ("disk", "spare", "large", "times"),
    [
        ("tmpfs", 16 * MIB, True, rounds(3, 100)),
        ("tmpfs", 6 * MIB, False, rounds(1, 20)),
        *([("ext4", 32 * MIB, True, 100)] if LONG else []),
        *([("ext4", 16 * MIB, False, 20)] if LONG else []),
    ],
)
def test_a_full_disk(
    tmp_path: Path, log: Path, disk: str, spare: int, large: bool, times: int
) -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    fillers = [Filler(number, seed, large=large) for number in range(CLIENTS)]
    with SMALL_DISKS[disk](tmp_path / "disk", RESERVE + spare) as place:
        full = FullDisk(place / "data", log, fillers)
        with full.running() as running:
            for _ in range(times):
                full.fill(running)
                full.check(running)
                with taken(place):
                    full.refuse(running)
                    full.check(running)
                full.make_room(running)
                full.check(running)
            full.fill(running)
        with full.running() as running:
            full.check(running)
            full.make_room(running)
        full.sweep()
    stored = sum(filler.stored for filler in fillers)
    refused = sum(filler.refused for filler in fillers)
    print(f"{times} rounds on {disk}: {stored} files stored, {refused} refused")
    assert refused >= times * CLIENTS


def test_room_that_the_log_has_taken_is_given_back(tmp_path: Path, log: Path) -> None:
    """It is long since somebody read an old state, and stays so: nobody would make room else."""
    with SMALL_DISKS["tmpfs"](tmp_path / "disk", RESERVE + 6 * MIB) as place:
        data = place / "data"
        with service(LocalBackend(data), log, workers=WORKERS) as running:
            filler = Filler(0, 0, large=False)
            with endless_reader(data):
                filler.fill(running)
            assert wal_size(data) > 4 * MIB
            name = next(iter(filler.held.files))
            with Connection(running.port) as client:
                client.send(raw.head("DELETE", path_of(name), running.token))
                assert client.read_answer("DELETE").status == 204
            filler.held = filler.held.with_file(name, None)
            filler.use_room(running, GIVEN_BACK)
            assert not filler.wrong, filler.wrong[0]
            for name, file in filler.held.files.items():
                assert fetch(running, name) == file.content
            store(running, "large", bytes(MIB))
