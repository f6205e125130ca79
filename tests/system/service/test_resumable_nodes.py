"""Two nodes with nothing in common but a bucket, and clients that are moved between them."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.integration.service.clients import programs
from tests.integration.service.clients.proxy import Proxy, running
from tests.integration.service.clients.wire import (
    DIALECTS,
    Dialect,
    append,
    create,
    look,
    offset_of,
)
from tests.support import streams
from tests.support.bodies import content
from tests.support.raw import Connection
from tests.support.s3_servers import S3Server
from tests.support.service import S3Backend, Service, service
from tests.support.witness import fetch

MIB = 2**20
LENGTH = 40 * MIB + 77
PIECE = 6 * MIB


@pytest.fixture(scope="module")
def nodes(ceph: S3Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Service]]:
    backend = S3Backend(ceph, ceph.fresh_bucket())
    with ExitStack() as started:
        services = []
        for number in range(2):
            directory = tmp_path_factory.mktemp(f"node-{number}")
            settings = {"SPOOL_DIR": str(directory)}
            starting = service(backend, directory / "service.log", settings=settings)
            services.append(started.enter_context(starting))
        services[1].token = services[0].token
        yield services
        for node in services:
            said = node.log.read_text()
            assert "Traceback" not in said, said[-5000:]


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.name)
def test_every_piece_goes_to_the_other_node(nodes: list[Service], dialect: Dialect) -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    token, name, data = nodes[0].token, f"moved/{dialect.name}", content(LENGTH)
    with Connection(nodes[0].port, 60) as one, Connection(nodes[1].port, 60) as other:
        turns = itertools.cycle((one, other))
        path = create(next(turns), dialect, token, name, LENGTH)
        offset = pieces = 0
        while offset < LENGTH:
            size = min(LENGTH - offset, 1 + int(PIECE ** chance.uniform(0.5, 1)))
            piece, last = data[offset : offset + size], offset + size == LENGTH
            answer = append(next(turns), dialect, token, path, offset, piece, last=last)
            assert 200 <= answer.status < 300, answer
            offset += size
            pieces += 1
            assert offset_of(answer) == offset
            if chance.random() < 0.3:
                assert look(next(turns), dialect, token, path) == offset
        assert [look(client, dialect, token, path) for client in (one, other)] == [LENGTH] * 2
    print(f"{pieces} pieces")
    assert all(fetch(node, name) == data for node in nodes)


def test_a_client_is_moved_and_cut(nodes: list[Service], tmp_path: Path) -> None:
    ports = itertools.cycle([node.port for node in nodes])
    cuts = sorted(random.sample(range(LENGTH), 3))
    print(f"cuts {cuts}")
    client = programs.TUSPY_CHECKSUM
    with running(Proxy(ports.__next__, cuts=cuts)) as proxy:
        client.upload(
            proxy.url, nodes[0].token, "by-tuspy", programs.source(tmp_path, LENGTH), None
        )
    assert proxy.cuts_made == len(cuts)
    assert proxy.connections > LENGTH / client.piece
    assert proxy.offsets == sorted(proxy.offsets)
    assert streams.is_what_was_put(nodes[1], "by-tuspy", LENGTH)
