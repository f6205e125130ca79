"""Large files, whole and by tus."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from bench.clients import MIB, Result
from bench.clients.tus import PIECE
from bench.loads import BYTES, Load, Step, clean, client
from bench.peers import Peer

GROUP = "Large files"


def whole(
    source: Path,
    peers: Sequence[str],
    *,
    count: int = 1,
    parallel: int = 1,
    rounds: int | None = None,
) -> Load:
    """PUT of files, then GET of what was just stored and GET again, ``parallel`` at a time."""
    size = source.stat().st_size

    def get(peer: Peer) -> Result:
        return client(peer).get_large(size, count, parallel)

    name = _size(size) if count == 1 else f"{count} x {_size(size)}, {parallel} at a time"
    return Load(
        GROUP,
        name,
        peers,
        [
            Step(f"PUT {name}", BYTES, lambda it: client(it).put_large(source, count, parallel)),
            Step(f"GET {name}, just stored", BYTES, get),
            Step(f"GET {name}, again", BYTES, get),
        ],
        clean=clean,
        rounds=rounds,
    )


def by_tus(source: Path, peers: Sequence[str]) -> Load:
    """A tus upload in pieces."""

    def put(peer: Peer) -> Result:
        if peer.tus is None:
            raise TypeError("it takes no uploads by tus")
        return peer.tus.put_large(source)

    name = f"tus upload of {_size(source.stat().st_size)} in pieces of {_size(PIECE)}"
    return Load(GROUP, name, peers, [Step(name, BYTES, put)], clean=clean)


def _size(size: int) -> str:
    return f"{size // (1024 * MIB)} GiB" if size % (1024 * MIB) == 0 else f"{size // MIB} MiB"
