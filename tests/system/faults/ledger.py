"""What a client was promised: every write that it asked for, and what became of it.

A write without a verdict may take effect at any later time, whole, or never. One that was refused,
or whose body was never sent whole, never does. So what a reader may find is the last version that
was acknowledged, anything written after it, and whatever has no verdict yet.
"""

from __future__ import annotations

import hashlib
import random
import threading
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import quote

_POOL = random.Random("content").randbytes(1_000_003)
"""No divisor or multiple of any size that a store cuts at."""


@dataclass(frozen=True, slots=True)
class Version:
    """A state of a file: a content with a note in its metadata; of size None, no file at all."""

    label: str
    size: int | None = None
    sha256: str = ""

    @property
    def note(self) -> str:
        """What is kept with it as metadata."""
        return "" if self.size is None else self.label

    def content(self) -> bytes:
        """The bytes: they tell which version they are, and are made anew each time."""
        assert self.size is not None
        return _content(self.label, self.size)

    def __str__(self) -> str:
        what = "no file" if self.size is None else f"{self.size} bytes, {self.sha256[:12]}"
        return f"[{self.label}: {what}]"


@dataclass(frozen=True, slots=True)
class Seen:
    """What somebody has found under a name; of size None, no file."""

    size: int | None
    sha256: str = ""
    note: str = ""

    def is_of(self, version: Version) -> bool:
        """Whether it is this version."""
        return (self.size, self.sha256, self.note) == (version.size, version.sha256, version.note)

    def __str__(self) -> str:
        if self.size is None:
            return "no file"
        return f"{self.size} bytes, {self.sha256[:12]}, note {self.note!r}"


@dataclass(frozen=True, slots=True)
class Moment:
    """What could be found under a name when a reader began, and how many writes had begun."""

    versions: tuple[Version, ...]
    begun: int


class Name:
    """All writes to one name, of its one writer; readers are many."""

    def __init__(self, owner: str, name: str) -> None:
        self._label = f"{owner} {quote(name)}"
        self._lock = threading.Lock()
        self._planned = 0
        self._begun: list[Version] = []
        self._open: list[Version] = []
        self.acknowledged = Version(f"{self._label} 0")
        self.etag: str | None = None

    @property
    def certain(self) -> bool:
        """Whether there is just one state that it can be in."""
        return not self._open

    def plan(self, size: int | None = None) -> Version:
        """A version of which nothing has been sent yet; without a size, a deletion."""
        self._planned += 1
        label = f"{self._label} {self._planned}"
        if size is None:
            return Version(label)
        return Version(label, size, hashlib.sha256(_content(label, size)).hexdigest())

    def begin(self, version: Version) -> None:
        """From now on it may be found. To be called before the last of it is sent."""
        with self._lock:
            if version not in self._open:
                self._begun.append(version)
                self._open.append(version)

    def acknowledge(self, version: Version, etag: str | None = None) -> None:
        """The service has said that it is done. What has no verdict yet may still come after it."""
        with self._lock:
            self._open.remove(version)
            self.acknowledged, self.etag = version, etag

    def refuse(self, version: Version) -> None:
        """The service has said that it was not done, and so it never is."""
        with self._lock:
            self._open.remove(version)

    def moment(self) -> Moment:
        """What may be found by who begins to read now."""
        with self._lock:
            return Moment((self.acknowledged, *self._open), len(self._begun))

    def since(self, moment: Moment) -> list[Version]:
        """What may be found by now by who began to read at that moment."""
        with self._lock:
            return [*moment.versions, *self._begun[moment.begun :]]

    def settle(self, seen: Seen) -> bool:
        """Nothing is under way any more, and this was found: it is what stays.

        Returns whether it may be there.
        """
        with self._lock:
            found = [each for each in (self.acknowledged, *self._open) if seen.is_of(each)]
            if found:
                self.acknowledged = found[-1]
            self.etag = None
            self._open.clear()
        return bool(found)


class Ledger:
    """One client: its names, what it was promised for them, and what was found to be wrong."""

    def __init__(self, token: str, owner: str) -> None:
        self.token = token
        self.names: dict[str, Name] = {}
        self.finished: list[str] = []
        """Paths of uploads that have become files; they can still be asked."""
        self.wrong: list[str] = []
        self.acknowledged = 0
        self._owner = owner

    def name(self, name: str) -> Name:
        """The entry of a name, which is made when it is first asked for."""
        return self.names.setdefault(name, Name(self._owner, name))

    def check(self, name: str, moment: Moment, seen: Seen) -> None:
        """Note it where somebody who began to read at that moment could not find this."""
        possible = self.name(name).since(moment)
        if not any(seen.is_of(version) for version in possible):
            self.violated(f"{name} reads {seen}, not {told(possible)}")

    def violated(self, what: str) -> None:
        """Note a broken promise."""
        self.wrong.append(what)


def told(versions: Sequence[Version]) -> str:
    """Some versions, for people."""
    return " or ".join(map(str, versions[:4]))


def _content(label: str, size: int) -> bytes:
    """The label, and then bytes that are cheap to make, from another place on for each label."""
    head = f"{label}\n".encode()[:size]
    start, rest = zlib.crc32(label.encode()) % len(_POOL), size - len(head)
    repeats = -(-(start + rest) // len(_POOL))
    return head + (_POOL * repeats)[start : start + rest]
