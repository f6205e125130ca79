"""One put: one request where its body ends in its first part, or else a multipart upload."""

from __future__ import annotations

import asyncio
import secrets
from typing import Any

from file_uploader.errors import StorageError
from file_uploader.model.conditions import Precondition
from file_uploader.model.files import FileInfo, Metadata
from file_uploader.model.names import Container, FileName
from file_uploader.storage.s3.buffers.part import Part
from file_uploader.storage.s3.buffers.sizes import part_size
from file_uploader.storage.s3.client.settle import settle
from file_uploader.storage.s3.keys import etag_of, modified, upload_headers
from file_uploader.transfer.body import ClientBody

from .conditions import PUT
from .context import Context
from .cutter import Cutter
from .multipart import abort
from .sender import PartSender
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

    async def run(self) -> FileInfo:
        """Store the body; ``modified`` is the store's clock when it answered."""
        length = self._body.length
        size = part_size(length, 1)
        with self._context.budget.admit(size if length is None else min(size, length)) as share:
            cutter = Cutter(self._body, share, self._sender)
            first = await cutter.next()
            if cutter.ended:
                done = await self._context.tasks.finish(self._whole(first))
            else:
                done = await self._in_parts(first, cutter)
        size, sha256 = self._body.received, self._body.sha256
        return FileInfo(self._name, size, etag_of(done), modified(done), self._metadata, sha256)

    async def _whole(self, part: Part) -> dict[str, Any]:
        headers = upload_headers(self._metadata, self._id, self._body.sha256)
        try:
            return await self._target.commit(PUT, part, **headers)
        finally:
            part.release()

    async def _in_parts(self, first: Part, cutter: Cutter) -> dict[str, Any]:
        # S3 takes metadata before the body, so only an announced digest can be in it.
        headers = upload_headers(self._metadata, self._id, self._body.announced_sha256)
        tasks = self._context.tasks
        beginning = tasks.start(self._target.begin(headers))
        try:
            upload_id = await asyncio.shield(beginning)
        except BaseException as error:
            first.release()
            if isinstance(error, asyncio.CancelledError):
                tasks.start(self._discard_begun(beginning))
            raise
        self._context.live.add(upload_id)
        try:
            try:
                await self._send_all(first, cutter, upload_id)
            except BaseException:
                await tasks.finish(self._discard(upload_id))
                raise
            # A commit that timed out may have come through until the abort ended it.
            completing, errors = self._complete(upload_id), (StorageError,)
            return await tasks.finish(settle("put", completing, self._target.found, errors))
        finally:
            self._context.live.discard(upload_id)

    async def _send_all(self, first: Part, cutter: Cutter, upload_id: str) -> None:
        """Send a first part and all that follow. Raises what made a part or the body fail."""
        part, number = first, 0
        request = {**self._target.address, "UploadId": upload_id}
        while part.size:
            number += 1
            await self._sender.start(number, part, "upload_part", **request, PartNumber=number)
            if cutter.ended:
                break
            part = await cutter.next()
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
        await self._discard(await beginning)
