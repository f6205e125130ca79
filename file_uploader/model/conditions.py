"""What has to hold for a request to be done (RFC 9110, 13)."""

from __future__ import annotations

from collections.abc import Awaitable
from dataclasses import dataclass
from datetime import datetime

from file_uploader.errors import NoSuchFile, PreconditionFailed

from .files import FileInfo


@dataclass(frozen=True, slots=True)
class EntityTags:
    """The list in an ``If-Match`` or ``If-None-Match``: ``*``, or strong tags without quotes."""

    tags: frozenset[str] = frozenset()
    any: bool = False

    def match(self, current: FileInfo | None) -> bool:
        """Whether the file as it is now is one of these."""
        return current is not None and self.names(current.etag)

    def names(self, etag: str) -> bool:
        """Whether what has this tag is one of these."""
        return self.any or etag in self.tags


@dataclass(frozen=True, slots=True)
class Precondition:
    """The state a file has to be in for a write or a delete to happen (RFC 9110, 13.1)."""

    if_match: EntityTags | None = None
    if_none_match: EntityTags | None = None
    if_unmodified_since: datetime | None = None

    def __bool__(self) -> bool:
        return self != UNCONDITIONAL

    @property
    def create_only(self) -> bool:
        """Whether this is the plain ``If-None-Match: *``: only write what is not there yet."""
        return self.if_none_match is not None and self.if_none_match.any and self.if_match is None

    async def check_now(self, look: Awaitable[FileInfo]) -> None:
        """`check` the file as it is found by this look at it; where there is none, too."""
        try:
            current = await look
        except NoSuchFile:
            current = None
        self.check(current)

    def check(self, current: FileInfo | None) -> None:
        """Raise `PreconditionFailed` unless ``current`` is as demanded, in the order of 13.2.2."""
        if self.if_match is not None:
            if not self.if_match.match(current):
                raise PreconditionFailed(
                    "If-Match names no version that the file has now; read it again and retry."
                )
        elif (
            self.if_unmodified_since is not None
            and current is not None
            and current.modified.replace(microsecond=0) > self.if_unmodified_since
        ):
            raise PreconditionFailed("The file was changed after If-Unmodified-Since.")
        if self.if_none_match is not None and self.if_none_match.match(current):
            raise PreconditionFailed(
                "If-None-Match names the version that the file has now; it exists already."
            )


UNCONDITIONAL = Precondition()
