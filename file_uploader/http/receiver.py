"""How an application waits for the body of its request: gunicorn's receiver, but for one wait."""

from __future__ import annotations

import asyncio

from gunicorn.asgi.protocol import BodyReceiver


class Receiver(BodyReceiver):  # type: ignore[misc]
    """Takes a cancellation also in the moment in which data arrives.

    gunicorn waits with `asyncio.wait_for`, which before Python 3.12 returns the data then and
    loses the cancellation: a limit on time that meets a chunk would never end anything. It waits
    no longer than gunicorn's ``timeout`` either; how long a client may take is not ours to say.
    """

    _waiter: asyncio.Future[None] | None

    async def _wait_for_data(self) -> None:
        if self._chunks or self._complete or self._disconnected:
            return
        self._waiter = asyncio.get_running_loop().create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None
