"""The contract runs on each of `KINDS`: one store, in a fresh place for each test."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from functools import cache, partial
from pathlib import Path

import pytest
from botocore.loaders import JSONFileLoader

from file_uploader.model import Container
from file_uploader.storage.base import Storage
from file_uploader.uploads import Uploads
from tests.storage.stores import LocalPlace, Place, S3Place, close_admins, new_container
from tests.storage.uploading import EXPIRY

KINDS = ["local", "moto", "ceph"]
EVERY_KIND = [*KINDS, "moto-own-buckets", "ceph-own-buckets"]
"""With a bucket for each container too: where names, keys and buckets are what is tested."""


def place_of(kind: str, request: pytest.FixtureRequest, directory: Path) -> Place:
    """A fresh, empty place; starts the server that it needs."""
    if kind == "local":
        return LocalPlace(directory)
    server = request.getfixturevalue(kind.removesuffix("-own-buckets"))
    return S3Place.fresh(server, own_buckets=kind.endswith("-own-buckets"))


@pytest.fixture(scope="session", autouse=True)
def quick_clients() -> Iterator[None]:
    """Read botocore's description of S3 once, not again for each store that is opened.

    By its path alone: each client has a loader of its own, and would keep its 20 MB for ever.
    """
    load = cache(partial(JSONFileLoader.load_file, JSONFileLoader()))

    def load_once(_loader: JSONFileLoader, path: str) -> object:
        return load(path)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(JSONFileLoader, "load_file", load_once)
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
