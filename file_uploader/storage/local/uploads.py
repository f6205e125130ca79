"""Uploads in several requests: records in the index, and for each a blob that grows.

Any process can go on with an upload, so any process may have its blob open. What keeps a superseded
append from writing over its successor is a lock on the blob, held for the length of one write, and
a look at the record under it. The successor, having claimed the record, takes that lock once and
cuts the blob to the acknowledged offset: whatever the older one wrote in time is gone then, and
whatever it wants to write later it finds itself superseded.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import AsyncGenerator, AsyncIterator, Collection
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from functools import partial

from typing_extensions import override

from file_uploader.errors import NoSuchUpload
from file_uploader.model import storable
from file_uploader.model.names import Container
from file_uploader.model.uploads import Appended, Upload, UploadState, is_upload_id
from file_uploader.storage.local.blobs.blobs import READ_SIZE, OpenBlob
from file_uploader.storage.local.blobs.free_space import check_room
from file_uploader.storage.local.blobs.intake import INLINE, Intake
from file_uploader.storage.local.blobs.writable import WritableBlob
from file_uploader.storage.local.index.rows import Draft, blob_of
from file_uploader.storage.observed import observed, observed_items
from file_uploader.storage.records import UnreadableRecord
from file_uploader.storage.upkeep import Flaw
from file_uploader.storage.uploads import UploadStorage, appended
from file_uploader.transfer.body import ClientBody
from file_uploader.transfer.hashing import Hash, check_digests

from .changes import Changes
from .directory import DataDirectory
from .sink import BlobSink
from .threads import Threads

_STEP = 16 * 1024 * 1024
"""Bytes that a thread reads and hashes in one go, so that others get their turn."""

_HASHES = 4096
"""Uploads whose running hash is remembered; what is forgotten is read again at the end."""


class LocalUploads(UploadStorage):
    """The `UploadStorage` of a data directory."""

    def __init__(
        self, directory: DataDirectory, changes: Changes, intake: Intake, reading: Threads
    ) -> None:
        self._index = directory.index
        self._blobs = directory.blobs
        self._changes = changes
        self._intake = intake
        self._reading = reading
        self._hashes: OrderedDict[str, tuple[int, Hash]] = OrderedDict()

    @override
    @observed("create_upload")
    async def create(self, container: Container, upload: Upload) -> Upload:
        storable.check(upload.plan.name, upload.plan.metadata)
        blob = None
        if upload.state is UploadState.OPEN:  # Else its bytes are other uploads'.
            async with self._intake.new_blob(upload.length) as blob:
                upload = replace(upload, held={"blob": blob.id})
        return await self._changes.make(
            lambda writer: (writer.add_upload(container, upload), ()), blob
        )

    @override
    @observed("load_upload")
    async def load(self, container: Container, upload_id: str) -> Upload:
        return await self._load(container, upload_id)

    @override
    @observed("swap_upload")
    async def swap(self, container: Container, upload: Upload) -> Upload:
        return await self._changes.make(lambda writer: (writer.swap_upload(container, upload), ()))

    @override
    @observed_items("list_uploads")
    async def list(self, container: Container) -> AsyncGenerator[Upload | Flaw, None]:
        after = ""
        while ids := await self._reading.run(self._index.upload_ids, container, after, 100):
            for upload_id in filter(is_upload_id, ids):
                try:
                    yield await self._load(container, upload_id)
                except NoSuchUpload:  # removed since it was listed
                    continue
                except UnreadableRecord as error:
                    yield Flaw(str(error), container, upload_id=upload_id)
            after = ids[-1]

    @override
    @observed("check_fits")
    async def check_fits(self, upload: Upload, more: int) -> None:
        """A length that was said before was looked at then."""
        del upload
        await self._intake.threads.run(check_room, self._blobs.directory, more)

    @override
    @observed_items("append")
    async def append(
        self, container: Container, upload: Upload, body: ClientBody, *, final: bool
    ) -> AsyncGenerator[Appended, None]:
        guard = partial(self._index.check_generation, container, upload)
        position, known = self._take_hash(upload)
        running = known if position == upload.offset else None
        sink = BlobSink(self._intake, upload, guard, running)
        try:
            await sink.begin()
            async with aclosing(appended(sink, body, final=final)) as storing:
                async for durable in storing:
                    yield durable
                    # The record says so by now: whoever was superseded does not come here.
                    if durable.last and running is not None:
                        self._hashes[upload.id] = durable.offset, running
                        if len(self._hashes) > _HASHES:
                            self._hashes.popitem(last=False)
        finally:
            sink.end()

    @override
    @observed("complete_upload")
    async def complete(self, container: Container, upload: Upload) -> Upload:
        try:
            if upload.plan.sources:
                return await self._complete_joined(container, upload)
            return await self._complete(container, upload)
        except NoSuchUpload:
            current = await self._load(container, upload.id)
            if current.state is UploadState.COMPLETE:  # Somebody was faster.
                return current
            raise

    @override
    @observed("remove_upload")
    async def remove(self, container: Container, upload: Upload) -> None:
        await self._changes.make(lambda writer: (None, writer.remove_upload(container, upload.id)))

    async def _load(self, container: Container, upload_id: str) -> Upload:
        return await self._reading.run(self._index.upload, container, upload_id)

    async def _complete(self, container: Container, upload: Upload) -> Upload:
        blob_id = blob_of(upload) or ""
        digests, data = await self._read(blob_id, upload)
        check_digests(digests, upload.plan.digests, upload.offset)
        draft = None
        if upload.plan.name is not None:
            blob = blob_id if data is None else None
            draft = Draft(upload.offset, digests["sha256"], upload.plan.metadata, data, blob)
        return await self._changes.make(
            lambda writer: writer.complete_upload(container, upload, draft)
        )

    def _take_hash(self, upload: Upload) -> tuple[int, Hash]:
        """The hash of the upload's first bytes as far as it ran in this process, and how far."""
        position, running = self._hashes.pop(upload.id, (0, None))
        if running is None or position > upload.offset:
            return 0, hashlib.sha256()
        return position, running

    async def _read(self, blob_id: str, upload: Upload) -> tuple[dict[str, bytes], bytes | None]:
        """The digests that are needed of a blob, and its bytes if they are few."""
        hashes: dict[str, Hash] = {
            name: hashlib.new(name, usedforsecurity=False) for name in upload.plan.digests
        }
        position, running = self._take_hash(upload)
        if hashes:
            position, running = 0, hashlib.sha256()
        hashes["sha256"] = running
        async with self._opened(blob_id, upload.offset) as blob:
            data = None
            if upload.offset <= INLINE:
                data = await self._reading.run(blob.read, 0, upload.offset)
            for start in range(position, upload.offset, _STEP):
                end = min(start + _STEP, upload.offset)
                await self._reading.run(_hash, blob, start, end, hashes.values())
        return {name: each.digest() for name, each in hashes.items()}, data

    async def _complete_joined(self, container: Container, upload: Upload) -> Upload:
        async with self._intake.new_blob(upload.offset) as joined:
            digests = await self._join(container, upload, joined)
            check_digests(digests, upload.plan.digests, upload.offset)
        draft = Draft(upload.offset, digests["sha256"], upload.plan.metadata, blob=joined.id)
        return await self._changes.make(
            lambda writer: writer.complete_upload(container, upload, draft), joined
        )

    async def _join(
        self, container: Container, upload: Upload, joined: WritableBlob
    ) -> dict[str, bytes]:
        """Copy the sources of an upload into a new blob; return its digests."""
        hashes = {
            name: hashlib.new(name, usedforsecurity=False)
            for name in {"sha256", *upload.plan.digests}
        }
        for source_id in upload.plan.sources:
            source = await self._load(container, source_id)
            async with self._opened(blob_of(source) or "", source.offset) as blob:
                for start in range(0, source.offset, _STEP):
                    end = min(start + _STEP, source.offset)
                    await self._intake.threads.run(_hash, blob, start, end, hashes.values(), joined)
        return {name: each.digest() for name, each in hashes.items()}

    @asynccontextmanager
    async def _opened(self, blob_id: str, size: int) -> AsyncIterator[OpenBlob]:
        blob = OpenBlob(self._blobs)
        try:
            await self._reading.run(_open, blob, blob_id, size)
            yield blob
        finally:
            self._reading.detach(blob.close)


def _open(blob: OpenBlob, blob_id: str, size: int) -> None:
    try:
        blob.open(blob_id, size)
    except FileNotFoundError:
        raise NoSuchUpload("The upload, or one that it is put together from, is gone.") from None


def _hash(
    blob: OpenBlob,
    start: int,
    end: int,
    hashes: Collection[Hash],
    target: WritableBlob | None = None,
) -> None:
    """Hash a part of a blob, and append it to the ``target``, if there is one."""
    for position in range(start, end, READ_SIZE):
        data = blob.read(position, min(READ_SIZE, end - position))
        if target is not None:
            target.write(data)
        for each in hashes:
            each.update(data)
