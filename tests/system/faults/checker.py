"""What has to hold after any fault, looked at while clients are quiet.

(a) What was acknowledged reads back, with digest, size and metadata. (b) A name shows one whole
version. (c) Nothing that was not acknowledged is partly visible. (d) After a sweep nothing is left
that no file names. (e) The index is sound.
"""

from __future__ import annotations

import contextlib
import json
import re
import uuid
from collections.abc import Sequence
from dataclasses import dataclass

import apsw

from file_uploader.model.names import Container
from tests.contract.stores import LocalPlace, S3Place
from tests.support import raw
from tests.support.raw import Connection
from tests.support.service import LocalBackend, S3Backend
from tests.support.waiting import until
from tests.system.faults.actor import Actor, path_of, seen_in
from tests.system.faults.cluster import Cluster
from tests.system.faults.ledger import Ledger

_IN_ORDER = re.compile(r" sessions$|^garbage: ")
"""What is no leftover: processes that live, and blobs that are removed but not yet forgotten, which
the next transaction does."""

CLEANING = 30.0
"""Seconds that clean-ups and a sweep may take."""


@dataclass(frozen=True)
class Client:
    """One token: what was promised to it, and who acts for it."""

    ledger: Ledger
    actors: Sequence[Actor]


def check(cluster: Cluster, clients: Sequence[Client]) -> None:
    """Look at everything, through each node in turn, and note what is wrong in the ledgers."""
    for number, client in enumerate(clients):
        port = cluster.ports()[number % len(cluster.ports())]
        with Connection(port, patience=120) as connection:
            _check_uploads(connection, client)
            _check_files(connection, client.ledger)
    if isinstance(cluster.backend, LocalBackend):
        said = _integrity(cluster.backend)
        if said != "ok":
            clients[0].ledger.violated(f"the index: {said}")


def _check_uploads(connection: Connection, client: Client) -> None:
    """Each upload tells an offset that it may have; those that are complete are files by that."""
    for actor in client.actors:
        for upload in list(actor.uploads):
            upload.look(connection)
            if upload.over:
                actor.uploads.remove(upload)


def _check_files(connection: Connection, ledger: Ledger) -> None:
    there = {}
    for name, entry in ledger.names.items():
        connection.send(raw.head("GET", path_of(name), ledger.token))
        answer = connection.read_answer()
        seen = seen_in(answer)
        if seen is None:
            ledger.violated(f"{name} cannot be read: {answer.status} {answer.body[:300]!r}")
            continue
        possible = entry.moment().versions
        if not entry.settle(seen):
            ledger.violated(f"{name} reads {seen}, not {' or '.join(map(str, possible[:4]))}")
        if seen.size is not None:
            there[name] = seen.size
    if listed(connection, ledger.token) != there:
        ledger.violated(f"the list is {listed(connection, ledger.token)}, expected {there}")


def listed(connection: Connection, token: str) -> dict[str, int]:
    """A client's files, as a list has them, with their sizes."""
    connection.send(raw.head("GET", "/api/files?details=true", token))
    answer = connection.read_answer()
    assert answer.status == 200, answer
    return {each["name"]: each["size"] for each in json.loads(answer.body)}


def forget_uploads(cluster: Cluster, clients: Sequence[Client]) -> None:
    """Have every upload forgotten, known or not, so that only files are left."""
    with Connection(cluster.ports()[0], patience=120) as connection:
        for client in clients:
            token = client.ledger.token
            connection.send(raw.head("GET", "/api/uploads", token))
            ids = [each["id"] for each in json.loads(connection.read_answer().body)]
            for path in [*(f"/api/uploads/{each}" for each in ids), *client.ledger.finished]:
                connection.send(raw.head("DELETE", path, token))
                answer = connection.read_answer("DELETE")
                assert answer.status in {204, 404}, answer
            client.ledger.finished.clear()
            for actor in client.actors:
                actor.uploads.clear()


def check_nothing_left(
    cluster: Cluster, clients: Sequence[Client], patience: float = CLEANING
) -> None:
    """Forget all uploads, and see that the clean-ups that are under way leave files alone.

    Before the first kill: what is left by those is up to `check_swept`.
    """
    forget_uploads(cluster, clients)
    _wait_for_files_alone(cluster, clients, "after all requests have ended", patience)


def check_swept(cluster: Cluster, clients: Sequence[Client]) -> None:
    """The same after a start, whatever was killed before: its sweep removes what is left."""
    forget_uploads(cluster, clients)
    cluster.stop()
    cluster.start({"UPLOAD_EXPIRY": "1s"})
    _wait_for_files_alone(cluster, clients, "after a sweep", CLEANING)


def _wait_for_files_alone(
    cluster: Cluster, clients: Sequence[Client], when: str, patience: float
) -> None:
    live: dict[tuple[Container, str], int] = {}
    with Connection(cluster.ports()[0], patience=120) as connection:
        for client in clients:
            owner = Container.of(uuid.UUID(client.ledger.token))
            files = listed(connection, client.ledger.token)
            live |= {(owner, name): size for name, size in files.items()}

    def left() -> list[str]:
        return [each for each in _strays(cluster, live) if not _IN_ORDER.search(each)]

    with contextlib.suppress(AssertionError):
        until(lambda: not left(), when, patience)
    if strays := left():
        clients[0].ledger.violated(f"left {when}: {strays[:10]}")


def _strays(cluster: Cluster, live: dict[tuple[Container, str], int]) -> list[str]:
    backend = cluster.backend
    if isinstance(backend, LocalBackend):
        return LocalPlace(backend.directory).strays(live)
    assert isinstance(backend, S3Backend)
    return S3Place(backend.server, backend.bucket, own_buckets=False).strays(live)


def _integrity(backend: LocalBackend) -> str:
    """What SQLite itself says of the index, asked by another process."""
    path = str(backend.directory / "index.db")
    with contextlib.closing(apsw.Connection(path, flags=apsw.SQLITE_OPEN_READONLY)) as index:
        index.set_busy_timeout(5000)
        return "; ".join(str(row[0]) for row in index.execute("pragma integrity_check"))
