"""The S3 store: every operation of the protocol, put together from the parts beside it.

A put: admitted to the `Budget` -> `Cutter` pulls the body into a `Part` -> one PutObject, or a
`Multipart` -> `Target` commits, in a task that the store owns -> `FileInfo`.
"""

from __future__ import annotations

import asyncio
import logging
import shutil
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime, timedelta
from typing import Any, Self

from typing_extensions import override

from file_uploader.errors import ConfigurationError, StorageUnavailable
from file_uploader.model import storable
from file_uploader.model.conditions import UNCONDITIONAL, Precondition
from file_uploader.model.files import ByteRange, FileInfo, Metadata, Usage
from file_uploader.model.listing import ListEntry, ListQuery
from file_uploader.model.names import Container, FileName
from file_uploader.storage.base import Content, Storage
from file_uploader.storage.observed import observed, observed_items, observed_opening
from file_uploader.storage.passes import Pass
from file_uploader.storage.s3.buffers.budget import Budget
from file_uploader.storage.s3.buffers.part import Part
from file_uploader.storage.s3.buffers.sizes import MIN_PART, PartSizes
from file_uploader.storage.s3.client.client import Client
from file_uploader.storage.s3.upkeep.examine import Examination
from file_uploader.storage.s3.upkeep.inventory import Inventory
from file_uploader.storage.s3.upkeep.sweep import Sweep
from file_uploader.storage.s3.uploads.records import Records
from file_uploader.storage.s3.uploads.uploads import S3Uploads
from file_uploader.storage.s3.write.conditions import Probe
from file_uploader.storage.s3.write.cutter import Cutter
from file_uploader.storage.s3.write.etags import tag_proof
from file_uploader.storage.s3.write.in_parts import Multipart
from file_uploader.storage.s3.write.target import Target
from file_uploader.storage.s3.write.write import Write
from file_uploader.storage.upkeep import Flaw, Proof, Sha256Proof, Swept
from file_uploader.transfer.body import ClientBody
from file_uploader.transfer.tasks import OwnedTasks

from . import listing, read
from .buckets import Buckets
from .config import S3Config
from .key import kept_key
from .keys import PROBES, Keys

logger = logging.getLogger(__name__)

OVERHEAD = 192 * 1024
"""Bytes that an upload holds beside its parts: what was read of its socket and waits, and what is
in hand."""

CLOSING = 30.0
"""Seconds that commits and clean-ups have to end when the store is closed."""


class S3Storage(Storage):
    """A `file_uploader.storage.base.Storage` in S3; `connect` makes it."""

    def __init__(self, config: S3Config, client: Client, budget: Budget) -> None:
        self._config = config
        self._client = client
        self._budget = budget
        self._keys = Keys(config)
        self._buckets = Buckets(client, self._keys, aws=config.endpoint_url is None)
        self._tasks = OwnedTasks()
        self._probe = Probe(client, config.bucket, self._tasks)
        self._uploads = S3Uploads(
            client,
            budget=budget,
            keys=self._keys,
            records=Records(client, self._probe, self._keys),
            tasks=self._tasks,
            target=self._target,
        )
        self._live: set[str] = set()
        self._pass = Pass(self.ready)
        self._inventory = Inventory(client, self._buckets, self._keys, self._pass)
        self._closed = False

    @classmethod
    async def connect(cls, config: S3Config, *, patient: bool = True) -> Self:
        """Open the store. A bucket that cannot be reached right now is no reason not to start.

        Who is not ``patient`` is told so by `StorageUnavailable`.

        Raises `ConfigurationError` for one that does not exist or refuses the credentials, for
        settings that cannot work, and for a clock that is wrong.
        """
        least = MIN_PART + OVERHEAD
        if config.memory_budget + config.spool_limit < least:
            raise ConfigurationError(
                f"MEMORY_BUDGET and SPOOL_LIMIT: together at least {least} bytes."
            )
        budget = Budget(
            memory=config.memory_budget,
            spool=config.spool_limit,
            spool_dir=config.spool_dir,
            overhead=OVERHEAD,
        )
        try:
            client = await Client.open(config)
        except BaseException:
            budget.close()
            raise
        store = cls(config, client, budget)
        try:
            await client.check_bucket(config.bucket)
        except StorageUnavailable as error:
            if not patient:
                await store.aclose()
                raise
            logger.warning("%s; starting without it", error)
        except BaseException:
            await store.aclose()
            raise
        return store

    @property
    @override
    def uploads(self) -> S3Uploads:
        return self._uploads

    @override
    @observed("put")
    async def put(
        self,
        container: Container,
        name: FileName,
        body: ClientBody,
        *,
        metadata: Metadata,
        precondition: Precondition = UNCONDITIONAL,
        modified: datetime | None = None,
    ) -> FileInfo:
        """S3 takes no other time than its own."""
        del modified
        storable.check(name, metadata)
        sizes = PartSizes(body.length)
        size = sizes.size if body.length is None else min(sizes.size, body.length)
        target = self._target(container, name)
        write = Write(target, body, metadata, precondition)
        with self._budget.admit(size) as share:
            cutter = Cutter(body, share, sizes)
            first = await cutter.next()
            if cutter.ended:
                return await self._tasks.finish(self._put_whole(write, first))
            return await self._put_parts(write, first, cutter)

    @override
    @observed("head")
    async def head(self, container: Container, name: FileName) -> FileInfo:
        info, _ = await self._target(container, name).head()
        return info

    @override
    @observed_opening("open")
    def open(
        self,
        container: Container,
        name: FileName,
        *,
        etag: str | None = None,
        byte_range: ByteRange | None = None,
    ) -> AbstractAsyncContextManager[Content]:
        place = self._keys.place(container)
        own_bucket = self._keys.own_buckets
        return read.opened(self._client, place, name, etag, byte_range, own_bucket=own_bucket)

    @override
    async def direct_url(
        self, container: Container, name: FileName, *, lifetime: timedelta, disposition: str
    ) -> str | None:
        """A presigned GetObject."""
        return await self._client.presigned(
            "get_object",
            lifetime,
            **self._keys.place(container).address(name),
            ResponseContentDisposition=disposition,
        )

    @override
    @observed("delete")
    async def delete(
        self, container: Container, name: FileName, *, precondition: Precondition = UNCONDITIONAL
    ) -> None:
        await self._tasks.finish(self._target(container, name).delete(precondition))

    @override
    @observed_items("list")
    async def list(
        self, container: Container, query: ListQuery
    ) -> AsyncGenerator[Sequence[ListEntry], None]:
        async for page in self._pages(container, query):
            yield page

    @override
    @observed("usage")
    async def usage(self, container: Container) -> Usage | None:
        """None above 10,000 files."""
        return await listing.usage(self._pages(container, ListQuery()))

    @override
    async def containers(self) -> AsyncIterator[Container]:
        found, broken = await self._buckets.containers()
        for name in sorted(found):
            yield Container(name)
        if broken is not None:
            raise broken

    @override
    @observed("claim")
    async def claim(self, container: Container) -> None:
        await self._buckets.claim(self._keys.place(container))

    @override
    async def kept_key(self, new: bytes | None = None) -> bytes:
        return await kept_key(self._client, self._probe, self._keys.link_key, new)

    @override
    @observed("ready")
    async def ready(self) -> None:
        # What no bucket with versions keeps: beginning an upload, and giving it up.
        address = {"Bucket": self._config.bucket, "Key": f"{PROBES}ready"}
        begun = await self._client.call_once("create_multipart_upload", **address)
        await self._client.call_once(
            "abort_multipart_upload", **address, UploadId=begun["UploadId"]
        )

    @override
    async def vitals(self) -> Mapping[str, float]:
        free = await asyncio.to_thread(shutil.disk_usage, self._config.spool_dir)
        return {"disk_free_bytes": free.free}

    @override
    def proof(self, info: FileInfo) -> Proof:
        if info.sha256 is not None:
            return Sha256Proof(info.sha256)
        return tag_proof(info.etag, info.size)

    @override
    def examine(self) -> AsyncIterator[Flaw]:
        return Examination(self._inventory, self._uploads, self._pass).run()

    @override
    @observed("sweep")
    async def sweep(self, *, dry: bool = False) -> Swept:
        """Any number of processes may do it at once."""
        sweep = Sweep(
            self._client,
            self._inventory,
            self._uploads,
            self._pass,
            bucket=self._config.bucket,
            expiry=self._config.upload_expiry,
            live=self._live,
            dry=dry,
        )
        return await sweep.run()

    @override
    async def aclose(self) -> None:
        """Waits half a minute at most, and does nothing the second time."""
        if self._closed:
            return
        self._closed = True
        await self._tasks.drain(CLOSING)
        await self._client.aclose()
        self._budget.close()

    async def _pages(
        self, container: Container, query: ListQuery
    ) -> AsyncIterator[Sequence[ListEntry]]:
        place = self._keys.place(container)
        with self._buckets.missing_is_empty():
            async for page in listing.entries(self._client, place, query):
                yield page

    def _target(self, container: Container, name: FileName) -> Target:
        place = self._keys.place(container)
        return Target(self._client, self._probe, self._buckets, place, name)

    async def _put_whole(self, write: Write, part: Part) -> FileInfo:
        target, headers = write.target, write.headers(write.body.sha256)

        async def put(condition: dict[str, Any]) -> dict[str, Any]:
            return await self._client.send(
                "put_object", part, **target.address, **headers, **condition
            )

        try:
            done = await target.put("put", put, write.precondition, write.id)
        finally:
            part.release()
        return write.info(done)

    async def _put_parts(self, write: Write, first: Part, cutter: Cutter) -> FileInfo:
        # S3 takes metadata before the body, so only an announced digest can be in it.
        headers = write.headers(write.body.announced_sha256)
        try:
            multipart = await Multipart.create(write.target, headers, self._tasks)
        except BaseException:
            first.release()
            raise
        self._live.add(multipart.upload_id)
        try:
            try:
                await multipart.send_all(first, cutter)
            except BaseException:
                await self._tasks.finish(multipart.discard())
                raise
            done = await self._tasks.finish(multipart.complete(write.precondition, write.id))
        finally:
            self._live.discard(multipart.upload_id)
        return write.info(done)
