"""The backends that the end-to-end tests run on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.s3_servers import S3Server
from tests.support.service import Backend, LocalBackend, S3Backend


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


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """Where the service under test writes its output."""
    return tmp_path / "service.log"
