"""What is measured: us and the others, each set up as its own documentation recommends."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from bench.clients import Client
from bench.clients.tus import Tus

WORKERS = 2
"""Processes of a server that has several."""


@dataclass(frozen=True)
class Listing:
    """A list of files: the URLs that give all of it, and one for 1,000 names from its middle."""

    whole: tuple[str, ...]
    page: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Peer:
    """One that runs: the processes that count as its own, and how loads are put on it."""

    pids: tuple[int, ...]
    client: Client | None = None
    tus: Tus | None = None
    listing: Callable[[int], Listing] | None = None
    """Lists so many files, made when they are first asked for, not by uploading them."""
    clean: Callable[[], object] = lambda: None
    """Removes what loads have stored."""


@dataclass(frozen=True)
class Contender:
    """How a peer is started in a directory, and what has to be known to compare it."""

    name: str
    start: Callable[[Path], contextlib.AbstractContextManager[Peer]]
    version: Callable[[], str]
    setup: str
    """How it is set up, in a few words, as Markdown."""
    durable: bool = False
    digest: bool = False
    """Whether it has the data on disk before it answers, and knows a SHA-256 of it."""
    private: bool = False
    """Whether clients are kept apart by a secret."""


def nth_name(number: int) -> str:
    """The names of files in lists: in this order, whoever sorts them; those of `bench.fill`."""
    return f"{number:08}"
