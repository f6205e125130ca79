"""An upload whose bytes are all there becomes a file, or a source of others.

The multipart upload that makes the file is named in the record before it is completed, and S3
completes it once, whoever asks: so nobody can write the file a second time, over a newer one.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from file_uploader.errors import NoSuchFile, NoSuchUpload, StorageError, Superseded
from file_uploader.model.files import NO_LIMITS
from file_uploader.model.names import Container
from file_uploader.model.uploads import Upload, UploadState
from file_uploader.storage.s3.client.errors import InvalidPart, NoSuchMultipart
from file_uploader.storage.s3.client.retry import FOLLOWING, LATE, retry
from file_uploader.storage.s3.client.settle import settle
from file_uploader.storage.s3.keys import file_info, upload_headers
from file_uploader.storage.s3.read import streamed
from file_uploader.storage.s3.write.context import Context
from file_uploader.storage.s3.write.multipart import abort, listed
from file_uploader.storage.s3.write.target import Target
from file_uploader.transfer.body import ClientBody

from .copy import Range, Source, copied, plan
from .records import Records
from .stored import StoredUpload

_UNHURRIED = replace(NO_LIMITS, idle_timeout=timedelta(days=1), min_rate=0)
"""What is read back comes from S3, which has limits of its own."""

_SEEMING = (StorageError, NoSuchFile, NoSuchUpload, Superseded)
"""What a completion may end with where somebody else was faster."""

Made = tuple[Upload, dict[str, Any] | None]
"""The record of an upload whose file is made, and what HeadObject says of that, if it is seen."""


class Completion:
    """The completion of an upload of this container."""

    def __init__(self, context: Context, records: Records, container: Container) -> None:
        self._context = context
        self._client = context.client
        self._records = records
        self._container = container

    async def run(self, upload: Upload) -> Upload:
        """See `UploadStorage.complete`; leaves objects behind that nothing needs any more."""
        stored = await self._load(upload.id)
        if stored.upload.state is UploadState.COMPLETE:
            return stored.upload
        if stored.upload.state is not UploadState.COMPLETING:
            raise NoSuchUpload("There is no such upload; it was cancelled.")
        completing = self._complete(stored, upload.expires)
        look = partial(self._completed, upload.id)
        try:
            return await settle("completion of an upload", completing, look, _SEEMING)
        except NoSuchMultipart:
            for pause in FOLLOWING:
                await asyncio.sleep(pause)
                if (complete := await look()) is not None:
                    return complete
            raise NoSuchUpload("The object store has lost this upload; send it again.") from None

    async def _load(self, upload_id: str) -> StoredUpload:
        upload = await self._records.load(self._container, upload_id)
        return StoredUpload(self._context, self._container, upload)

    async def _completed(self, upload_id: str) -> Upload | None:
        """The record, if somebody has noted in it that the upload is complete."""
        current = await self._records.load(self._container, upload_id)
        return current if current.state is UploadState.COMPLETE else None

    async def _complete(self, stored: StoredUpload, expires: datetime) -> Upload:
        """Make the file or the source; return the record that says so."""
        complete = replace(stored.upload, state=UploadState.COMPLETE, expires=expires)
        if stored.target is None:
            await self._stage(stored)
            return await self._records.swap(self._container, complete)
        making, look = self._make(stored, stored.target), partial(self._made, stored)
        errors = (StorageError, NoSuchFile, NoSuchUpload)
        current, answer = await settle("file", making, look, errors)
        result = None if answer is None else file_info(stored.target.name, answer)
        complete = replace(current, state=complete.state, expires=expires, held={}, result=result)
        return await self._noted(complete)

    async def _noted(self, complete: Upload) -> Upload:
        """Note in the record that the file is made; it is, whatever becomes of the note.

        Somebody else may have done both, or the client has forgotten the upload meanwhile. Where
        the record cannot be written, whoever asks next finds the file made.
        """
        noting = self._records.swap(self._container, complete)
        with suppress(*_SEEMING):
            return await settle("note", noting, partial(self._completed, complete.id), _SEEMING)
        return complete

    async def _made(self, stored: StoredUpload) -> Made | None:
        found = None if stored.target is None else await stored.target.found()
        return None if found is None else (stored.upload, found)

    async def _make(self, stored: StoredUpload, target: Target) -> Made:
        if stored.layout.multipart is not None and not stored.staged:
            await self._finish_parts(stored)
        else:
            stored = await self._copy(stored, target)
        return stored.upload, await target.found_if_seen()

    async def _stage(self, stored: StoredUpload) -> None:
        """Complete the multipart upload out of sight, if there is one."""
        if stored.layout.multipart is not None:
            finishing, look = self._finish_parts(stored), partial(self._is_staged, stored)
            await settle("content", finishing, look, (StorageError, NoSuchFile))

    async def _is_staged(self, stored: StoredUpload) -> bool | None:
        try:
            answer = await self._client.call("head_object", **stored.content)
        except NoSuchFile:
            return None
        return answer["ContentLength"] == stored.upload.offset or None

    async def _finish_parts(self, stored: StoredUpload) -> bool:
        """Copy those parts that are objects into the multipart upload, and complete it.

        They were made objects since somebody might be late with a part of the same number. Should
        it come now, S3 refuses to complete, and they are copied again.
        """
        upload_id, parts = str(stored.layout.multipart), dict(enumerate(stored.layout.parts, 1))
        request = {**stored.address, "UploadId": upload_id}
        sent = {number: part.etag for number, part in parts.items() if part.etag}
        objects = {
            number: (Range(Source(stored.objects.address(part.name), part.size), 0, part.size),)
            for number, part in parts.items()
            if part.name
        }

        async def finish() -> None:
            etags = {**sent, **await copied(self._context, request, objects)}
            if stored.target is None or stored.staged:
                listing = listed(etags)
                call = self._client.call
                await call("complete_multipart_upload", **request, MultipartUpload=listing)
            else:
                await stored.target.complete(upload_id, etags)

        await retry(finish, on=InvalidPart, pauses=LATE if objects else ())
        return True

    async def _copy(self, stored: StoredUpload, target: Target) -> StoredUpload:
        """Copy the content into a multipart upload under the file's own name; complete it.

        Returns the upload as it is then.
        """
        if stored.layout.copy is not None and await target.found() is not None:
            return stored
        try:
            await self._stage(stored)
            sources = await self._sources(stored)
            await self._verify(stored.upload, sources)
            stored = await self._with_copy(stored, target)
            copy = str(stored.layout.copy)
            request = {**target.address, "UploadId": copy}
            etags = await copied(self._context, request, dict(enumerate(plan(sources), 1)))
        except NoSuchFile:
            raise NoSuchUpload(
                "The upload, or one that it is put together from, is gone."
            ) from None
        await target.complete(copy, etags)
        return stored

    async def _with_copy(self, stored: StoredUpload, target: Target) -> StoredUpload:
        """The upload with the one multipart upload that the content is copied into."""
        if stored.layout.copy is not None:
            return stored
        upload = stored.upload
        sha256 = upload.plan.digests.get("sha256")
        copy = await target.begin(upload_headers(upload.plan.metadata, upload.id, sha256))
        named = replace(upload, held=replace(stored.layout, copy=copy).to_json())
        try:
            swapped = await self._records.swap(self._container, named)
        except Superseded:
            await abort(self._client, {**target.address, "UploadId": copy})
            current = await self._load(upload.id)
            if current.upload.state is UploadState.COMPLETING and current.layout.copy is not None:
                return current
            raise
        return StoredUpload(self._context, self._container, swapped)

    async def _sources(self, stored: StoredUpload) -> list[Source]:
        """The objects that have the content."""
        if not stored.upload.plan.sources:
            return stored.sources()
        found: list[Source] = []
        for source_id in stored.upload.plan.sources:
            source = await self._load(source_id)
            if source.upload.state is not UploadState.COMPLETE or source.target is not None:
                raise NoSuchUpload("One of the uploads to be put together is gone.")
            found += source.sources()
        return found

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
