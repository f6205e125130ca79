"""Servers that several suites share, started once a session and only if a test asks for them."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.support.s3_servers import MissingProgramsError, S3Server, ceph_rgw, moto_server


@pytest.fixture(scope="session")
def moto() -> Iterator[S3Server]:
    """Moto's S3: always there."""
    with moto_server() as server:
        yield server


@pytest.fixture(scope="session")
def ceph() -> Iterator[S3Server]:
    """A real Ceph RGW. Skips where Ceph is not installed, but fails if ``CI`` is set."""
    try:
        with ceph_rgw() as server:
            yield server
    except MissingProgramsError as error:
        if os.environ.get("CI"):
            pytest.fail(f"needs Ceph: {error}")
        pytest.skip(f"needs Ceph: {error}")
