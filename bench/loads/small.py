"""Small files on several connections, each of which has one request under way at any time."""

from __future__ import annotations

from collections.abc import Sequence

from bench.clients import MIB, Result
from bench.loads import REQUESTS, Load, Step, clean, client, http, nothing
from bench.peers import Peer

GROUP = "Small files"
KIB = 1024
_DELETED = 5000
_MIXED = (4 * KIB, 16 * KIB, 64 * KIB)


def put_and_get(size: int, connections: int, seconds: float, peers: Sequence[str]) -> Load:
    """PUT of new files, and GET of some again and again."""
    name = f"{_size(size)}, {connections} {_connections(connections)}"
    return Load(
        GROUP,
        name,
        peers,
        [
            _put(name, size, connections, seconds),
            Step(
                f"GET {name}",
                REQUESTS,
                lambda peer: client(peer).get_small(size, connections, seconds),
            ),
        ],
        prepare=lambda peer: client(peer).keep(size),
        # Smaller ones take more time to remove than room.
        clean=clean if size > 16 * KIB else nothing,
    )


def put(size: int, connections: int, seconds: float, peers: Sequence[str]) -> Load:
    """PUT of new files alone, where only what it takes to have them on disk is compared."""
    name = f"{_size(size)}, {connections} at a time, beside the disk itself"
    return Load(GROUP, name, peers, [_put(name, size, connections, seconds)])


def by_tus(size: int, connections: int, seconds: float, peers: Sequence[str]) -> Load:
    """Whole tus uploads, each in the request that creates it."""

    def upload(peer: Peer) -> Result:
        if peer.tus is None:
            raise TypeError("it takes no uploads by tus")
        return peer.tus.put_small(size, connections, seconds)

    name = f"tus upload of {_size(size)}, {connections} connections"
    return Load(GROUP, name, peers, [Step(name, REQUESTS, upload)], clean=clean)


def delete(connections: int, seconds: float, peers: Sequence[str]) -> Load:
    """DELETE of files of 4 KiB."""
    prefix = "gone"

    def prepare(peer: Peer) -> None:
        http(peer).store([f"{prefix}-{number}" for number in range(_DELETED)], 4 * KIB)

    name = f"DELETE 4 KiB, {connections} connections"
    step = Step(
        name, REQUESTS, lambda peer: http(peer).delete(prefix, _DELETED, connections, seconds)
    )
    return Load(GROUP, name, peers, [step], prepare)


def mixed(connections: int, seconds: float, peers: Sequence[str]) -> Load:
    """70 % GET, 20 % PUT, 10 % DELETE of files of 4, 16 and 64 KiB."""

    def prepare(peer: Peer) -> None:
        for size in _MIXED:
            http(peer).keep(size)

    name = f"mixed, {connections} connections"
    step = Step(name, REQUESTS, lambda peer: http(peer).mixed(_MIXED, connections, seconds))
    return Load(GROUP, name, peers, [step], prepare, clean)


def _put(name: str, size: int, connections: int, seconds: float) -> Step:
    return Step(
        f"PUT {name}", REQUESTS, lambda peer: client(peer).put_small(size, connections, seconds)
    )


def _connections(count: int) -> str:
    return "connection" if count == 1 else "connections"


def _size(size: int) -> str:
    return f"{size // MIB} MiB" if size % MIB == 0 else f"{size // KIB} KiB"
