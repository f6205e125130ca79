"""How an application gets the body of its request: gunicorn's receiver, but for two things."""

from __future__ import annotations

import asyncio
from typing import Any

from gunicorn.asgi.protocol import BodyReceiver


class Receiver(BodyReceiver):  # type: ignore[misc]
    """Gives what has arrived before it tells that the connection has ended.

    It takes a cancellation also in the moment in which data arrives. gunicorn waits with
    `asyncio.wait_for`, which before Python 3.12 returns the data then and loses the cancellation: a
    limit on time that meets a chunk would never end anything. It waits no longer than gunicorn's
    ``timeout`` either; how long a client may take is not ours to say.
    """

    _waiter: asyncio.Future[None] | None

    async def receive(self) -> Any:
        """The next chunk, or the end of the body or the connection behind the last one."""
        message = self._pop_chunk() if self._chunks else await super().receive()
        self.protocol.tell_end()
        return message

    async def _wait_for_data(self) -> None:
        if self._chunks or self._complete or self._disconnected:
            return
        self._waiter = asyncio.get_running_loop().create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None
