"""What a server has open, seen from outside."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from tests.support.raw import Connection
from tests.support.service import Service


def holds(server: Service, client: Connection) -> bool:
    """Whether a process has the server's end of this connection open (else its inode is 0)."""
    ends = [f"0100007F:{server.port:04X}", f"0100007F:{client.port:04X}"]
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()]
    return any(row[1:3] == ends and row[9] != "0" for row in rows)


def open_blobs(server: Service) -> list[str]:
    """The blobs that the workers have open, once for each descriptor."""
    found = []
    for worker in server.workers():
        for descriptor in Path(f"/proc/{worker}/fd").iterdir():
            with suppress(FileNotFoundError):
                path = str(descriptor.readlink())
                found += [path] if "/blobs/" in path else []
    return found
