"""What a store tells whoever looks after it: what it removed, what is wrong, what proves bytes."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol
from urllib.parse import quote

from typing_extensions import override

from file_uploader.model.files import FileInfo, Usage
from file_uploader.model.names import Container


class Leftover(StrEnum):
    """What a sweep removes."""

    REPLACED = "replaced"
    """Contents of files that were replaced or deleted, still there since a crash."""
    UPLOADS = "uploads"
    """Uploads in several requests that have expired or were cancelled."""
    UNFINISHED = "unfinished"
    """What crashes have left of writes that nobody is going to finish."""
    PROBES = "probes"
    """What was written to find out what the store can do."""


@dataclass(frozen=True, slots=True)
class Amount:
    """So many of something, with so many bytes in all."""

    count: int = 0
    size: int = 0


@dataclass(frozen=True, slots=True)
class Flaw:
    """Something that is not as it should be: ``what``, and of which file or upload, if of any.

    ``key`` is how the store calls what has no name: an object's key, a blob's id. ``harmless``:
    nothing is lost, and it costs no more than room. As text it is one line of visible ASCII but for
    ``what``, whose words are ours.
    """

    what: str
    container: Container | None = None
    name: str | None = None
    upload_id: str | None = None
    key: str | None = None
    harmless: bool = False

    def __str__(self) -> str:
        whose = [] if self.container is None else [shown(self.container.name)]
        whose += [] if self.name is None else [shown(self.name)]
        whose += [] if self.upload_id is None else [f"the upload {shown(self.upload_id)}"]
        whose += [] if self.key is None else [shown(self.key)]
        return f"{' '.join(whose)}: {self.what}" if whose else self.what


MOST_FLAWS = 1_000
"""Flaws that a sweep names; further ones it counts."""


@dataclass
class Swept:
    """What a sweep has removed, or would remove, and what it could not look at or remove.

    ``flaws`` are the first of these, ``failed`` counts all.
    """

    amounts: dict[Leftover, Amount] = field(default_factory=dict)
    flaws: list[Flaw] = field(default_factory=list)
    failed: int = 0

    def add(self, kind: Leftover, count: int, size: int) -> None:
        """Count what was found."""
        if count:
            before = self.amounts.get(kind, Amount())
            self.amounts[kind] = Amount(before.count + count, before.size + size)

    def tell(self, flaw: Flaw) -> None:
        """Note what could not be looked at or removed."""
        self.failed += 1
        if len(self.flaws) < MOST_FLAWS:
            self.flaws.append(flaw)


def shown(text: str) -> str:
    """A name or a key, percent-encoded but for ``/``: nothing that a terminal or a log obeys."""
    return quote(text, safe="/", errors="surrogatepass")


class Proof(Protocol):
    """Whether some bytes are the content of a file, by what the store keeps of it."""

    def update(self, chunk: bytes) -> None:
        """Take the next bytes."""
        ...

    def holds(self) -> bool | None:
        """Whether all of them together are the content; None where nothing tells."""
        ...


class Sha256Proof(Proof):
    """The proof by the SHA-256 that is kept with a file."""

    def __init__(self, sha256: bytes) -> None:
        self._expected = sha256
        self._found = hashlib.sha256()

    @override
    def update(self, chunk: bytes) -> None:
        self._found.update(chunk)

    @override
    def holds(self) -> bool:
        return self._found.digest() == self._expected


class Upkeep(Protocol):
    """What a store does for whoever looks after it."""

    def containers(self) -> AsyncIterator[Container]:
        """Those that hold files or uploads, in the order of their names; perhaps empty ones too.

        Where some cannot be found, the others come first, and the `StorageError` last.
        """
        ...

    async def usage(self, container: Container) -> Usage | None:
        """What the container holds; None where counting would cost too much."""
        ...

    async def ready(self) -> None:
        """Return if files can be read and written, raise `StorageError` if not.

        A store that is full is ready: there is much that can be done there, and has to be.
        """
        ...

    async def vitals(self) -> Mapping[str, float]:
        """What an operator watches, in bytes: ``disk_free_bytes``, and ``wal_bytes`` of an index.

        The disk is that of the files, or of the spool. Raises `StorageError`.
        """
        ...

    def proof(self, info: FileInfo) -> Proof:
        """What tells whether bytes that are read are those that were stored as this version."""
        ...

    def examine(self) -> AsyncIterator[Flaw]:
        """Look at how everything is kept, without reading contents, and yield what is wrong.

        Safe beside live traffic and other processes.
        """
        ...

    async def sweep(self, *, dry: bool = False) -> Swept | None:
        """Remove what failures left behind, and uploads that have expired or were cancelled.

        Safe beside live traffic and other processes. An upload has expired when its ``expires``
        has passed, whatever its state; whoever works on it then is superseded. Returns what was
        removed, or with ``dry`` what would be, and what could not be looked at or removed, which
        ends nothing (see `file_uploader.storage.passes`); None where another process sweeps just
        now.
        """
        ...
