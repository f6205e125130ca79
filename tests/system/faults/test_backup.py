"""A backup that is taken under load is a state that the clients were promised, whole.

Everybody writes, reads, deletes and uploads, sweeps go on beside, and a backup is made: what is
restored from it is, name by name, something that could be found between its begin and its end.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support import raw
from tests.support.command import command, started
from tests.support.raw import Connection
from tests.support.rounds import rounds
from tests.support.service import LocalBackend
from tests.system.faults import checker
from tests.system.faults.actor import path_of, seen_in
from tests.system.faults.checker import Client
from tests.system.faults.cluster import Cluster
from tests.system.faults.ledger import Ledger, Moment, Version, told
from tests.system.faults.piecemeal import Piecemeal
from tests.system.faults.run import Run

SETTINGS = {"UPLOAD_EXPIRY": "1h"}
MOST = rounds(10, 50)
"""Backups."""


@dataclass(frozen=True)
class Promised:
    """What was promised to a client for the time of a backup: versions by name, and uploads with
    the bytes that they had at its begin."""

    possible: dict[str, list[Version]]
    uploads: list[tuple[Piecemeal, int]]


def test_what_a_backup_restores_is_what_was_promised(tmp_path: Path) -> None:
    seed = str(random.randrange(2**32))
    print(f"seed {seed}")
    backend = LocalBackend(tmp_path / "data")
    cluster = Cluster(backend, tmp_path, nodes=1, workers=2, settings=SETTINGS)
    run = Run(cluster, seed)
    went_on = 0
    with cluster.running():
        turn = 0
        while turn < rounds(2, 50) or not went_on:  # Not every backup has an upload in it.
            turn += 1
            assert turn <= MOST, "no upload goes on from a backup"
            with run.traffic(), sweeping(backend, tmp_path):
                # Nothing to wait for: the moment has to be a random one.
                time.sleep(run.chance.uniform(0.5, 1.5))
                before = [_begin(client) for client in run.clients]
                # Now and then one that is brought up to date.
                target = tmp_path / "backups" / str((turn - 1) // 2)
                done = command("backup", target, settings=backend.settings, cwd=tmp_path)
                promised = [end() for end in before]
            assert (done.status, done.err) == (0, ""), done
            run.check()
            went_on += _check_restored(run, target, tmp_path / f"restored-{turn}", promised)
        run.check_swept()
    print(f"{run.acknowledged} acknowledged writes, {went_on} uploads went on")


@contextmanager
def sweeping(backend: LocalBackend, directory: Path) -> Iterator[None]:
    """Other processes sweep, one after the other, in this block."""
    done = threading.Event()
    statuses: list[int] = []

    def sweep() -> None:
        while not done.is_set():
            process = started(("sweep",), settings=backend.settings, cwd=directory)
            process.communicate(timeout=60)
            statuses.append(process.returncode)

    thread = threading.Thread(target=sweep)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
    assert set(statuses) <= {0, 3}  # 3: the backup sweeps just then


def _begin(client: Client) -> Callable[[], Promised]:
    """A backup begins; what is returned is to be called at its end."""
    moments = {name: entry.moment() for name, entry in list(client.ledger.names.items())}
    uploads = [(each, each.acknowledged) for actor in client.actors for each in list(actor.uploads)]
    # A name that comes later was not there.
    unknown = Moment((Version("nothing yet"),), 0)

    def end() -> Promised:
        possible = {
            name: entry.since(moments.get(name, unknown))
            for name, entry in list(client.ledger.names.items())
        }
        return Promised(possible, uploads)

    return end


def _check_restored(run: Run, target: Path, to: Path, promised: Sequence[Promised]) -> int:
    """Restore it, look at everything, and return how many uploads went on."""
    backend = LocalBackend(to / "data")
    to.mkdir()
    done = command("restore", target, settings=backend.settings, cwd=to)
    assert (done.status, done.err) == (0, "")
    done = command("verify", settings=backend.settings, cwd=to)
    assert (done.status, done.err) == (0, ""), done
    cluster = Cluster(backend, to, nodes=1, workers=1, settings=SETTINGS)
    went_on = 0
    with cluster.running():
        clients = []
        for client, each in zip(run.clients, promised, strict=True):
            went_on += _go_on(cluster, each)
            clients.append(Client(_read_back(cluster, client, each), []))
        checker.check(cluster, clients)
        checker.check_swept(cluster, clients)
    run.fail_if_wrong()
    assert [wrong for client in clients for wrong in client.ledger.wrong] == []
    return went_on


def _go_on(cluster: Cluster, promised: Promised) -> int:
    """Finish the uploads that are there, each of which has to become its file then."""
    went_on = 0
    with Connection(cluster.ports()[0], patience=60) as connection:
        for upload, acknowledged in promised.uploads:
            made = upload.finish_in_a_copy(connection, acknowledged)
            if made is not None:
                promised.possible[upload.name] = [made]
                went_on += 1
    return went_on


def _read_back(cluster: Cluster, client: Client, promised: Promised) -> Ledger:
    """Read every name, and note in a ledger of its own what is there."""
    found = Ledger(client.ledger.token, "restored")
    found.finished += client.ledger.finished
    found.finished += [upload.path for upload, _ in promised.uploads if upload.path]
    with Connection(cluster.ports()[0], patience=60) as connection:
        for name, versions in promised.possible.items():
            connection.send(raw.head("GET", path_of(name), found.token))
            seen = seen_in(connection.read_answer())
            assert seen is not None, name
            matching = [each for each in versions if seen.is_of(each)]
            assert matching, f"{name} reads {seen}, not {told(versions)}"
            found.name(name).acknowledged = matching[0]
    return found
