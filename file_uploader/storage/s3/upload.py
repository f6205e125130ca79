"""A multipart upload: parts sent a few at a time, then completed or aborted, never left."""

from __future__ import annotations

import asyncio
from typing import Any

from file_uploader.errors import FileUploaderError, StorageError
from file_uploader.model import FileInfo, Precondition
from file_uploader.owned import OwnedTasks

from .commit import Target
from .gather import Gatherer
from .part import Part

IN_FLIGHT = 3
"""Parts of one upload that are being sent at once."""

_ABORT_ROUNDS = 3


class Multipart:
    """A multipart upload that exists at S3. Each ends in `complete` or in `discard`."""

    def __init__(self, target: Target, upload_id: str) -> None:
        self.upload_id = upload_id
        self._target = target
        self._client = target.client
        self._address = {**target.address, "UploadId": upload_id}
        self._sending: set[asyncio.Task[None]] = set()
        self._failure: BaseException | None = None
        self._etags: dict[int, str] = {}

    @classmethod
    async def create(cls, target: Target, headers: dict[str, Any], tasks: OwnedTasks) -> Multipart:
        """Create the upload at S3; if cancelled meanwhile, it is aborted as soon as it is known."""

        async def create() -> Multipart:
            answer = await target.client.call(
                "create_multipart_upload", **target.address, **headers
            )
            return cls(target, answer["UploadId"])

        creating = tasks.start(target.with_bucket(create))
        try:
            return await asyncio.shield(creating)
        except asyncio.CancelledError:

            async def discard() -> None:
                await (await creating).discard()

            tasks.start(discard())
            raise

    async def send_all(self, first: Part, gatherer: Gatherer) -> None:
        """Send a first part and all that follow. Raises what made a part or the body fail."""
        part, number = first, 0
        while part.size:
            number += 1
            await self._start(number, part)
            if gatherer.ended:
                break
            part = await gatherer.next(self)
        else:
            part.release()
        while self._sending:
            await self.wait_for_one()
        self.check()

    async def wait_for_one(self) -> None:
        """Return once a part is sent. Raises what made a part fail."""
        if self._sending:
            await asyncio.wait(self._sending, return_when=asyncio.FIRST_COMPLETED)
        self.check()

    def check(self) -> None:
        """Raise what made a part fail, if one has."""
        if self._failure is not None:
            raise self._failure

    async def complete(self, precondition: Precondition, own_id: str) -> dict[str, Any] | FileInfo:
        """Make the parts the file, or discard them. What `Target.put` returns and raises."""
        listed = [{"PartNumber": n, "ETag": etag} for n, etag in sorted(self._etags.items())]

        async def write(condition: dict[str, Any]) -> dict[str, Any]:
            return await self._client.call(
                "complete_multipart_upload",
                **self._address,
                MultipartUpload={"Parts": listed},
                **condition,
            )

        try:
            done = await self._target.put("complete", write, precondition, own_id)
            # The answer's ETag is not always the object's (Ceph 16 gives another one).
            return await self._target.found(own_id) or done
        except BaseException as error:
            await self.discard()
            # A commit that timed out may have come through until the abort ended it.
            if isinstance(error, StorageError):
                found = await self._target.found(own_id)
                if found is not None:
                    return found
            raise

    async def discard(self) -> None:
        """End every part that is under way, then remove the upload at S3.

        A part that S3 had nearly received may be stored after an abort, so look, and repeat. What
        cannot be removed now is left to the sweep.
        """
        for task in self._sending:
            task.cancel()
        while self._sending:
            await asyncio.wait(self._sending)
        for _ in range(_ABORT_ROUNDS):
            try:
                await self._client.call("abort_multipart_upload", **self._address)
                await self._client.call("list_parts", **self._address)
            except FileUploaderError:
                return

    async def _start(self, number: int, part: Part) -> None:
        """Begin to send a part, once few enough are under way; takes the part over."""
        try:
            while len(self._sending) >= IN_FLIGHT:
                await self.wait_for_one()
        except BaseException:
            part.release()
            raise
        task = asyncio.create_task(self._send(number, part))
        self._sending.add(task)
        task.add_done_callback(lambda task: self._sent(task, part))

    async def _send(self, number: int, part: Part) -> None:
        answer = await self._client.send("upload_part", part, **self._address, PartNumber=number)
        self._etags[number] = answer["ETag"]

    def _sent(self, task: asyncio.Task[None], part: Part) -> None:
        # Here and not in the task: one that is cancelled before it has begun never runs.
        part.release()
        self._sending.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._failure = self._failure or error
