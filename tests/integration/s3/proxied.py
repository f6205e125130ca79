"""A bucket that one node reaches through a proxy that breaks things, and others reach directly."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta

from file_uploader.model.names import Container
from file_uploader.storage.s3 import S3Storage
from file_uploader.storage.s3.write.conditions import Conditions
from file_uploader.uploads.rules import Uploads
from tests.contract.stores import S3Place
from tests.contract.uploading import EXPIRY
from tests.support.s3_proxy import FaultyProxy, faulty_proxy
from tests.support.s3_servers import Leftovers, S3Server

_probed: dict[str, Conditions] = {}


@dataclass
class Node:
    """A store with its rules, as one process has them."""

    place: S3Place
    store: S3Storage
    uploads: Uploads

    @classmethod
    async def of(cls, place: S3Place) -> Node:
        store = await place.open()
        assert isinstance(store, S3Storage)
        # Probed once for each server, so that no test counts that, breaks it or waits for it.
        store._context.probe._found = _probed.get(place.kind)
        _probed[place.kind] = await store._context.probe.conditions()
        return cls(place, store, Uploads(store, expiry=EXPIRY))

    async def close(self) -> None:
        """Wait for all that it does in the background."""
        await self.uploads.aclose()
        await self.place.close()


@dataclass
class Proxied:
    """``broken`` goes through the ``proxy``, ``direct`` does not."""

    server: S3Server
    bucket: str
    proxy: FaultyProxy
    broken: Node
    direct: Node

    def leftovers(self) -> Leftovers:
        return self.server.leftovers(self.bucket)

    async def forgotten(self, container: Container, upload_id: str) -> Leftovers:
        """What is left once an upload is forgotten and everything is closed."""
        await self.direct.uploads.cancel(container, upload_id)
        await self.close()
        return self.leftovers()

    async def sweep(self, expiry: timedelta) -> None:
        """Sweep as one whose uploads expire after that time."""
        store = await self.direct.place.open(upload_expiry=expiry)
        await store.sweep()

    async def close(self) -> None:
        self.proxy.release()
        await self.broken.close()
        await self.direct.close()


@asynccontextmanager
async def proxied(server: S3Server) -> AsyncIterator[Proxied]:
    """Two nodes of a fresh bucket; they end with the block."""
    bucket = server.fresh_bucket()
    async with proxied_node(server, bucket) as (proxy, broken):
        direct = await Node.of(S3Place(server, bucket, own_buckets=False))
        both = Proxied(server, bucket, proxy, broken, direct)
        try:
            yield both
        finally:
            await both.close()
    server.remove_bucket(bucket)


@asynccontextmanager
async def proxied_node(server: S3Server, bucket: str) -> AsyncIterator[tuple[FaultyProxy, Node]]:
    """A node with a proxy of its own."""
    async with faulty_proxy(server) as proxy:
        reached = replace(server, endpoint=proxy.endpoint)
        node = await Node.of(S3Place(reached, bucket, own_buckets=False))
        proxy.requests.clear()
        try:
            yield proxy, node
        finally:
            proxy.release()
            await node.close()
