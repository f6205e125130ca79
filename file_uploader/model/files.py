"""What is known of a file besides its name and its bytes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from types import MappingProxyType

from file_uploader.errors import FileTooLarge

from .names import FileName

CUSTOM = "X-Object-Meta-"
"""What the names of all headers begin with that a client makes up for its file."""

STANDARD = {
    "Content-Type": "content_type",
    "Content-Encoding": "content_encoding",
    "Content-Language": "content_language",
    "Content-Disposition": "content_disposition",
    "Cache-Control": "cache_control",
}
"""The other headers that are kept, and their fields in `Metadata`."""


@dataclass(frozen=True, slots=True)
class Metadata:
    """What a client says of its file and gets back word for word; all of it visible ASCII.

    ``custom`` holds the headers that begin with `CUSTOM`, by the rest of their names in lower case.
    """

    content_type: str = "application/octet-stream"
    content_encoding: str | None = None
    content_language: str | None = None
    content_disposition: str | None = None
    cache_control: str | None = None
    custom: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "custom", MappingProxyType(dict(self.custom)))

    @property
    def standard(self) -> dict[str, str]:
        """Those of the headers in `STANDARD` that are set."""
        found = {}
        for name, field_name in STANDARD.items():
            if (value := getattr(self, field_name)) is not None:
                found[name] = value
        return found


@dataclass(frozen=True, slots=True)
class FileInfo:
    """One version of a file.

    ``size`` in bytes; ``etag`` strong and without its quotes; ``modified`` in UTC; ``sha256`` of
    the whole content (32 bytes), or None where it is not known.
    """

    name: FileName
    size: int
    etag: str
    modified: datetime
    metadata: Metadata
    sha256: bytes | None


@dataclass(frozen=True, slots=True)
class ByteRange:
    """Bytes ``start`` to ``end``, both included (RFC 9110, 14.1.2)."""

    start: int
    end: int

    def __post_init__(self) -> None:
        if not 0 <= self.start <= self.end:
            raise ValueError(f"no such range: {self.start}-{self.end}")

    @property
    def size(self) -> int:
        """Number of bytes in the range."""
        return self.end - self.start + 1


@dataclass(frozen=True, slots=True)
class Usage:
    """What a container holds: the number of files, and their bytes in all."""

    files: int
    size: int


@dataclass(frozen=True, slots=True)
class TransferLimits:
    """What an incoming body has to keep to.

    ``max_size`` in bytes (None: any); ``idle_timeout``: the longest wait for the next byte;
    ``min_rate`` in bytes a second, over each ``rate_window`` spent waiting for the client.
    """

    max_size: int | None = None
    idle_timeout: timedelta = timedelta(seconds=60)
    min_rate: int = 1024
    rate_window: timedelta = timedelta(seconds=60)

    def check_size(self, size: int | None) -> None:
        """Raise `FileTooLarge` for a size, where it is known, over the limit."""
        if size is not None and self.max_size is not None and size > self.max_size:
            raise FileTooLarge(f"A file may have at most {self.max_size} bytes here.")

    def within(self, size: int | None) -> TransferLimits:
        """These limits for what may have no more than ``size`` bytes besides (None: any)."""
        sizes = [each for each in (self.max_size, size) if each is not None]
        return replace(self, max_size=min(sizes, default=None))


NO_LIMITS = TransferLimits()
