"""One put: one request where its body ends in its first part, or else a multipart upload."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

from file_uploader.errors import StorageError
from file_uploader.model.conditions import Precondition
from file_uploader.model.files import FileInfo, Metadata
from file_uploader.model.names import Container, FileName
from file_uploader.storage.s3.buffers.budget import Share
from file_uploader.storage.s3.buffers.part import Part
from file_uploader.storage.s3.buffers.sizes import part_size
from file_uploader.storage.s3.client.settle import settle
from file_uploader.storage.s3.keys import etag_of, modified, upload_headers
from file_uploader.transfer.body import ClientBody
from file_uploader.transfer.tasks import outcome

from .conditions import PUT
from .context import Context
from .multipart import PartSender, abort
from .target import Target


class Put:
    """A put of a body. The object that it makes has its ``id`` in its metadata.

    Commits and clean-ups run in tasks of the store's, which a cancelled request does not end.
    """

    def __init__(
        self,
        context: Context,
        container: Container,
        name: FileName,
        body: ClientBody,
        *,
        metadata: Metadata,
        precondition: Precondition,
    ) -> None:
        self._context = context
        self._name = name
        self._body = body
        self._metadata = metadata
        self._id = secrets.token_hex(16)
        self._target = Target(context, container, name, self._id, precondition)
        self._sender = PartSender(context.client)
        self._chunks: AsyncIterator[bytes] = aiter(body)
        self._rest = memoryview(b"")
        self._ended = False
        self._number = 0
        self._size = part_size(body.length, 1)

    async def run(self) -> FileInfo:
        """Store the body; ``modified`` is the store's clock when it answered."""
        length = self._body.length
        most = self._size if length is None else min(self._size, length)
        with self._context.budget.admit(most) as share:
            first = await self._next_part(share)
            if self._ended:
                done = await self._context.tasks.finish(self._whole(first))
            else:
                done = await self._in_parts(first, share)
        size, sha256 = self._body.received, self._body.sha256
        return FileInfo(self._name, size, etag_of(done), modified(done), self._metadata, sha256)

    async def _next_part(self, share: Share) -> Part:
        """Pull the next part, which is full unless the body has ended with it.

        Room for the first one is guaranteed: only later ones come to wait until one is sent.
        """
        self._number += 1
        self._size = share.fitting(part_size(self._body.length, self._number), self._size)
        part = Part(share)
        try:
            while part.size < self._size and await self._more():
                written = await self._sender.write(part, self._rest[: self._size - part.size])
                self._rest = self._rest[written:]
            await self._more()  # learn whether this was the last one
        except BaseException:
            part.release()
            raise
        return part

    async def _more(self) -> bool:
        """Whether there are bytes left; pulls some if none are at hand."""
        if not self._rest and not self._ended:
            try:
                self._rest = memoryview(await anext(self._chunks))
            except StopAsyncIteration:
                self._ended = True
        return bool(self._rest)

    async def _whole(self, part: Part) -> dict[str, Any]:
        headers = upload_headers(self._metadata, self._id, self._body.sha256)
        try:
            return await self._target.commit(PUT, part, **headers)
        finally:
            part.release()

    async def _in_parts(self, first: Part, share: Share) -> dict[str, Any]:
        # S3 takes metadata before the body, so only an announced digest can be in it.
        headers = upload_headers(self._metadata, self._id, self._body.announced_sha256)
        tasks = self._context.tasks
        beginning = tasks.start(self._target.begin(headers))
        try:
            upload_id = await outcome(beginning)
        except BaseException as error:
            first.release()
            if isinstance(error, asyncio.CancelledError):
                tasks.start(self._discard_begun(beginning))
            raise
        self._context.live.add(upload_id)
        try:
            try:
                await self._send_all(first, share, upload_id)
            except BaseException:
                await tasks.finish(self._discard(upload_id))
                raise
            # A commit that timed out may have come through until the abort ended it.
            completing, errors = self._complete(upload_id), (StorageError,)
            return await tasks.finish(settle("put", completing, self._target.found, errors))
        finally:
            self._context.live.discard(upload_id)

    async def _send_all(self, part: Part, share: Share, upload_id: str) -> None:
        """Send a first part and all that follow. Raises what made a part or the body fail."""
        request = {**self._target.address, "UploadId": upload_id}
        while part.size:
            number = self._number
            await self._sender.start(number, part, "upload_part", **request, PartNumber=number)
            if self._ended:
                break
            part = await self._next_part(share)
        else:
            part.release()
        await self._sender.drain()

    async def _complete(self, upload_id: str) -> dict[str, Any]:
        """Make the parts the file, or discard them."""
        try:
            done = await self._target.complete(upload_id, self._sender.etags)
        except BaseException:
            await self._discard(upload_id)
            raise
        # The answer's ETag is not always the object's (Ceph 16 gives another one).
        return await self._target.found_if_seen() or done

    async def _discard(self, upload_id: str) -> None:
        """End every part that is under way, then remove the upload at S3."""
        await self._sender.stop()
        await abort(self._context.client, {**self._target.address, "UploadId": upload_id})

    async def _discard_begun(self, beginning: asyncio.Task[str]) -> None:
        with suppress(StorageError):
            await self._discard(await beginning)
