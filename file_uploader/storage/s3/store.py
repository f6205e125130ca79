"""The S3 store: every operation of the protocol, put together from the parts beside it.

A put: admitted to the `Budget` -> `Put` pulls the body into a `Part` -> one PutObject, or a
multipart upload -> `Target` commits, in a task that the store owns -> `FileInfo`.
"""

from __future__ import annotations

import asyncio
import logging
import shutil
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from datetime import datetime, timedelta
from typing import Self

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
from file_uploader.storage.s3.buffers.sizes import MIN_PART
from file_uploader.storage.s3.client.client import Client
from file_uploader.storage.s3.client.errors import NoSuchBucket
from file_uploader.storage.s3.upkeep.examine import examine
from file_uploader.storage.s3.upkeep.inventory import Inventory
from file_uploader.storage.s3.upkeep.sweep import Sweep
from file_uploader.storage.s3.uploads.uploads import S3Uploads
from file_uploader.storage.s3.write.context import Context
from file_uploader.storage.s3.write.etags import TagProof
from file_uploader.storage.s3.write.put import Put
from file_uploader.storage.s3.write.target import Target
from file_uploader.storage.upkeep import Flaw, Proof, Sha256Proof, Swept
from file_uploader.transfer.body import ClientBody

from . import listing, read
from .config import S3Config
from .key import kept_key
from .keys import PROBES, file_info

logger = logging.getLogger(__name__)

OVERHEAD = 192 * 1024
"""Bytes that an upload holds beside its parts: what was read of its socket and waits, and what is
in hand."""

CLOSING = 30.0
"""Seconds that commits and clean-ups have to end when the store is closed."""


class S3Storage(Storage):
    """A `file_uploader.storage.base.Storage` in S3; `connect` makes it."""

    def __init__(self, context: Context) -> None:
        self._uploads = S3Uploads(context)
        self._context = context
        self._client = context.client
        self._keys = context.keys
        self._pass = Pass(self.ready)
        self._inventory = Inventory(context, self._pass)
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
        async with AsyncExitStack() as undo:
            budget = Budget(
                memory=config.memory_budget,
                spool=config.spool_limit,
                spool_dir=config.spool_dir,
                overhead=OVERHEAD,
            )
            undo.callback(budget.close)
            client = await Client.open(config)
            undo.push_async_callback(client.aclose)
            try:
                await client.check_bucket(config.bucket)
            except StorageUnavailable as error:
                if not patient:
                    raise
                logger.warning("%s; starting without it", error)
            undo.pop_all()
        return cls(Context(config, client, budget))

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
        return await Put(
            self._context, container, name, body, metadata=metadata, precondition=precondition
        ).run()

    @override
    @observed("head")
    async def head(self, container: Container, name: FileName) -> FileInfo:
        address = self._keys.files(container).address(name.value)
        return file_info(name, await self._client.call("head_object", **address))

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
        return read.opened(
            self._client, self._keys, container, name, etag=etag, byte_range=byte_range
        )

    @override
    async def direct_url(
        self, container: Container, name: FileName, *, lifetime: timedelta, disposition: str
    ) -> str | None:
        """A presigned GetObject."""
        return await self._client.presigned(
            "get_object",
            lifetime,
            **self._keys.files(container).address(name.value),
            ResponseContentDisposition=disposition,
        )

    @override
    @observed("delete")
    async def delete(
        self, container: Container, name: FileName, *, precondition: Precondition = UNCONDITIONAL
    ) -> None:
        target = Target(self._context, container, name, precondition=precondition)
        await self._context.tasks.finish(target.delete())

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
        found, broken = await self._context.buckets.containers()
        for name in sorted(found):
            yield Container(name)
        if broken is not None:
            raise broken

    @override
    @observed("claim")
    async def claim(self, container: Container) -> None:
        await self._context.buckets.claim(self._keys.files(container).bucket)

    @override
    async def kept_key(self, new: bytes | None = None) -> bytes:
        return await kept_key(self._context, new)

    @override
    @observed("ready")
    async def ready(self) -> None:
        # What no bucket with versions keeps: beginning an upload, and giving it up.
        address = {"Bucket": self._keys.bucket, "Key": f"{PROBES}ready"}
        begun = await self._client.call_once("create_multipart_upload", **address)
        await self._client.call_once(
            "abort_multipart_upload", **address, UploadId=begun["UploadId"]
        )

    @override
    async def vitals(self) -> Mapping[str, float]:
        free = await asyncio.to_thread(shutil.disk_usage, self._context.config.spool_dir)
        return {"disk_free_bytes": free.free}

    @override
    def proof(self, info: FileInfo) -> Proof:
        if info.sha256 is not None:
            return Sha256Proof(info.sha256)
        return TagProof(info.etag, info.size)

    @override
    def examine(self) -> AsyncIterator[Flaw]:
        return examine(self._inventory, self.uploads, self._pass)

    @override
    @observed("sweep")
    async def sweep(self, *, dry: bool = False) -> Swept:
        """Any number of processes may do it at once."""
        return await Sweep(self._context, self._inventory, self.uploads, self._pass, dry=dry).run()

    @override
    async def aclose(self) -> None:
        """Waits half a minute at most, and does nothing the second time."""
        if self._closed:
            return
        self._closed = True
        await self._context.tasks.drain(CLOSING)
        await self._client.aclose()
        self._context.budget.close()

    async def _pages(
        self, container: Container, query: ListQuery
    ) -> AsyncIterator[Sequence[ListEntry]]:
        try:
            async for page in listing.entries(self._client, self._keys.files(container), query):
                yield page
        except NoSuchBucket:  # Nothing is in a container's own yet.
            if not self._keys.own_buckets:
                raise
