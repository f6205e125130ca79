"""Uploads in several requests."""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from .conditions import UNCONDITIONAL, Precondition
from .files import FileInfo, Metadata
from .names import FileName


@dataclass(frozen=True, slots=True)
class UploadPlan:
    """What the creation of an upload fixed, to be done when its last byte is there.

    ``name`` is None for a partial upload, which becomes no file but a piece of others: their
    ``sources`` are the ids of such, in order. ``digests`` are those that the whole content must
    have, by `hashlib` name. ``notes`` are the protocol's own, which only that reads.
    """

    name: FileName | None
    metadata: Metadata = field(default_factory=Metadata)
    precondition: Precondition = UNCONDITIONAL
    digests: Mapping[str, bytes] = field(default_factory=dict)
    sources: tuple[str, ...] = ()
    notes: Mapping[str, str] = field(default_factory=dict)


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
