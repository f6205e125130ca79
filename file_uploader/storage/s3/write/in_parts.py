"""One body as a multipart upload: sent a few parts at a time, then completed, or discarded."""

from __future__ import annotations

import asyncio
from typing import Any

from file_uploader.errors import StorageError
from file_uploader.model.conditions import Precondition
from file_uploader.model.files import FileInfo
from file_uploader.storage.s3.buffers.part import Part
from file_uploader.storage.s3.write.cutter import Cutter
from file_uploader.transfer.tasks import OwnedTasks

from .multipart import abort, send_part
from .sender import PartSender
from .target import Target


class Multipart:
    """A multipart upload that exists at S3. Each ends in `complete` or in `discard`."""

    def __init__(self, target: Target, upload_id: str) -> None:
        self.upload_id = upload_id
        self._target = target
        self._address = {**target.address, "UploadId": upload_id}
        self._sender = PartSender()

    @classmethod
    async def create(cls, target: Target, headers: dict[str, Any], tasks: OwnedTasks) -> Multipart:
        """Create the upload at S3; if cancelled meanwhile, it is aborted as soon as it is known."""

        async def create() -> Multipart:
            return cls(target, await target.begin(headers))

        creating = tasks.start(create())
        try:
            return await asyncio.shield(creating)
        except asyncio.CancelledError:

            async def discard() -> None:
                await (await creating).discard()

            tasks.start(discard())
            raise

    async def send_all(self, first: Part, cutter: Cutter) -> None:
        """Send a first part and all that follow. Raises what made a part or the body fail."""
        part, number = first, 0
        while part.size:
            number += 1
            await self._start(number, part)
            if cutter.ended:
                break
            part = await cutter.next(self._sender)
        else:
            part.release()
        await self._sender.drain()

    async def complete(self, precondition: Precondition, own_id: str) -> dict[str, Any] | FileInfo:
        """Make the parts the file, or discard them. What `Target.put` returns and raises."""
        try:
            done = await self._target.complete(
                self._address, self._sender.etags, precondition, own_id
            )
            # The answer's ETag is not always the object's (Ceph 16 gives another one).
            return await self._target.found_if_seen(own_id) or done
        except BaseException as error:
            await self.discard()
            # A commit that timed out may have come through until the abort ended it.
            if isinstance(error, StorageError):
                found = await self._target.done_after(error, own_id)
                if found is not None:
                    return found
            raise

    async def discard(self) -> None:
        """End every part that is under way, then remove the upload at S3."""
        await self._sender.stop()
        await abort(self._target.client, self._address)

    async def _start(self, number: int, part: Part) -> None:
        async def send(part: Part) -> str:
            return await send_part(self._target.client, self._address, number, part)

        await self._sender.start(number, part, send)
