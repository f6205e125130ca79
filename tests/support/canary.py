"""A server that nothing should ever connect to, and that tempts whoever does."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

_SCRIPT = b"document.title = 'it-ran'; console.log('it-ran'); alert('it-ran')"
_ANSWER = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/javascript\r\nAccess-Control-Allow-Origin: *\r\n"
    b"Connection: close\r\nContent-Length: %d\r\n\r\n%s" % (len(_SCRIPT), _SCRIPT)
)


@dataclass
class Canary:
    """``seen`` has the first line that came on each connection; nothing came: an empty one."""

    port: int
    seen: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@contextlib.contextmanager
def canary() -> Iterator[Canary]:
    """Listen on a port of this machine."""
    with socket.create_server(("127.0.0.1", 0), backlog=128) as server:
        listening = Canary(server.getsockname()[1])
        thread = threading.Thread(target=_accept, args=(server, listening))
        thread.start()
        try:
            yield listening
        finally:
            server.shutdown(socket.SHUT_RDWR)
            thread.join()


def _accept(server: socket.socket, listening: Canary) -> None:
    while True:
        try:
            connection, _ = server.accept()
        except OSError:
            return
        with connection, contextlib.suppress(OSError):
            # Counted before it says anything: a connection alone tells that somebody was there.
            listening.seen.append("")
            connection.settimeout(1)
            listening.seen[-1] = connection.recv(4096).split(b"\r\n")[0].decode("latin-1")
            connection.sendall(_ANSWER)
