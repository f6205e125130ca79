"""Downloads that the kernel copies: right to the last byte, and let go of in any case."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import raw, streams
from tests.support.bodies import content
from tests.support.connections import holds, open_blobs
from tests.support.raw import Connection
from tests.support.service import LocalBackend, Service, service
from tests.support.services import Lend
from tests.support.waiting import until
from tests.support.witness import store

MIB = 2**20
LARGE = content(20 * MIB, "large")
"""More than a socket takes at once."""

STALLED = 100
GROWTH = 16 * MIB
"""Bytes of memory that so many stalled downloads may take, where chunks would take 25 MiB."""


@pytest.fixture
def running(shared_service: Lend) -> Iterator[Service]:
    lent = shared_service("local")
    store(lent, "large", LARGE)
    yield lent
    streams.delete(lent, "large")


def _get(running: Service, name: str = "large", **headers: str) -> bytes:
    return raw.head("GET", f"/api/files/{name}", running.token, headers)


def test_ranges_begin_and_end_where_they_should(running: Service) -> None:
    edges = [0, 1, 4095, 4096, 65_537, len(LARGE) - 1]
    with Connection(running.port) as client:
        for start in edges:
            for end in edges:
                if start <= end:
                    client.send(_get(running, Range=f"bytes={start}-{end}"))
                    answer = client.read_answer()
                    assert answer.status == 206
                    assert answer.body == LARGE[start : end + 1]


def test_requests_in_a_row_are_all_answered(running: Service) -> None:
    """Pipelined, small answers among large ones: each waits for what is before it."""
    store(running, "small", b"small")
    wanted = ["large", "small", "large", "small", "small", "large"]
    with Connection(running.port) as client:
        client.send(b"".join(_get(running, name) for name in wanted))
        for name in wanted:
            assert client.read_answer().body == (LARGE if name == "large" else b"small")
        client.send(_get(running, "small"))
        assert client.read_answer().body == b"small"


def test_a_file_that_is_deleted_meanwhile_is_sent_to_its_end(running: Service) -> None:
    with Connection(running.port) as client, Connection(running.port) as other:
        client.send(_get(running))
        assert client.read_interim() == 200
        first = client.read_body(MIB)
        other.send(raw.head("DELETE", "/api/files/large", running.token))
        assert other.read_answer().status == 204
        assert first + client.read_body(len(LARGE) - MIB) == LARGE


def test_who_leaves_leaves_nothing_open(running: Service) -> None:
    clients = [Connection(running.port) for _ in range(5)]
    for client in clients:
        client.send(_get(running))
        assert client.read_interim() == 200
        client.read_body(MIB)
    assert len(open_blobs(running)) >= len(clients)
    for client in clients:
        client.close()
    until(lambda: not open_blobs(running), "all files are closed")
    until(lambda: not any(holds(running, client) for client in clients), "all sockets are, too")


def test_a_damaged_file_does_not_look_whole(shared_service: Lend) -> None:
    running = shared_service("local")
    before = set(running.backend.leftovers())
    store(running, "large", LARGE)
    (blob,) = set(running.backend.leftovers()) - before
    with Connection(running.port) as client:
        client.send(_get(running))
        assert client.read_interim() == 200
        client.read_body(MIB)
        os.truncate(blob, 10 * MIB)
        with pytest.raises(raw.BrokenAnswerError):
            client.read_body(len(LARGE) - MIB)
    until(lambda: "bytes are missing" in running.said(), "it is in the log")


def test_clients_that_take_nothing_take_no_memory(tmp_path: Path, log: Path) -> None:
    """Of a fresh service: one that had much to do has memory left that it would use first."""
    with (
        service(LocalBackend(tmp_path / "data"), log) as running,
        contextlib.ExitStack() as stack,
    ):
        store(running, "large", LARGE)
        before = running.pss()
        for _ in range(STALLED):
            client = stack.enter_context(Connection(running.port))
            client.send(_get(running))
            assert client.read_interim() == 200
        assert running.pss() - before < GROWTH
        # And nobody waits for them.
        with Connection(running.port) as quick:
            quick.send(_get(running))
            assert quick.read_answer().body == LARGE
