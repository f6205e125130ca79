"""Parts on their way to S3: a few at a time, each let go of once it is there."""

from __future__ import annotations

import asyncio
from typing import Any

from file_uploader import metrics
from file_uploader.storage.s3.buffers.part import Part
from file_uploader.storage.s3.client.client import Client

IN_FLIGHT = 3
"""Parts of one upload that are being sent at once."""


class PartSender:
    """Sends the parts of one upload; ``etags`` has those that are there, by number."""

    def __init__(self, client: Client) -> None:
        self.etags: dict[int, str] = {}
        self._client = client
        self._sending: set[asyncio.Task[None]] = set()
        self._failure: BaseException | None = None

    async def write(self, part: Part, data: memoryview) -> int:
        """Add to a part as much as fits into a slot, once there is one; return how much that was.

        Raises what made an earlier part fail.
        """
        self.check()
        while not part.has_space():
            metrics.MEMORY_WAITS.inc()
            await self.wait_for_one()
        return await part.write(data)

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
