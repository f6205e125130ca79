"""What a server has open, seen from outside."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from tests.support import raw
from tests.support.raw import Connection
from tests.support.service import Service
from tests.support.waiting import until


def holds(server: Service, client: Connection) -> bool:
    """Whether a process has the server's end of this connection open (else its inode is 0)."""
    return _inode(server, client) != "0"


def worker_of(server: Service, client: Connection) -> int | None:
    """The worker that has accepted this connection; None while none has."""
    socket = f"socket:[{_inode(server, client)}]"
    return next((pid for pid in server.workers() if socket in _open_files(pid)), None)


@contextmanager
def one_to_each(server: Service, patience: float = 15.0) -> Iterator[dict[int, Connection]]:
    """A connection to each worker, kept alive, by the worker; which one takes it is by chance."""
    found: dict[int, Connection] = {}
    with ExitStack() as stack:

        def another() -> bool:
            client = stack.enter_context(Connection(server.port, patience))
            client.send(raw.head("GET", "/health"))
            assert client.read_answer().status == 200
            worker = worker_of(server, client)
            assert worker is not None
            found.setdefault(worker, client)
            return len(found) == server.worker_count

        until(another, "each worker has a connection")
        yield found


def open_connections(server: Service) -> int:
    """How many connections the workers have open, also those whose client is gone."""
    own = f"0100007F:{server.port:04X}"
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()]
    # A set, because a row is there twice when the table changes while it is read.
    ends = {row[2] for row in rows if row[1] == own and row[9] != "0"}
    return len(ends - {"00000000:0000"})


def descriptors(process: int) -> int:
    """How many descriptors a process has open."""
    return sum(1 for _ in Path(f"/proc/{process}/fd").iterdir())


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
