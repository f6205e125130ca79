"""The values that everything else talks about: frozen, and valid once built."""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Any
from uuid import UUID

from file_uploader.errors import InvalidName, PreconditionFailed

MAX_NAME_BYTES = 960
"""Longest file name in UTF-8: with our prefixes it stays below the 1,024 bytes of an S3 key."""

_CONTROL = re.compile("[\x00-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class Container:
    """One client's private container. ``name`` is 32 lower-case hex digits."""

    name: str

    @classmethod
    def of(cls, token: UUID) -> Container:
        """Map a token to its container, one way: the name tells nobody the token."""
        digest = hashlib.blake2b(token.bytes, digest_size=16, person=b"file-uploader")
        return cls(digest.hexdigest())


_CONTAINER_NAME = re.compile("[0-9a-f]{32}")


def is_container_name(text: str) -> bool:
    """Whether this could be the name of a container."""
    return _CONTAINER_NAME.fullmatch(text) is not None


@dataclass(frozen=True, slots=True, order=True)
class FileName:
    """A file's name, kept code point by code point as the client gave it.

    1 to 960 bytes of UTF-8; ``/`` separates segments; no empty, ``.`` or ``..`` segment; no C0
    control character and no DEL. Raises `InvalidName` otherwise. Orders by UTF-8 bytes, which for
    strings without surrogates is the order of code points.
    """

    value: str

    def __post_init__(self) -> None:
        try:
            size = len(self.value.encode())
        except UnicodeEncodeError:
            raise InvalidName("A file name has to be valid UTF-8.") from None
        if not 1 <= size <= MAX_NAME_BYTES:
            raise InvalidName(
                f"A file name has 1 to {MAX_NAME_BYTES} bytes in UTF-8; this one has {size}."
            )
        if _CONTROL.search(self.value):
            raise InvalidName("A file name holds no control characters (U+0000 to U+001F, U+007F).")
        for segment in self.value.split("/"):
            if segment in ("", ".", ".."):
                raise InvalidName(
                    "The parts of a file name between slashes are neither empty nor '.' nor '..'."
                )

    def __str__(self) -> str:
        return self.value


_BREAKS_A_RULE = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]|(?:^|/)\.{0,2}(?:/|\Z)")
_SURELY_SHORT = MAX_NAME_BYTES // 4


def is_file_name(text: str) -> bool:
    """Whether this is a file's name, as `FileName` says it, in the time that lists have."""
    if len(text) <= _SURELY_SHORT:
        return _BREAKS_A_RULE.search(text) is None
    try:
        FileName(text)
    except InvalidName:
        return False
    return True


def surely_file_names(texts: Sequence[str]) -> bool:
    """Whether all of these are files' names, by one look at all of them.

    Not of all that are: a name with a hidden segment, or with a sign that is not printed, is one.
    """
    joined = "/".join(texts)
    return not texts or (
        joined != ""
        and joined.isprintable()
        and not joined.startswith(("/", "."))
        and not joined.endswith("/")
        and "//" not in joined
        and "/." not in joined
        and max(map(len, texts)) <= _SURELY_SHORT
    )


@dataclass(frozen=True, slots=True)
class Metadata:
    """What a client says of its file and gets back word for word; all of it visible ASCII.

    ``custom`` holds the ``X-Object-Meta-*`` headers by the part of their name after the prefix,
    in lower case.
    """

    content_type: str = "application/octet-stream"
    content_encoding: str | None = None
    content_language: str | None = None
    content_disposition: str | None = None
    cache_control: str | None = None
    custom: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "custom", MappingProxyType(dict(self.custom)))


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


NO_LIMITS = TransferLimits()


@dataclass(frozen=True, slots=True)
class UploadPlan:
    """What the creation of an upload fixed, to be done when its last byte is there.

    ``name`` is None for a partial upload, which becomes no file but a piece of others: their
    ``sources`` are the ids of such, in order. ``digests`` are those that the whole content must
    have, by `hashlib` name. ``tus_metadata`` and ``tus_concat`` are headers of the creation that
    are given back word for word.
    """

    name: FileName | None
    metadata: Metadata = field(default_factory=Metadata)
    precondition: Precondition = UNCONDITIONAL
    digests: Mapping[str, bytes] = field(default_factory=dict)
    sources: tuple[str, ...] = ()
    tus_metadata: str | None = None
    tus_concat: str | None = None


class UploadState(StrEnum):
    """Where an upload is on its way; it only goes down this list."""

    OPEN = "open"
    """Bytes can be appended."""
    COMPLETING = "completing"
    """The last byte is durable. Whoever finds it so finishes the work, or confirms it."""
    COMPLETE = "complete"
    """The file is there, or was: it may have been replaced since."""
    CANCELLED = "cancelled"
    """To be forgotten with all that it holds; nobody may see it any more."""


@dataclass(frozen=True, slots=True)
class Upload:
    """The record of an upload in several requests, as it is at one moment.

    It is only ever replaced as a whole, on the condition that it still has its ``version``, so
    that each of these holds for whoever replaced it:

    * ``offset``: that many bytes are durable and acknowledged;
    * ``length``: in bytes, None as long as it is not known;
    * ``generation``: counts those who took the upload over, to append or to ask for its offset;
    * ``claimed``: whether the latest of them may still be writing;
    * ``torn``: the last generation that took over from one that might still be writing, 0 if none
      did: what such a one writes late must not get into the content;
    * ``held``: what the store keeps for it; only the store knows what it means; made of JSON;
    * ``result``: the file that was made of it.
    """

    id: str
    plan: UploadPlan
    created: datetime
    expires: datetime
    length: int | None = None
    offset: int = 0
    state: UploadState = UploadState.OPEN
    generation: int = 0
    claimed: bool = False
    torn: int = 0
    held: Mapping[str, Any] = field(default_factory=dict)
    result: FileInfo | None = None
    version: str = field(default="", compare=False)


def is_unfinished(upload: Upload) -> bool:
    """Whether a client may go on with it, or its completion is not confirmed yet."""
    return upload.state in (UploadState.OPEN, UploadState.COMPLETING)


@dataclass(frozen=True, slots=True)
class Appended:
    """What a store has made durable of an upload: its new offset, and what it then holds.

    ``last``: this append writes nothing any more.
    """

    offset: int
    held: Mapping[str, Any]
    last: bool = False


_UPLOAD_ID = re.compile("0[0-9a-f]{31}")  # until the year 2527
_RANDOM_BYTES = 10


def new_upload_id(created: datetime) -> str:
    """An id that nobody can guess: 32 hex digits, of which 12 tell when, in milliseconds."""
    milliseconds = int(created.timestamp() * 1000)
    return f"{milliseconds:012x}{secrets.token_hex(_RANDOM_BYTES)}"


def is_upload_id(text: str) -> bool:
    """Whether this could be the id of an upload."""
    return _UPLOAD_ID.fullmatch(text) is not None


def upload_created(upload_id: str) -> datetime:
    """When the upload with this id was created."""
    return datetime.fromtimestamp(int(upload_id[:12], 16) / 1000, UTC)
