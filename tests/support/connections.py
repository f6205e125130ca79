"""What a server has open, seen from outside."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from tests.support.raw import Connection
from tests.support.service import Service


def holds(server: Service, client: Connection) -> bool:
    """Whether a process has the server's end of this connection open (else its inode is 0)."""
    return _inode(server, client) != "0"


def worker_of(server: Service, client: Connection) -> int | None:
    """The worker that has accepted this connection; None while none has."""
    socket = f"socket:[{_inode(server, client)}]"
    return next((pid for pid in server.workers() if socket in _open_files(pid)), None)


def open_blobs(server: Service) -> list[str]:
    """The blobs that the workers have open, once for each descriptor."""
    found = []
    for worker in server.workers():
        found += [path for path in _open_files(worker) if "/blobs/" in path]
    return found


def _inode(server: Service, client: Connection) -> str:
    """Of the server's end of a connection; 0 where no process has it."""
    ends = [f"0100007F:{server.port:04X}", f"0100007F:{client.port:04X}"]
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()]
    return next((row[9] for row in rows if row[1:3] == ends), "0")


def _open_files(pid: int) -> list[str]:
    found = []
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):
            found.append(str(descriptor.readlink()))
    return found
