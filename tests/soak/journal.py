"""What has happened in long runs: one line of JSON for each thing, by commit.

A line is on disk before the next thing happens, so a run forgets nothing, however it ends.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal


@dataclass(frozen=True, kw_only=True)
class Began:
    """A run, for so many hours at most; ``room`` is the directory of all that is temporary."""

    hours: float
    machine: Mapping[str, str]
    room: str


@dataclass(frozen=True, kw_only=True)
class Entered:
    """A campaign begins, or goes on."""

    campaign: str


@dataclass(frozen=True, kw_only=True)
class Item:
    """A test of a campaign, or a campaign of torture; ``said`` is the last that it printed."""

    campaign: str
    name: str
    outcome: Literal["passed", "skipped", "failed"]
    seconds: float
    seed: str = ""
    said: str = ""
    failure: str = ""


@dataclass(frozen=True, kw_only=True)
class Ended:
    """A campaign is complete, or was stopped, or has no tests to go on with: see its ``log``."""

    campaign: str
    outcome: Literal["complete", "stopped", "broken"]
    log: str = ""


What = Began | Entered | Item | Ended
_KINDS: Mapping[str, type[What]] = {kind.__name__: kind for kind in (Began, Entered, Item, Ended)}


@dataclass(frozen=True)
class Entry:
    """What happened, when, and with which commit."""

    commit: str
    what: What
    at: datetime = field(default_factory=lambda: datetime.now(UTC))

    def line(self) -> str:
        """It as JSON."""
        told = {"at": self.at.isoformat(), "commit": self.commit, "what": type(self.what).__name__}
        return json.dumps({**told, **asdict(self.what)})


def entry_from(line: str) -> Entry | None:
    """What `Entry.line` has made a line of; nothing if it is torn, or of another version."""
    try:
        told: dict[str, Any] = json.loads(line)
        at, commit = datetime.fromisoformat(told.pop("at")), told.pop("commit")
        return Entry(commit, _KINDS[told.pop("what")](**told), at)
    except (ValueError, KeyError, TypeError):
        return None


class Journal:
    """The file. Several processes can add to it at once."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def note(self, entry: Entry) -> None:
        """Add to the end; it is on disk when this returns."""
        # A power loss can tear a line; so each one begins with the end of the line before.
        data = f"\n{entry.line()}".encode()
        file = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        try:
            os.write(file, data)
            os.fsync(file)
        finally:
            os.close(file)

    def entries(self) -> list[Entry]:
        """All that can be read, the oldest first."""
        return list(self._read())

    def _read(self) -> Iterator[Entry]:
        if not self.path.exists():
            return
        for line in self.path.read_text(errors="replace").split("\n"):
            if entry := entry_from(line):
                yield entry


@dataclass(frozen=True)
class Chapter:
    """A campaign with a commit, as the programs see it that run it."""

    journal: Journal
    commit: str
    campaign: str

    def environment(self) -> dict[str, str]:
        """What tells another process of it."""
        return {
            "SOAK_JOURNAL": str(self.journal.path),
            "SOAK_COMMIT": self.commit,
            "SOAK_CAMPAIGN": self.campaign,
        }

    @classmethod
    def from_environment(cls) -> Chapter:
        """The one that this process was told of. Raises `KeyError` if it was not."""
        journal = Journal(Path(os.environ["SOAK_JOURNAL"]))
        return cls(journal, os.environ["SOAK_COMMIT"], os.environ["SOAK_CAMPAIGN"])

    def note(self, what: What) -> None:
        """Add what has happened in it."""
        self.journal.note(Entry(self.commit, what))
