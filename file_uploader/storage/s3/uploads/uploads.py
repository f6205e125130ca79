"""Uploads in several requests: a record in the bucket, and what it names.

Any node can go on with an upload, so any node may have sent something for it. What counts is what
the record names. What a superseded append sends late is a part that the record does not count on
(`held`), or an object under a name that only this append uses.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Collection, Sequence
from contextlib import aclosing, suppress
from dataclasses import replace
from functools import partial

from typing_extensions import override

from file_uploader.errors import FileUploaderError, NoSuchUpload, StorageError
from file_uploader.model import storable
from file_uploader.model.names import Container, FileName
from file_uploader.model.uploads import Appended, Upload
from file_uploader.storage.observed import observed, observed_items
from file_uploader.storage.s3.buffers.budget import SLOT, Budget
from file_uploader.storage.s3.buffers.sizes import MAX_PARTS, check_size, upload_part_size
from file_uploader.storage.s3.client.client import Client
from file_uploader.storage.s3.client.errors import NoSuchMultipart
from file_uploader.storage.s3.keys import RECORD, Keys, Ledger, upload_headers
from file_uploader.storage.s3.write.multipart import Address, abort
from file_uploader.storage.s3.write.target import Target
from file_uploader.storage.upkeep import Flaw
from file_uploader.storage.uploads import UploadStorage, appended
from file_uploader.transfer.body import ClientBody
from file_uploader.transfer.tasks import OwnedTasks

from .append import S3Sink
from .complete import Completing
from .layout import Tail, UploadLayout, is_staged, own_objects
from .records import Records, pages

_log = logging.getLogger(__name__)

_AT_ONCE = 16
"""Objects that are removed at once."""


class S3Uploads(UploadStorage):
    """Those of a bucket."""

    def __init__(
        self,
        client: Client,
        *,
        budget: Budget,
        keys: Keys,
        records: Records,
        tasks: OwnedTasks,
        target: Callable[[Container, FileName], Target],
    ) -> None:
        self._client = client
        self._budget = budget
        self._keys = keys
        self._records = records
        self._tasks = tasks
        self._target = target
        self._completing = Completing(client, budget, keys, records, target)

    @override
    @observed("create_upload")
    async def create(self, container: Container, upload: Upload) -> Upload:
        storable.check(upload.plan.name, upload.plan.metadata)
        check_size(upload.length, upload.length or 0)
        held = UploadLayout(length=upload.length).to_json()
        return await self._records.create(container, replace(upload, held=held))

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
        check_size(known, upload.length or 0)
        check_size(known, upload.offset + more)

    @override
    @observed_items("append")
    async def append(
        self, container: Container, upload: Upload, body: ClientBody, *, final: bool
    ) -> AsyncGenerator[Appended, None]:
        ledger = self._keys.ledger(container, upload.id)
        with self._budget.admit(_room_for(upload, body)) as share:
            appending = S3Sink(
                self._client,
                ledger,
                upload,
                share,
                target=self._multipart_at(container, upload),
                begin=partial(self._begin, container, upload),
                forget=partial(self._forget, ledger),
            )
            try:
                async with aclosing(appended(appending, body, final=final)) as storing:
                    async for durable in storing:
                        yield durable
            except NoSuchMultipart:
                raise NoSuchUpload("The object store has lost it; begin a new upload.") from None
            except StorageError:
                raise
            except FileUploaderError:
                await appending.settle()
                raise
            finally:
                await appending.stop()
                if appending.begun is not None:
                    self._tasks.start(self._discard(container, upload, appending))

    @override
    @observed("complete_upload")
    async def complete(self, container: Container, upload: Upload) -> Upload:
        complete = await self._completing.complete(container, upload)
        self._tasks.start(self._clear(container, complete))
        return complete

    @override
    @observed("remove_upload")
    async def remove(self, container: Container, upload: Upload) -> None:
        held = UploadLayout.of(upload)
        if held.multipart is not None:
            place = self._multipart_at(container, upload)
            await abort(self._client, {**place, "UploadId": held.multipart})
        if held.copy is not None and upload.plan.name is not None:
            place = self._target(container, upload.plan.name).address
            await abort(self._client, {**place, "UploadId": held.copy})
        await self.remove_objects(container, upload.id, keep=(RECORD,))
        await self._records.remove(container, upload.id)

    async def remove_objects(
        self, container: Container, upload_id: str, *, keep: Collection[str] = ()
    ) -> None:
        """Remove what an upload keeps, but for the objects with these names."""
        ledger = self._keys.ledger(container, upload_id)
        async for answer in pages(self._client, ledger.bucket, ledger.prefix):
            keys = (item["Key"] for item in answer.get("Contents", ()))
            names = (key.removeprefix(ledger.prefix) for key in keys)
            await self._delete(ledger, [name for name in names if name not in keep])

    def _multipart_at(self, container: Container, upload: Upload) -> Address:
        """The object that the multipart upload of the content makes."""
        if is_staged(upload) or upload.plan.name is None:
            return self._keys.ledger(container, upload.id).content
        return self._target(container, upload.plan.name).address

    async def _begin(self, container: Container, upload: Upload) -> str:
        """Create the multipart upload of the content."""
        plan = upload.plan
        if is_staged(upload) or plan.name is None:
            content = self._keys.ledger(container, upload.id).content
            answer = await self._client.call("create_multipart_upload", **content)
            return str(answer["UploadId"])
        headers = upload_headers(plan.metadata, upload.id, None)
        return await self._target(container, plan.name).begin(headers)

    async def _discard(self, container: Container, upload: Upload, appending: S3Sink) -> None:
        """Abort the multipart upload that an append has made, if no record can come to name it.

        One that might, since the reply to its swap was lost, is left to the sweep.
        """
        place, begun = self._multipart_at(container, upload), appending.begun
        try:
            current = await self._records.load(container, upload.id)
        except NoSuchUpload:
            superseded, named = True, None
        except StorageError:
            return
        else:
            superseded = current.generation > upload.generation
            named = UploadLayout.of(current).multipart
        if begun is not None and begun != named and (superseded or not appending.told):
            await abort(self._client, {**place, "UploadId": begun})

    async def _clear(self, container: Container, complete: Upload) -> None:
        """Remove what a complete upload needs no more."""
        keep = [RECORD]
        if complete.plan.name is None:
            keep += own_objects(complete)
        try:
            await self.remove_objects(container, complete.id, keep=keep)
        except StorageError as error:
            _log.warning("what a complete upload does not need is left to the sweep: %s", error)

    def _forget(self, ledger: Ledger, merged: Sequence[Tail]) -> None:
        """Remove tails that a part has now; those that stay go with all the rest in the end."""
        if merged:
            self._tasks.start(self._delete_quietly(ledger, [tail.name for tail in merged]))

    async def _delete_quietly(self, ledger: Ledger, names: Sequence[str]) -> None:
        with suppress(StorageError):
            await self._delete(ledger, names)

    async def _delete(self, ledger: Ledger, names: Sequence[str]) -> None:
        for start in range(0, len(names), _AT_ONCE):
            some = names[start : start + _AT_ONCE]
            await asyncio.gather(
                *(self._client.call("delete_object", **ledger.address(name)) for name in some)
            )


def _room_for(upload: Upload, body: ClientBody) -> int:
    """The most bytes that an append holds in one part, and the rest of a slot in its middle."""
    held = UploadLayout.of(upload)
    size = upload_part_size(held.length, min(len(held.parts) + 1, MAX_PARTS))
    if body.length is not None:
        size = min(size, held.tail_size + body.length)
    return size + SLOT
