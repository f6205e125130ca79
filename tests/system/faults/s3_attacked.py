"""A running service whose way to Ceph can be broken, and what is in Ceph, seen from beside it."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path

from file_uploader.errors import StorageError
from file_uploader.model.names import Container
from file_uploader.storage.base import Storage
from tests.contract.stores import S3Place
from tests.support.loops import LoopThread
from tests.support.rounds import LONG
from tests.support.s3_proxy import FaultyProxy, threaded_proxy
from tests.support.s3_servers import S3Server, admin_of
from tests.support.service import APP, S3Backend, Service, service
from tests.support.waiting import until

PATIENCE = 1.0 if LONG else 0.2
"""The part that the service has of its usual patience with S3 (`impatient`)."""

PROGRAM = APP if LONG else "tests.system.faults.impatient:app"


@dataclass(eq=False)
class Attacked:
    """``node`` reaches the bucket through the ``proxy``; what is asked here does not."""

    server: S3Server
    bucket: str
    proxy: FaultyProxy
    loop: LoopThread
    directory: Path
    node: Service
    place: S3Place
    store: Storage
    """One of the test's own, which lives in the loop; for its sweep everything has expired."""
    live: dict[str, bytes] = field(default_factory=dict)
    """What has to be there: the content of every file of the node's client, by name."""

    @property
    def container(self) -> Container:
        return Container.of(uuid.UUID(self.node.token))

    def key(self, name: str) -> str:
        return f"files/{self.container.name}/{name}"

    def stored(self, name: str) -> bytes | None:
        """The content of a file as Ceph has it; None if there is none."""
        admin = admin_of(self.server)
        with suppress(admin.exceptions.NoSuchKey):
            answer = admin.get_object(Bucket=self.bucket, Key=self.key(name))
            data: bytes = answer["Body"].read()
            return data
        return None

    def remove_files(self) -> None:
        """Remove every file of the client, behind the service's back."""
        admin = admin_of(self.server)
        for name in self.live:
            admin.delete_object(Bucket=self.bucket, Key=self.key(name))
        self.live.clear()

    def strays(self) -> list[str]:
        """Everything in the bucket that ``live`` does not account for, and what it misses."""
        live = {(self.container, name): len(data) for name, data in self.live.items()}
        return self.place.strays(live)

    def leaves_nothing(self) -> None:
        """Wait until nothing is under way, and nothing is left that a sweep does not remove."""

        def swept_clean() -> bool:
            with suppress(StorageError):  # what is being removed anyway may be gone by then
                self.loop.run(self.store.sweep())
            return not self.strays()

        until(swept_clean, f"left in the bucket: {self.strays()}")

    @contextmanager
    def another(
        self, log: str, *, direct: bool = False, settings: Mapping[str, str] | None = None
    ) -> Iterator[Service]:
        """One more node, for the same client; ``direct``: it does not go through the proxy."""
        backend = S3Backend(self.server if direct else _through(self.proxy), self.bucket)
        at = self.directory / log
        with service(backend, at, settings=settings, app=PROGRAM) as running:
            running.token = self.node.token
            yield running


@contextmanager
def attacked(
    server: S3Server,
    directory: Path,
    *,
    workers: int = 1,
    settings: Mapping[str, str] | None = None,
) -> Iterator[Attacked]:
    """A service with an empty bucket, impatient where there is no time for more.

    Fails with what it logs that it should not.
    """
    bucket = server.fresh_bucket()
    log = directory / "service.log"
    place = S3Place(server, bucket, own_buckets=False)
    with threaded_proxy(server) as (loop, proxy):
        backend = S3Backend(_through(proxy), bucket)
        with service(backend, log, workers=workers, settings=settings, app=PROGRAM) as node:
            store = loop.run(place.open(upload_expiry=timedelta(0)))
            yield Attacked(server, bucket, proxy, loop, directory, node, place, store)
            proxy.heal()
            loop.run(place.close())
    for path in directory.glob("*.log"):
        said = path.read_text()
        assert "Traceback" not in said, said[said.index("Traceback") - 500 :][:5000]
    server.remove_bucket(bucket)


def _through(proxy: FaultyProxy) -> S3Server:
    return replace(proxy.server, endpoint=proxy.endpoint)
