"""An upload whose bytes are all there becomes a file, or a source of others.

The multipart upload that makes the file is named in the record before it is completed, and S3
completes it once, whoever asks: so nobody can write the file a second time, over a newer one.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta

from file_uploader.errors import (
    FileUploaderError,
    NoSuchFile,
    NoSuchUpload,
    StorageError,
    Superseded,
)
from file_uploader.model.files import NO_LIMITS
from file_uploader.model.names import Container, FileName
from file_uploader.model.uploads import Upload, UploadState
from file_uploader.storage.s3.buffers.budget import Budget
from file_uploader.storage.s3.client.client import Client
from file_uploader.storage.s3.client.errors import InvalidPart, NoSuchMultipart
from file_uploader.storage.s3.client.retry import FOLLOWING, LATE, retry
from file_uploader.storage.s3.keys import Keys, upload_headers
from file_uploader.storage.s3.read import streamed
from file_uploader.storage.s3.write.multipart import Address, abort, listed
from file_uploader.storage.s3.write.target import Target
from file_uploader.transfer.body import ClientBody

from .copy import Copying, Source, plan, whole
from .layout import UploadLayout, is_staged, own_objects
from .records import Records

_UNHURRIED = replace(NO_LIMITS, idle_timeout=timedelta(days=1), min_rate=0)
"""What is read back comes from S3, which has limits of its own."""

Complete = Callable[[Mapping[int, str]], Awaitable[object]]
"""Completes a multipart upload of the parts with these ETags."""


class Completing:
    """Completes uploads. ``target`` tells where a file is."""

    def __init__(
        self,
        client: Client,
        budget: Budget,
        keys: Keys,
        records: Records,
        target: Callable[[Container, FileName], Target],
    ) -> None:
        self._client = client
        self._budget = budget
        self._keys = keys
        self._records = records
        self._target = target

    async def complete(self, container: Container, upload: Upload) -> Upload:
        """See `UploadStorage.complete`; leaves objects behind that nothing needs any more."""
        try:
            return await self._complete(container, upload)
        except (StorageError, NoSuchUpload, Superseded) as error:
            current = await self._records.load(container, upload.id)
            for pause in FOLLOWING if isinstance(error, NoSuchMultipart) else ():
                if current.state is not UploadState.COMPLETING:
                    break
                await asyncio.sleep(pause)
                current = await self._records.load(container, upload.id)
            if current.state is UploadState.COMPLETE:  # Somebody else was faster.
                return current
            if not isinstance(error, NoSuchMultipart):
                raise
            raise NoSuchUpload("The object store has lost this upload; send it again.") from None

    async def _complete(self, container: Container, upload: Upload) -> Upload:
        current = await self._records.load(container, upload.id)
        if current.state is UploadState.COMPLETE:
            return current
        if current.state is not UploadState.COMPLETING:
            raise NoSuchUpload("There is no such upload; it was cancelled.")
        result = None
        if current.plan.name is None:
            await self._stage(container, current)
        else:
            target = self._target(container, current.plan.name)
            try:
                if UploadLayout.of(current).multipart is not None and not is_staged(current):
                    await self._commit(container, current, target)
                else:
                    current = await self._copy(container, current, target)
            except (StorageError, NoSuchFile, NoSuchUpload) as error:
                result = await target.done_after(error, current.id)
                if result is None:
                    raise
            else:
                result = await target.found_if_seen(current.id)
        complete = replace(
            current,
            state=UploadState.COMPLETE,
            expires=upload.expires,
            held=current.held if current.plan.name is None else {},
            result=result,
        )
        if complete.plan.name is None:
            return await self._records.swap(container, complete)
        return await self._noted(container, complete)

    async def _noted(self, container: Container, complete: Upload) -> Upload:
        """Note in the record that the file is made; it is, whatever becomes of the note.

        Somebody else may have done both, or the client has forgotten the upload meanwhile. Where
        the record cannot be written, whoever asks next finds the file made.
        """
        try:
            return await self._records.swap(container, complete)
        except (StorageError, NoSuchUpload, Superseded):
            with suppress(StorageError, NoSuchUpload):
                current = await self._records.load(container, complete.id)
                if current.state is UploadState.COMPLETE:
                    return current
            return complete

    async def _commit(self, container: Container, upload: Upload, target: Target) -> None:
        """Complete the multipart upload, which lies under the file's own name."""
        address = {**target.address, "UploadId": str(UploadLayout.of(upload).multipart)}

        async def complete(etags: Mapping[int, str]) -> object:
            return await target.complete(address, etags, upload.plan.precondition, upload.id)

        await self._finish_parts(container, upload, address, complete)

    async def _stage(self, container: Container, upload: Upload) -> None:
        """Complete the multipart upload out of sight, if there is one."""
        held = UploadLayout.of(upload)
        if held.multipart is None:
            return
        content = self._keys.ledger(container, upload.id).content
        address = {**content, "UploadId": held.multipart}

        async def complete(etags: Mapping[int, str]) -> object:
            return await self._client.call(
                "complete_multipart_upload", **address, MultipartUpload=listed(etags)
            )

        try:
            await self._finish_parts(container, upload, address, complete)
        except StorageError:
            if not await self._is_staged(content, upload.offset):  # by somebody else, or before
                raise

    async def _is_staged(self, content: Mapping[str, str], size: int) -> bool:
        try:
            answer = await self._client.call("head_object", **content)
        except FileUploaderError:
            return False
        return bool(answer["ContentLength"] == size)

    async def _finish_parts(
        self, container: Container, upload: Upload, address: Address, complete: Complete
    ) -> None:
        """Copy those parts that are objects into the multipart upload, and complete it.

        They were made objects since somebody might be late with a part of the same number. Should
        it come now, S3 refuses to complete, and they are copied again.
        """
        ledger, parts = self._keys.ledger(container, upload.id), UploadLayout.of(upload).parts
        etags = {number: part.etag for number, part in enumerate(parts, 1) if part.etag}
        copied = {
            number: whole(Source(ledger.address(part.name), part.size))
            for number, part in enumerate(parts, 1)
            if part.name
        }
        copying = Copying(self._client, self._budget, address)

        async def finish() -> None:
            await complete({**etags, **await copying.copy(copied)})

        await retry(finish, on=InvalidPart, pauses=LATE if copied else ())

    async def _copy(self, container: Container, upload: Upload, target: Target) -> Upload:
        """Copy the content into a multipart upload under the file's own name; complete it.

        Returns the record as it is then.
        """
        if UploadLayout.of(upload).copy is not None and await target.found(upload.id) is not None:
            return upload
        try:
            await self._stage(container, upload)
            sources = await self._sources(container, upload)
            await self._verify(upload, sources)
            upload = await self._with_copy(container, upload, target)
            address = {**target.address, "UploadId": str(UploadLayout.of(upload).copy)}
            parts = dict(enumerate(plan(sources), 1))
            etags = await Copying(self._client, self._budget, address).copy(parts)
        except NoSuchFile:
            raise NoSuchUpload(
                "The upload, or one that it is put together from, is gone."
            ) from None
        await target.complete(address, etags, upload.plan.precondition, upload.id)
        return upload

    async def _with_copy(self, container: Container, upload: Upload, target: Target) -> Upload:
        """The record with the one multipart upload that the content is copied into."""
        held = UploadLayout.of(upload)
        if held.copy is not None:
            return upload
        sha256 = upload.plan.digests.get("sha256")
        copy = await target.begin(upload_headers(upload.plan.metadata, upload.id, sha256))
        named = replace(upload, held=replace(held, copy=copy).to_json())
        try:
            return await self._records.swap(container, named)
        except Superseded:
            await abort(self._client, {**target.address, "UploadId": copy})
            current = await self._records.load(container, upload.id)
            if (
                current.state is UploadState.COMPLETING
                and UploadLayout.of(current).copy is not None
            ):
                return current
            raise

    async def _sources(self, container: Container, upload: Upload) -> list[Source]:
        """The objects that have the content."""
        if not upload.plan.sources:
            return self._own(container, upload)
        found: list[Source] = []
        for source_id in upload.plan.sources:
            source = await self._records.load(container, source_id)
            if source.state is not UploadState.COMPLETE or source.plan.name is not None:
                raise NoSuchUpload("One of the uploads to be put together is gone.")
            found += self._own(container, source)
        return found

    def _own(self, container: Container, upload: Upload) -> list[Source]:
        ledger, held = self._keys.ledger(container, upload.id), UploadLayout.of(upload)
        sizes = [upload.offset] if held.multipart else [part.size for part in held.parts]
        addresses = map(ledger.address, own_objects(upload))
        return [Source(*each) for each in zip(addresses, sizes, strict=True)]

    async def _verify(self, upload: Upload, sources: Sequence[Source]) -> None:
        """Read it all back if there are digests that it has to have. Raises `DigestMismatch`."""
        digests = upload.plan.digests
        if digests:
            body = ClientBody(
                self._read(sources), limits=_UNHURRIED, expected=digests, algorithms=()
            )
            async for _ in body:
                pass

    async def _read(self, sources: Sequence[Source]) -> AsyncIterator[bytes]:
        for source in sources:
            if source.size:
                async with streamed(self._client, source.address, source.size) as chunks:
                    async for chunk in chunks:
                        yield chunk
