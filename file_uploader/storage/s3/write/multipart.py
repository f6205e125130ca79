"""A multipart upload that exists at S3: its parts on their way, and what else is done with it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from file_uploader import metrics
from file_uploader.errors import FileUploaderError, NoSuchFile
from file_uploader.storage.s3.buffers.part import Part
from file_uploader.storage.s3.client.client import Client
from file_uploader.storage.s3.client.errors import NoSuchMultipart

IN_FLIGHT = 3
"""Parts of one upload that are being sent at once."""


_ABORT_ROUNDS = 3

Address = Mapping[str, str]
"""The parameters that name one to botocore: bucket, key and its id."""


def listed(etags: Mapping[int, str]) -> dict[str, Any]:
    """The parts of a multipart upload as its completion names them."""
    parts = [{"PartNumber": number, "ETag": etag} for number, etag in sorted(etags.items())]
    return {"Parts": parts}


async def check_there(client: Client, address: Address) -> None:
    """Raise `errors.NoSuchMultipart` if S3 does not have it, or not any more."""
    try:
        await client.call("list_parts", **address, MaxParts=1)
    except NoSuchFile:  # Ceph 16 calls it so
        raise NoSuchMultipart("The object store does not have this upload.") from None


async def abort(client: Client, address: Address) -> None:
    """Remove a multipart upload with its parts.

    A part that S3 had nearly received may be stored after an abort, so look, and repeat. What
    cannot be removed now is left to the sweep.
    """
    for _ in range(_ABORT_ROUNDS):
        try:
            await client.call("abort_multipart_upload", **address)
            await client.call("list_parts", **address)
        except FileUploaderError:
            return


class PartSender:
    """Sends the parts of one upload; ``etags`` has those that are there, by number."""

    def __init__(self, client: Client) -> None:
        self.etags: dict[int, str] = {}
        self._client = client
        self._sending: set[asyncio.Task[None]] = set()
        self._failure: BaseException | None = None

    async def write(self, part: Part, data: memoryview) -> int:
        """`Part.write`, once there is room for it. Raises what made an earlier part fail."""
        self.check()
        while not (written := await part.write(data)) and data:
            metrics.MEMORY_WAITS.inc()
            await self.wait_for_one()
        return written

    async def start(self, number: int, part: Part, operation: str, /, **request: Any) -> None:
        """Begin to send a part, once few enough are under way; takes the part over."""
        try:
            while len(self._sending) >= IN_FLIGHT:
                await self.wait_for_one()
        except BaseException:
            part.release()
            raise
        task = asyncio.create_task(self._send(number, part, operation, **request))
        self._sending.add(task)
        task.add_done_callback(lambda task: self._sent(task, part))

    async def wait_for_one(self) -> None:
        """Return once a part is sent. Raises what made a part fail."""
        if self._sending:
            await asyncio.wait(self._sending, return_when=asyncio.FIRST_COMPLETED)
        self.check()

    def check(self) -> None:
        """Raise what made a part fail, if one has."""
        if self._failure is not None:
            raise self._failure

    async def drain(self) -> None:
        """Return once all are sent. Raises what made a part fail."""
        while self._sending:
            await self.wait_for_one()
        self.check()

    async def stop(self) -> None:
        """End every part that is under way; S3 may still come to store it."""
        for task in self._sending:
            task.cancel()
        while self._sending:
            await asyncio.wait(self._sending)

    async def _send(self, number: int, part: Part, operation: str, /, **request: Any) -> None:
        answer = await self._client.call(operation, part, **request)
        self.etags[number] = answer["ETag"]

    def _sent(self, task: asyncio.Task[None], part: Part) -> None:
        # Here and not in the task: one that is cancelled before it has begun never runs.
        part.release()
        self._sending.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._failure = self._failure or error
