"""Clients that others wrote, with their connections cut and the service killed under them."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.service.clients import programs
from tests.integration.service.clients.programs import CLIENTS, VARIANTS, Client
from tests.integration.service.clients.proxy import Proxy
from tests.integration.service.clients.proxy import running as proxied
from tests.support import streams
from tests.support.service import Backend, Service, start, wait_ready

MIB = 2**20
LARGE = 200 * MIB
SMALL = 12 * MIB + 345


@pytest.fixture(scope="session")
def modules(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The JavaScript client. Skips where Node.js is not installed, but fails if ``CI`` is set."""
    try:
        return programs.install(tmp_path_factory.mktemp("node"))
    except programs.MissingNodeError as error:
        if os.environ.get("CI"):
            pytest.fail(f"needs Node.js: {error}")
        pytest.skip(f"needs Node.js: {error}")


@pytest.fixture
def node(client: Client, request: pytest.FixtureRequest) -> Path | None:
    """Where the client's modules are, if it needs any."""
    return request.getfixturevalue("modules") if client.needs_node else None


@pytest.fixture(scope="session")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the files are that are uploaded."""
    return tmp_path_factory.mktemp("sources")


class Restarting:
    """A service that is killed, and started again on the same data."""

    def __init__(self, backend: Backend, log: Path) -> None:
        self._backend = backend
        self._log = log
        self.now = self._start()

    @property
    def port(self) -> int:
        return self.now.port

    def kill(self) -> None:
        self.now.kill()

    def start(self) -> None:
        token = self.now.token
        self.now = self._start()
        self.now.token = token

    def _start(self) -> Service:
        started = start(self._backend, self._log, workers=2)
        try:
            wait_ready(started)
        except BaseException:
            started.kill()
            raise
        return started


@pytest.fixture
def restarting(backend: Backend, log: Path) -> Iterator[Restarting]:
    made = Restarting(backend, log)
    yield made
    made.now.kill()


def moments(size: int, count: int) -> list[int]:
    """Random numbers of bytes before the end of an upload, at which something happens to it."""
    seed = random.randrange(2**32)
    chance = random.Random(seed)
    chosen = sorted(chance.randrange(size // 4, size) for _ in range(count))
    print(f"seed {seed}: {chosen}")
    return chosen


def check(proxy: Proxy, size: int, *, creations: int = 1) -> None:
    """Nothing that was acknowledged was ever taken back, and nothing was begun afresh."""
    print(
        f"{proxy.cuts_made} cuts, {proxy.connections} connections, {len(proxy.offsets)} offsets,"
        f" {proxy.count(104)} interim, {proxy.count(409)} conflicts,"
        f" {(proxy.sent - size) / MIB:.1f} MiB sent again"
    )
    assert proxy.cuts_made == len(proxy.cuts)
    assert proxy.creations == creations
    assert proxy.count(500) == 0
    if creations == 1:
        assert proxy.offsets == sorted(proxy.offsets)
        assert proxy.offsets[-1] == size


@pytest.mark.smoke
@pytest.mark.parametrize("client", [*CLIENTS, *VARIANTS], ids=lambda client: client.name)
def test_an_upload_that_is_cut_goes_on(
    running: Service, client: Client, node: Path | None, sources: Path
) -> None:
    _cut(running, client, node, programs.source(sources, SMALL), cuts=2)


@pytest.mark.soak
@pytest.mark.parametrize("client", CLIENTS, ids=lambda client: client.name)
def test_a_large_upload_with_five_cuts(
    running: Service, client: Client, node: Path | None, sources: Path
) -> None:
    _cut(running, client, node, programs.source(sources, LARGE), cuts=5)


def _cut(running: Service, client: Client, node: Path | None, source: Path, cuts: int) -> None:
    name, size = f"cut/{client.name}", source.stat().st_size
    with proxied(Proxy(lambda: running.port, cuts=moments(size, cuts))) as proxy:
        client.upload(proxy.url, running.token, name, source, node)
    check(proxy, size, creations=4 if client is programs.AIOTUS_PARALLEL else 1)
    assert streams.is_what_was_put(running, name, size)
    assert streams.delete(running, name) == 204


@pytest.mark.soak
@pytest.mark.parametrize("client", CLIENTS, ids=lambda client: client.name)
def test_a_large_upload_with_the_service_killed(
    restarting: Restarting, client: Client, node: Path | None, sources: Path
) -> None:
    proxy = Proxy(
        lambda: restarting.port,
        cuts=moments(LARGE, 3),
        crash=restarting.kill,
        recover=restarting.start,
    )
    token = restarting.now.token
    with proxied(proxy):
        client.upload(proxy.url, token, "killed", programs.source(sources, LARGE), node)
    check(proxy, LARGE)
    assert streams.is_what_was_put(restarting.now, "killed", LARGE)
    assert streams.delete(restarting.now, "killed") == 204


def test_the_lock_file_names_no_registry() -> None:
    lock = (programs.HERE / "package-lock.json").read_text()
    assert '"integrity"' in lock
    assert '"resolved"' not in lock
