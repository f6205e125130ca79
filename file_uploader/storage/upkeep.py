"""What a store tells whoever looks after it: what it removed, what is wrong, what proves bytes."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol
from urllib.parse import quote

from typing_extensions import override

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
