"""Servers that several suites share, started only if a test asks for them, and their stores."""

from __future__ import annotations

import contextlib
import os
import uuid
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from functools import cache, partial
from pathlib import Path
from typing import Any

import pytest
from botocore.loaders import JSONFileLoader, Loader, create_loader
from hypothesis import settings

from file_uploader.model.names import Container
from file_uploader.storage.base import Storage
from file_uploader.uploads.rules import Uploads
from tests.contract.kinds import KINDS, place_of
from tests.contract.stores import Place
from tests.contract.uploading import EXPIRY
from tests.support import logs, nginx, rings
from tests.support.ceph import Ceph, MissingProgramsError, ceph_rgw
from tests.support.files import new_container
from tests.support.s3_servers import S3Server, close_admins, moto_server
from tests.support.service import Backend, LocalBackend, S3Backend, Service
from tests.support.services import DEFAULTS, WORKERS, Lend, Services
from tests.support.shared import Described, common, shared

# Several processes share the machine: how long one example takes says nothing.
settings.register_profile("shared", deadline=None)
settings.load_profile("shared")


LEFT_OUT = pytest.StashKey[str]()


def pytest_addoption(parser: pytest.Parser) -> None:
    rings.add_option(parser)


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("ring") is rings.Ring.CHECK:
        rings.forbid_sockets()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    left_out = rings.select(config.getoption("ring"), items)
    config.hook.pytest_deselected(items=left_out)
    config.stash[LEFT_OUT] = rings.said_of(left_out)
    if hasattr(config, "workeroutput"):
        config.workeroutput["left out"] = config.stash[LEFT_OUT]


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """All processes that run tests leave out the same; one that has crashed says nothing."""
    output = getattr(node, "workeroutput", {})
    node.config.stash[LEFT_OUT] = output.get("left out", "")


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Say in a line what this run has not shown."""
    reasons = {str(each.longrepr[2]) for each in terminalreporter.getreports("skipped")}
    needed = sorted(each.removeprefix("Skipped: ") for each in reasons if "needs" in each)
    missing = [config.stash.get(LEFT_OUT, ""), *needed]
    if said := "; ".join(filter(None, missing)):
        terminalreporter.write_line(f"left out: {said} ({rings.LATER[config.getoption('ring')]})")


@pytest.fixture(scope="session", autouse=True)
def _logs_without_secrets() -> Iterator[None]:
    """No log of any service that these tests have started shows a token or a secret."""
    yield
    found = list(logs.shown())
    assert found == [], "\n".join(found[:20])


@pytest.fixture(scope="session")
def moto() -> Iterator[S3Server]:
    """Moto's S3: always there."""
    with moto_server() as server:
        yield server


@pytest.fixture(scope="session")
def ceph_node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ceph]:
    """A real Ceph for all processes. Skips where it is not installed, fails if ``CI`` is set."""
    directory = common(tmp_path_factory) / "ceph"
    directory.mkdir(exist_ok=True)
    try:
        with shared(directory, _ceph) as node:
            yield Ceph(node["endpoint"], Path(node["config"]))
    except MissingProgramsError as error:
        if os.environ.get("CI"):
            pytest.fail(f"needs Ceph: {error}")
        pytest.skip(f"needs Ceph: {error}")


@contextlib.contextmanager
def _ceph() -> Iterator[Described]:
    with ceph_rgw() as node:
        yield {"endpoint": node.endpoint, "config": str(node.config)}


@pytest.fixture(scope="session")
def ceph(ceph_node: Ceph) -> S3Server:
    """Ceph for one process: its buckets are its own."""
    return ceph_node.new_user()


@pytest.fixture(params=["local", "ceph"])
def backend(request: pytest.FixtureRequest, tmp_path: Path) -> Backend:
    """Each store that the service runs on for real, empty."""
    return _backend(request, tmp_path)


def _backend(request: pytest.FixtureRequest, directory: Path) -> Backend:
    if request.param == "local":
        return LocalBackend(directory / "data")
    # Nobody removes the bucket: the server goes with the tests, and clearing takes minutes.
    server: S3Server = request.getfixturevalue("ceph")
    return S3Backend(server, server.fresh_bucket())


@pytest.fixture
def ceph_backend(ceph: S3Server) -> Iterator[S3Backend]:
    """A bucket on Ceph, for what happens on S3 only."""
    bucket = ceph.fresh_bucket()
    yield S3Backend(ceph, bucket)
    ceph.remove_bucket(bucket)


@pytest.fixture(scope="module", params=["local", "ceph"])
def shared_backend(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Backend:
    """Each store, one for all tests of a module."""
    return _backend(request, tmp_path_factory.mktemp("shared"))


@pytest.fixture(scope="session")
def local_services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    """Services on the embedded store that tests share."""
    directory = tmp_path_factory.mktemp("services")
    yield from _services(directory, lambda: LocalBackend(directory / uuid.uuid4().hex))


@pytest.fixture(scope="session")
def ceph_services(ceph: S3Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    """Services on Ceph that tests share."""
    directory = tmp_path_factory.mktemp("services")
    yield from _services(directory, lambda: S3Backend(ceph, ceph.fresh_bucket()))


def _services(directory: Path, new_backend: Callable[[], Backend]) -> Iterator[Services]:
    made = Services(directory, new_backend)
    yield made
    assert made.stop() == []


@pytest.fixture
def shared_service(request: pytest.FixtureRequest) -> Iterator[Lend]:
    """Lends a service to this test. It has to be as it was when the test ends."""
    used = set[Services]()

    def lend(
        store: str, settings: Mapping[str, str] = DEFAULTS, *, workers: int = WORKERS
    ) -> Service:
        services: Services = request.getfixturevalue(f"{store}_services")
        used.add(services)
        return services.lend(settings, workers)

    yield lend
    harm = [what for services in used for what in services.harm()]
    assert harm == [], "this test has harmed a service that it shares"


@pytest.fixture(params=["local", "ceph"])
def running(request: pytest.FixtureRequest, shared_service: Lend) -> Service:
    """The service as it is by default, on each store, with a client of its own for each test."""
    return shared_service(request.param)


@pytest.fixture(scope="session")
def nginx_program() -> str:
    """nginx itself. Skips where it is not installed, but fails if ``CI`` is set."""
    found = nginx.nginx_program()
    if found is None:
        reason = "needs nginx: apt-get install nginx-light"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    return found


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """Where the service under test writes its output."""
    return tmp_path / "service.log"


@pytest.fixture(scope="session", autouse=True)
def quick_clients() -> Iterator[None]:
    """Read and look for botocore's description of S3 once, not again for each client.

    By its path alone: each client has a loader of its own, and would keep its 20 MB for ever.
    """
    load = cache(partial(JSONFileLoader.load_file, JSONFileLoader()))
    services = cache(create_loader().list_available_services)

    def load_once(_loader: JSONFileLoader, path: str) -> object:
        return load(path)

    def list_once(_loader: Loader, type_name: str) -> object:
        return services(type_name)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(JSONFileLoader, "load_file", load_once)
        patch.setattr(Loader, "list_available_services", list_once)
        yield
    close_admins()


@pytest.fixture(params=KINDS)
async def place(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Place]:
    made = place_of(request.param, request, tmp_path)
    yield made
    await made.close()
    made.forget()


@pytest.fixture
async def store(place: Place) -> Storage:
    return await place.open()


@pytest.fixture
def container() -> Container:
    return new_container()


@pytest.fixture
async def uploads(store: Storage) -> AsyncIterator[Uploads]:
    made = Uploads(store, expiry=EXPIRY)
    yield made
    await made.aclose()


@pytest.fixture
async def other_node(place: Place) -> AsyncIterator[Uploads]:
    """The same place, as another process sees it."""
    made = Uploads(await place.open(), expiry=EXPIRY)
    yield made
    await made.aclose()
