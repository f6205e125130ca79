"""What is asked of a list, and what is in one."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class ListQuery:
    """Which part of a container to list, in UTF-8 byte order.

    Names that start with ``prefix``, strictly after ``marker``, at most ``limit`` entries (None:
    all). With ``delimiter``, names that hold it after the prefix are rolled up into one entry that
    ends in it; a marker inside a rolled-up prefix is past that prefix, so that going on after the
    last entry always ends.
    """

    prefix: str = ""
    delimiter: str = ""
    marker: str = ""
    limit: int | None = None

    def rolled_up(self, name: str) -> str | None:
        """The prefix that ``name`` is rolled up into, or None where it stands for itself."""
        if not self.delimiter:
            return None
        end = name.find(self.delimiter, len(self.prefix))
        return None if end < 0 else name[: end + len(self.delimiter)]

    @property
    def passed_prefix(self) -> str | None:
        """The rolled-up prefix that the marker lies in, which the list therefore leaves out."""
        if not self.marker.startswith(self.prefix):
            return None
        return self.rolled_up(self.marker)


@dataclass(frozen=True, slots=True)
class ListedFile:
    """A file as a list shows it; the fields are those of `FileInfo`."""

    name: str
    size: int
    etag: str
    modified: datetime


@dataclass(frozen=True, slots=True)
class ListedPrefix:
    """A rolled-up prefix: it ends in the delimiter."""

    name: str


ListEntry = ListedFile | ListedPrefix


def after_prefix(prefix: str) -> str | None:
    """The least string that is above every string with this prefix; None if there is none."""
    for end in range(len(prefix), 0, -1):
        code = ord(prefix[end - 1])
        if code < 0x10FFFF:
            following = 0xE000 if code == 0xD7FF else code + 1
            return prefix[: end - 1] + chr(following)
    return None
