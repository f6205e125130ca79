"""The stores that a contract runs on, and a fresh place for each."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.contract.stores import LocalPlace, Place, S3Place

KINDS = ["local", "moto", "ceph"]
EVERY_KIND = [*KINDS, "moto-own-buckets", "ceph-own-buckets"]
"""With a bucket for each container too: where names, keys and buckets are what is tested."""


def place_of(kind: str, request: pytest.FixtureRequest, directory: Path) -> Place:
    """A fresh, empty place; starts the server that it needs."""
    if kind == "local":
        return LocalPlace(directory)
    server = request.getfixturevalue(kind.removesuffix("-own-buckets"))
    return S3Place.fresh(server, own_buckets=kind.endswith("-own-buckets"))
