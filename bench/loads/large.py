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
    """PUT and GET of files, ``parallel`` at a time."""
    size = source.stat().st_size
    name = _size(size) if count == 1 else f"{count} x {_size(size)}, {parallel} at a time"
    return Load(
        GROUP,
        name,
        peers,
        [
            Step(f"PUT {name}", BYTES, lambda it: client(it).put_large(source, count, parallel)),
            Step(f"GET {name}", BYTES, lambda it: client(it).get_large(size, count, parallel)),
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
