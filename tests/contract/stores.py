"""The stores under test: how each is opened, and what can be found in it from outside."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from contextlib import closing
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import apsw

from file_uploader.model.names import Container
from file_uploader.storage.base import Storage
from file_uploader.storage.local import LocalStorage
from file_uploader.storage.s3 import S3Config, S3Storage
from tests.support.bodies import KIB, MIB
from tests.support.s3_servers import S3Server, admin_of

Live = Mapping[tuple[Container, str], int]
"""The files that ought to be there, with their sizes."""

Recipe = dict[str, Any]
"""What JSON can carry to another process."""


class Place(ABC):
    """Where a store keeps its files: several instances can be open on it at once."""

    kind: str
    swaps_atomically = True
    """Whether the place itself decides conditions, so that no update is ever lost in a race."""
    inline_limit = 16 * KIB
    part_size = 8 * MIB
    clock = 1.5
    """Seconds until something that is old by the test's clock is so by the store's."""

    def __init__(self) -> None:
        self._opened: list[Storage] = []

    async def open(self, **settings: Any) -> Storage:
        """Another instance, as another process would open it; `close` closes it.

        ``settings`` are those of `S3Config`; a store without such a setting ignores it.
        """
        store = await self._open(settings)
        self._opened.append(store)
        return store

    async def reopen(self, store: Storage) -> Storage:
        """Close ``store`` and open another instance in its place."""
        self._opened.remove(store)
        await store.aclose()
        return await self.open()

    async def close(self) -> None:
        """Close what is still open."""
        while self._opened:
            await self._opened.pop().aclose()

    def forget(self) -> None:  # noqa: B027 - not every place has something to forget
        """Give back what the place takes of this process."""

    @abstractmethod
    async def _open(self, settings: Mapping[str, Any]) -> Storage: ...

    @property
    @abstractmethod
    def settings(self) -> Mapping[str, str]:
        """The environment that has the service use it."""

    @abstractmethod
    def recipe(self, **settings: int) -> Recipe:
        """What `place_from` makes the same place of, in another process."""

    @abstractmethod
    def strays(self, live: Live) -> list[str]:
        """Everything found in the place that ``live`` does not account for, and what it misses."""


class LocalPlace(Place):
    """The embedded store in a directory."""

    kind = "local"
    clock = 0.1

    def __init__(self, directory: Path) -> None:
        super().__init__()
        self.directory = directory

    async def _open(self, settings: Mapping[str, Any]) -> Storage:
        return await LocalStorage.connect(self.directory)

    @property
    def settings(self) -> Mapping[str, str]:
        return {"DATA_DIR": str(self.directory), "BUCKET": ""}

    def recipe(self, **settings: int) -> Recipe:
        return {"kind": self.kind, "directory": str(self.directory)}

    def strays(self, live: Live) -> list[str]:
        with closing(apsw.Connection(str(self.directory / "index.db"))) as index:
            rows: dict[str, list[Any]] = {
                table: list(index.execute(f"SELECT * FROM {table}"))
                for table in ("files", "contents", "garbage", "uploads")
            }
            named = {blob for (blob,) in index.execute("SELECT blob FROM files") if blob}
            inlined = {
                row for (row,) in index.execute("SELECT content FROM files") if row is not None
            }
        blobs = {path.name for path in (self.directory / "blobs").rglob("*") if path.is_file()}
        files = {(row[0].hex(), row[1], row[2]) for row in rows["files"]}
        expected = {(owner.name, name, size) for (owner, name), size in live.items()}
        sessions = len(list((self.directory / "sessions").iterdir()))
        known = {"index.db", "index.db-wal", "index.db-shm", "blobs", "sessions", "link.key"}
        top = {path.name for path in self.directory.iterdir() if path.suffix != ".lock"}
        return [
            *(f"row or missing row: {each}" for each in files ^ expected),
            *(f"blob or missing blob: {each}" for each in blobs ^ named),
            *(f"content: {each}" for each in {row[0] for row in rows["contents"]} ^ inlined),
            *(f"{table}: {each}" for table in ("garbage", "uploads") for each in rows[table]),
            *([] if sessions == len(self._opened) else [f"{sessions} sessions"]),
            *(f"unknown: {each}" for each in top - known),
        ]


class S3Place(Place):
    """The S3 store in a bucket, or in one for each container, named ``<bucket>-<container>``."""

    def __init__(self, server: S3Server, bucket: str, *, own_buckets: bool) -> None:
        super().__init__()
        self.kind = f"{server.name}-own-buckets" if own_buckets else server.name
        self.swaps_atomically = server.name != "moto"  # moto looks, and then writes
        self.server = server
        self._bucket = bucket
        self._own_buckets = own_buckets

    @classmethod
    def fresh(cls, server: S3Server, *, own_buckets: bool = False) -> S3Place:
        """A place in a new bucket."""
        bucket = f"test-{uuid4().hex[:16]}"
        admin_of(server).create_bucket(Bucket=bucket)
        return cls(server, bucket, own_buckets=own_buckets)

    async def _open(self, settings: Mapping[str, Any]) -> Storage:
        config = S3Config(
            bucket=self._bucket,
            container_bucket=f"{self._bucket}-{{container}}" if self._own_buckets else None,
            endpoint_url=self.server.endpoint,
            region=self.server.region,
            access_key=self.server.access_key,
            secret_key=self.server.secret_key,
        )
        return await S3Storage.connect(replace(config, **settings))

    def forget(self) -> None:
        self.server.forget_all()

    @property
    def settings(self) -> Mapping[str, str]:
        own = {"CONTAINER_BUCKET": f"{self._bucket}-{{container}}"} if self._own_buckets else {}
        return {
            "BUCKET": self._bucket,
            "AWS_ACCESS_KEY_ID": self.server.access_key,
            "AWS_SECRET_ACCESS_KEY": self.server.secret_key,
            "AWS_ENDPOINT_URL_S3": self.server.endpoint,
            "AWS_REGION": self.server.region,
            **own,
        }

    def address(self, container: Container, name: str) -> dict[str, str]:
        """Where a file's object is, for botocore."""
        bucket, _, key = self._key(container, name).partition(": ")
        return {"Bucket": bucket, "Key": key}

    def recipe(self, **settings: int) -> Recipe:
        return {
            "kind": "s3",
            "server": asdict(self.server),
            "bucket": self._bucket,
            "own_buckets": self._own_buckets,
            "settings": settings,
        }

    def strays(self, live: Live) -> list[str]:
        found = set()
        admin = admin_of(self.server)
        for name in (each["Name"] for each in admin.list_buckets()["Buckets"]):
            if not name.startswith(self._bucket):
                continue
            for page in admin.get_paginator("list_objects_v2").paginate(Bucket=name):
                found |= {f"{name}: {each['Key']}" for each in page.get("Contents", ())}
            for page in admin.get_paginator("list_multipart_uploads").paginate(Bucket=name):
                found |= {f"{name}: upload of {each['Key']}" for each in page.get("Uploads", ())}
        found.discard(f"{self._bucket}: keys/links")
        return sorted(found ^ {self._key(*file) for file in live})

    def _key(self, container: Container, name: str) -> str:
        if self._own_buckets:
            return f"{self._bucket}-{container.name}: files/{name}"
        return f"{self._bucket}: files/{container.name}/{name}"


def place_from(recipe: Recipe) -> Place:
    """The place that `Place.recipe` described."""
    if recipe["kind"] == "local":
        return LocalPlace(Path(recipe["directory"]))
    server = S3Server(**recipe["server"])
    return S3Place(server, recipe["bucket"], own_buckets=recipe["own_buckets"])


async def clean(place: Place, store: Storage, live: Live) -> Storage:
    """Let clean-ups end, sweep, and assert that nothing but ``live`` is there.

    Returns the store to go on with: the old instance is closed.
    """
    store = await place.reopen(store)
    await store.sweep()
    assert place.strays(live) == []
    return store


def sizes_around(place: Place) -> list[int]:
    """The sizes at which a store changes how it keeps a file, and their neighbours."""
    edges = (place.inline_limit, 256 * KIB, place.part_size)
    around = [edge + off for edge in edges for off in (-1, 0, 1)]
    return [0, 1, 2, *around, 2 * place.part_size + 1, 3 * place.part_size]
