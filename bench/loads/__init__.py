"""What is asked of every peer, and in which units it is told."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bench.clients import Client, Result
from bench.clients.http import Http
from bench.peers import Peer


@dataclass(frozen=True)
class Unit:
    """What a result's amount counts; CPU time is told for ``scale`` of it, named ``per``."""

    rate: str
    per: str
    scale: float


BYTES = Unit("MiB/s", "GiB", 1024)
REQUESTS = Unit("1/s", "1,000 requests", 1000)
NAMES = Unit("names/s", "million names", 1e6)


@dataclass(frozen=True)
class Step:
    """One measurement, under the name that it is told by."""

    name: str
    unit: Unit
    run: Callable[[Peer], Result]


def nothing(_peer: Peer) -> None:
    """What most loads need before and after."""


@dataclass(frozen=True)
class Load:
    """Steps that a peer takes one after the other in its turn.

    What ``prepare`` and ``clean`` do is not measured. ``peers`` are those by name that say
    something about it. ``rounds`` is how often it is run, where that is not as often as the others.
    """

    group: str
    name: str
    peers: Sequence[str]
    steps: Sequence[Step]
    prepare: Callable[[Peer], object] = nothing
    clean: Callable[[Peer], object] = nothing
    rounds: int | None = None
    fresh: bool = False
    """Whether each peer is started anew for it: what memory it once had does not come back."""


def client(peer: Peer) -> Client:
    """How its files are stored and read."""
    if peer.client is None:
        raise TypeError("it takes uploads by tus only")
    return peer.client


def http(peer: Peer) -> Http:
    """The same, for what only HTTP servers are asked."""
    if not isinstance(peer.client, Http):
        raise TypeError("it is no HTTP server")
    return peer.client


def clean(peer: Peer) -> None:
    """Remove what was stored, so that it does not fill the disk or the memory."""
    peer.clean()
