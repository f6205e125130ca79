"""HTTP/1.1 over a bare socket: for requests that no client library would send, or would not break.

Nothing is sent but what a test says, byte for byte, and what comes back is read to tell an answer
that is whole from one that is not, and a connection that was closed from one that was reset.
"""

from __future__ import annotations

import contextlib
import enum
import json
import socket
import struct
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

_PIECE = 256 * 1024


class End(enum.Enum):
    """How a connection is seen from this side."""

    CLOSED = "closed"
    RESET = "reset"
    OPEN = "open"


class BrokenAnswerError(Exception):
    """The connection ended, or went silent, before an answer was whole."""


class ConnectionEndedError(BrokenAnswerError):
    """It was closed, in order, before an answer was whole."""


@dataclass(frozen=True)
class Answer:
    """One whole answer. Header names are in lower case; ``interim`` are the 1xx before it."""

    status: int
    reason: str
    version: str
    headers: list[tuple[str, str]]
    body: bytes
    interim: list[int] = field(default_factory=list)

    def header(self, name: str) -> str | None:
        """The only value of a header; None without it."""
        values = [value for key, value in self.headers if key == name.lower()]
        assert len(values) <= 1, f"{name} is there {len(values)} times"
        return values[0] if values else None

    @property
    def closes(self) -> bool:
        """Whether the answer announces that the connection ends after it."""
        return (self.header("connection") or "").lower() == "close"

    @property
    def problem(self) -> dict[str, Any]:
        """The problem details that an error has to be."""
        assert self.header("content-type") == "application/problem+json", self
        problem: dict[str, Any] = json.loads(self.body)
        assert problem["status"] == self.status, self
        assert set(problem) == {"type", "title", "status", "detail", "request-id"}, self
        assert problem["request-id"] == self.header("x-request-id"), self
        return problem


def head(
    method: str, path: str, token: str | None = None, headers: Mapping[str, str] | None = None
) -> bytes:
    """A request head, with a Host and the token."""
    fields = {"Host": "localhost", **({"X-Auth-Token": token} if token else {}), **(headers or {})}
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items())]
    return "".join(f"{line}\r\n" for line in lines).encode() + b"\r\n"


def chunk(data: bytes) -> bytes:
    """One chunk of the chunked transfer coding; of no data, the last one."""
    return b"%x\r\n%s\r\n" % (len(data), data)


class Connection:
    """One connection to a port of this machine; every wait ends after ``patience`` seconds.

    ``window`` is about how many bytes the kernel takes of answers that nobody reads; by default it
    is some MiB.
    """

    def __init__(self, port: int, patience: float = 15.0, window: int | None = None) -> None:
        self._socket = socket.socket()
        if window is not None:  # Heeded only before the connection is made.
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, window)
        self._socket.settimeout(patience)
        try:
            self._socket.connect(("127.0.0.1", port))
        except OSError:
            self._socket.close()
            raise
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._patience = patience
        self._unread = b""
        self.port: int = self._socket.getsockname()[1]
        self.sent = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def send(self, data: bytes) -> None:
        """Send all of it; ``sent`` counts what the kernel took. Raises `OSError`."""
        rest = memoryview(data)
        while rest:
            taken = self._socket.send(rest[:_PIECE])
            self.sent += taken
            rest = rest[taken:]

    def send_slowly(self, pieces: Iterable[bytes], pause: float) -> None:
        """Send each piece, and wait after it. Raises `OSError` when the other side has gone."""
        for piece in pieces:
            self.send(piece)
            time.sleep(pause)

    def half_close(self) -> None:
        """Send FIN; answers can still be read."""
        self._socket.shutdown(socket.SHUT_WR)

    def reset(self) -> None:
        """Send RST instead of FIN, and be gone."""
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._socket.close()

    def close(self) -> None:
        """Be gone."""
        self._socket.close()

    def read_answer(self, method: str = "GET") -> Answer:
        """Read the next answer to its end. Raises `BrokenAnswerError`."""
        interim: list[int] = []
        while True:
            status, reason, version, headers = self._read_head()
            if status >= 200:
                break
            interim.append(status)
        body = b"" if method == "HEAD" or status in (204, 304) else self._read_body(headers)
        return Answer(status, reason, version, headers, body, interim)

    def read_answers(self, method: str = "GET") -> list[Answer]:
        """Read every answer until the connection is closed; ``method`` is that of the first.

        Raises `BrokenAnswerError` if that is in the middle of one, not in order, or never.
        """
        answers: list[Answer] = []
        while self._has_more():
            answers.append(self.read_answer("GET" if answers else method))
        return answers

    def read_interim(self) -> int:
        """Read a head alone and give its status: for a `100` whose answer is not there yet."""
        return self._read_head()[0]

    def read_head(self) -> bytes:
        """Read the next head, interim or not, byte for byte, with the empty line at its end."""
        while b"\r\n\r\n" not in self._unread:
            self._read_more()
        head, end, self._unread = self._unread.partition(b"\r\n\r\n")
        return head + end

    def read_body(self, size: int) -> bytes:
        """Read so many bytes, after `read_interim` has taken the head of an answer."""
        return self._read_exactly(size)

    def read_what_comes(self, size: int) -> bytes:
        """Read so many bytes of a body, or those that came before the connection ended."""
        with contextlib.suppress(BrokenAnswerError):
            while len(self._unread) < size:
                self._read_more()
        found, self._unread = self._unread[:size], self._unread[size:]
        return found

    def read_rest(self) -> bytes:
        """Read until the connection is closed, in order."""
        try:
            while True:
                self._read_more()
        except ConnectionEndedError:
            body, self._unread = self._unread, b""
            return body

    def end(self, patience: float | None = None) -> End:
        """Wait for the end of the connection; what still arrives is thrown away."""
        deadline = time.monotonic() + (self._patience if patience is None else patience)
        while (left := deadline - time.monotonic()) > 0:
            self._socket.settimeout(left)
            try:
                if not self._socket.recv(_PIECE):
                    return End.CLOSED
            except TimeoutError:
                break
            except OSError:
                return End.RESET
            finally:
                self._socket.settimeout(self._patience)
        return End.OPEN

    def _has_more(self) -> bool:
        try:
            if not self._unread:
                self._read_more()
        except ConnectionEndedError:
            return False
        return True

    def _read_head(self) -> tuple[int, str, str, list[tuple[str, str]]]:
        first, *lines = self.read_head().decode("latin-1").removesuffix("\r\n\r\n").split("\r\n")
        version, status, reason = first.split(" ", 2)
        assert version in ("HTTP/1.1", "HTTP/1.0"), first
        headers = []
        for line in lines:
            name, _, value = line.partition(":")
            headers.append((name.lower(), value.strip()))
        return int(status), reason, version, headers

    def _read_body(self, headers: list[tuple[str, str]]) -> bytes:
        fields = dict(headers)
        if fields.get("transfer-encoding") == "chunked":
            return self._read_chunks()
        if "content-length" in fields:
            return self._read_exactly(int(fields["content-length"]))
        return self.read_rest()

    def _read_chunks(self) -> bytes:
        body = b""
        while True:
            while b"\r\n" not in self._unread:
                self._read_more()
            size, _, self._unread = self._unread.partition(b"\r\n")
            body += self._read_exactly(int(size, 16))
            assert self._read_exactly(2) == b"\r\n"
            if int(size, 16) == 0:
                return body

    def _read_exactly(self, size: int) -> bytes:
        parts = [self._unread]
        have = len(self._unread)
        self._unread = b""
        while have < size:
            self._read_more()
            parts.append(self._unread)
            have += len(self._unread)
            self._unread = b""
        found = b"".join(parts)
        self._unread = found[size:]
        return found[:size]

    def _read_more(self) -> None:
        try:
            data = self._socket.recv(_PIECE)
        except OSError as error:
            raise BrokenAnswerError(f"{error!r} after {self._unread!r}") from error
        if not data:
            raise ConnectionEndedError(f"the connection was closed after {self._unread!r}")
        self._unread += data
