"""Bodies that the kernel copies from a file to the client, and that never come here (sendfile).

An application asks for it by a message of the ASGI extension ``http.response.zerocopysend``, where
the scope says that there is such a thing. A download then takes no memory of the process, however
slow its client is.
"""

from __future__ import annotations

import asyncio
import os
import select
import socket
from concurrent.futures import Executor
from time import monotonic

from file_uploader.transfer.tasks import ended

EXTENSION = "http.response.zerocopysend"

TURN = 0.1
"""Seconds for which a fast client keeps a thread, before it is the turn of another one."""

LINGER = 5
"""Milliseconds for which a thread waits for a client that takes nothing just now."""

_MOST_AT_ONCE = 8 * 1024 * 1024


class FileSpan:
    """``size`` bytes of an open file from ``offset`` on, in the place of the bytes themselves.

    gunicorn counts what it is given as a body, and makes ``bytes`` of what is none: so it is told
    that this is.
    """

    def __init__(self, file: int, offset: int, size: int) -> None:
        self.file = file
        self.offset = offset
        self.size = size

    def __len__(self) -> int:
        return self.size

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        return bytes


class Copying:
    """One span on its way to a client, with descriptors of its own: nobody closes them early."""

    def __init__(self, peer: socket.socket, head: bytes, span: FileSpan) -> None:
        self._socket = socket.socket(fileno=os.dup(peer.fileno()))
        self._file = os.dup(span.file)
        self._head = head
        self._offset = span.offset
        self._left = span.size

    async def run(self, threads: Executor, patience: float) -> None:
        """Send all of it; ``head`` goes before.

        Raises `TimeoutError` when the client takes nothing for ``patience`` seconds, `EOFError` if
        the file is shorter than it should be, and `OSError`.
        """
        loop = asyncio.get_running_loop()
        try:
            os.posix_fadvise(self._file, self._offset, self._left, os.POSIX_FADV_SEQUENTIAL)
            while self._head or self._left:
                await ended(loop.run_in_executor(threads, self._turn))
                if self._head or self._left:
                    await self._writable(patience)
        finally:
            self._socket.close()
            os.close(self._file)

    def _turn(self) -> None:
        """Send as much as the client takes without keeping a thread waiting."""
        ends = monotonic() + TURN
        poll = select.poll()
        poll.register(self._socket, select.POLLOUT)
        while (self._head or self._left) and monotonic() < ends:
            try:
                self._send()
            except BlockingIOError:
                if not poll.poll(LINGER):
                    return

    def _send(self) -> None:
        if self._head:
            sent = self._socket.send(self._head, socket.MSG_MORE if self._left else 0)
            self._head = self._head[sent:]
            return
        count = min(self._left, _MOST_AT_ONCE)
        sent = os.sendfile(self._socket.fileno(), self._file, self._offset, count)
        if not sent:
            raise EOFError(f"{self._left} bytes are missing at the end of a file")
        self._offset += sent
        self._left -= sent

    async def _writable(self, patience: float) -> None:
        loop = asyncio.get_running_loop()
        writable = asyncio.Event()
        loop.add_writer(self._socket, writable.set)
        try:
            async with asyncio.timeout(patience):
                await writable.wait()
        finally:
            loop.remove_writer(self._socket)
