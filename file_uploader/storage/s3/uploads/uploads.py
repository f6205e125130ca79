"""Uploads in several requests: a record in the bucket, and what it names.

Any node can go on with an upload, so any node may have sent something for it. What counts is what
the record names. What a superseded append sends late is a part that the record does not count on
(`layout`), or an object under a name that only this append uses.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, Collection
from contextlib import aclosing
from dataclasses import replace

from typing_extensions import override

from file_uploader.errors import FileUploaderError, NoSuchUpload, StorageError
from file_uploader.model import storable
from file_uploader.model.names import Container
from file_uploader.model.uploads import Appended, Upload
from file_uploader.storage.observed import observed, observed_items
from file_uploader.storage.s3.buffers.budget import SLOT
from file_uploader.storage.s3.buffers.sizes import MAX_PARTS, check_size, part_size
from file_uploader.storage.s3.client.errors import NoSuchMultipart
from file_uploader.storage.s3.keys import RECORD
from file_uploader.storage.s3.listing import pages
from file_uploader.storage.s3.write.context import Context
from file_uploader.storage.s3.write.multipart import abort
from file_uploader.storage.upkeep import Flaw
from file_uploader.storage.uploads import UploadStorage, appended
from file_uploader.transfer.body import ClientBody

from .append import S3Sink
from .complete import Completion
from .layout import UploadLayout
from .records import Records
from .stored import StoredUpload, delete

_log = logging.getLogger(__name__)


class S3Uploads(UploadStorage):
    """Those of a bucket."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._client = context.client
        self._records = Records(context)

    @override
    @observed("create_upload")
    async def create(self, container: Container, upload: Upload) -> Upload:
        storable.check(upload.plan.name, upload.plan.metadata)
        check_size(upload.length, upload.length or 0)
        layout = UploadLayout(length=upload.length)
        return await self._records.create(container, replace(upload, held=layout.to_json()))

    @override
    @observed("load_upload")
    async def load(self, container: Container, upload_id: str) -> Upload:
        return await self._records.load(container, upload_id)

    @override
    @observed("swap_upload")
    async def swap(self, container: Container, upload: Upload) -> Upload:
        return await self._records.swap(container, upload)

    @override
    @observed_items("list_uploads")
    def list(self, container: Container) -> AsyncGenerator[Upload | Flaw, None]:
        return self._records.list(container)

    @override
    @observed("check_fits")
    async def check_fits(self, upload: Upload, more: int) -> None:
        known = UploadLayout.of(upload).length
        check_size(known, max(upload.length or 0, upload.offset + more))

    @override
    @observed_items("append")
    async def append(
        self, container: Container, upload: Upload, body: ClientBody, *, final: bool
    ) -> AsyncGenerator[Appended, None]:
        stored = StoredUpload(self._context, container, upload)
        with self._context.budget.admit(_most_held(stored.layout, body)) as share:
            sink = S3Sink(self._context, stored, share)
            try:
                async with aclosing(appended(sink, body, final=final)) as storing:
                    async for durable in storing:
                        yield durable
            except NoSuchMultipart:
                raise NoSuchUpload("The object store has lost it; begin a new upload.") from None
            except StorageError:
                raise
            except FileUploaderError:
                await sink.drain()
                raise
            finally:
                await sink.stop()
                if sink.begun is not None:
                    self._context.tasks.start(self._discard(stored, sink.begun, told=sink.told))

    @override
    @observed("complete_upload")
    async def complete(self, container: Container, upload: Upload) -> Upload:
        complete = await Completion(self._context, self._records, container).run(upload)
        self._context.tasks.start(self._clear(container, complete))
        return complete

    @override
    @observed("remove_upload")
    async def remove(self, container: Container, upload: Upload) -> None:
        stored = StoredUpload(self._context, container, upload)
        layout, target = stored.layout, stored.target
        if layout.multipart is not None:
            await abort(self._client, {**stored.address, "UploadId": layout.multipart})
        if layout.copy is not None and target is not None:
            await abort(self._client, {**target.address, "UploadId": layout.copy})
        await self.remove_objects(container, upload.id, keep=(RECORD,))
        await self._records.remove(container, upload.id)

    async def remove_objects(
        self, container: Container, upload_id: str, *, keep: Collection[str] = ()
    ) -> None:
        """Remove what an upload keeps, but for the objects with these names."""
        objects = self._context.keys.upload(container, upload_id)
        async for answer in pages(self._client, objects.bucket, objects.prefix):
            keys = (item["Key"] for item in answer.get("Contents", ()))
            names = (key.removeprefix(objects.prefix) for key in keys)
            await delete(self._context, objects, [name for name in names if name not in keep])

    async def _discard(self, stored: StoredUpload, begun: str, *, told: bool) -> None:
        """Abort the multipart upload that an append has made, if no record can come to name it.

        One that might, since the reply to its swap was lost, is left to the sweep.
        """
        upload = stored.upload
        try:
            current = await self._records.load(stored.container, upload.id)
        except NoSuchUpload:
            superseded, named = True, None
        except StorageError:
            return
        else:
            superseded = current.generation > upload.generation
            named = UploadLayout.of(current).multipart
        if begun != named and (superseded or not told):
            await abort(self._client, {**stored.address, "UploadId": begun})

    async def _clear(self, container: Container, complete: Upload) -> None:
        """Remove what a complete upload needs no more."""
        keep = [RECORD]
        if complete.plan.name is None:
            keep += StoredUpload(self._context, container, complete).own_names()
        try:
            await self.remove_objects(container, complete.id, keep=keep)
        except StorageError as error:
            _log.warning("what a complete upload does not need is left to the sweep: %s", error)


def _most_held(layout: UploadLayout, body: ClientBody) -> int:
    """The most bytes that an append holds in one part, and the rest of a slot in its middle."""
    size = part_size(layout.length, min(len(layout.parts) + 1, MAX_PARTS))
    if body.length is not None:
        size = min(size, layout.tail_size + body.length)
    return size + SLOT
