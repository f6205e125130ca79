"""What a store tells whoever looks after it: what it removed, what is wrong, what proves bytes."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from file_uploader.model import Container


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


@dataclass
class Swept:
    """What a sweep has removed, or would remove."""

    amounts: dict[Leftover, Amount] = field(default_factory=dict)

    def add(self, kind: Leftover, count: int, size: int) -> None:
        """Count what was found."""
        if count:
            before = self.amounts.get(kind, Amount())
            self.amounts[kind] = Amount(before.count + count, before.size + size)


@dataclass(frozen=True, slots=True)
class Flaw:
    """Something that is not as it should be: ``what``, and of which file or upload, if of any.

    ``harmless``: nothing is lost, and it costs no more than room.
    """

    what: str
    container: Container | None = None
    name: str | None = None
    upload_id: str | None = None
    harmless: bool = False


class Proof(Protocol):
    """Whether some bytes are the content of a file, by what the store keeps of it."""

    def update(self, chunk: bytes) -> None:
        """Take the next bytes."""
        ...

    def holds(self) -> bool | None:
        """Whether all of them together are the content; None where nothing tells."""
        ...


class Sha256Proof:
    """The proof by the SHA-256 that is kept with a file."""

    def __init__(self, sha256: bytes) -> None:
        self._expected = sha256
        self._found = hashlib.sha256()

    def update(self, chunk: bytes) -> None:
        """See `Proof.update`."""
        self._found.update(chunk)

    def holds(self) -> bool:
        """See `Proof.holds`."""
        return self._found.digest() == self._expected
