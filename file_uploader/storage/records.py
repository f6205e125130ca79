"""How an upload's record is written down: JSON, the same in every store."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields
from datetime import datetime
from typing import Any

from file_uploader.errors import InvalidInput, StorageFailed
from file_uploader.model.conditions import EntityTags, Precondition
from file_uploader.model.files import STANDARD, FileInfo, Metadata
from file_uploader.model.names import FileName
from file_uploader.model.uploads import Upload, UploadPlan, UploadState

_OWN = frozenset(field.name for field in fields(UploadPlan))
"""What a plan has of its own. All else that is written with it is a protocol's note."""

_ALWAYS_NOTED = ("tus_metadata", "tus_concat")
"""Notes that are written also where there are none: older versions read no record without."""


class UnreadableRecord(StorageFailed):
    """What a store keeps of a file or an upload is not what this program writes."""


@contextmanager
def readable(what: str) -> Iterator[None]:
    """Raise `UnreadableRecord` for what is damaged: the errors that reading it as JSON ends in."""
    try:
        yield
    except (ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RecursionError):
        raise UnreadableRecord(f"What is kept of this {what} cannot be read.") from None
    except InvalidInput as error:  # A name that no file may have (any more).
        raise UnreadableRecord(f"What is kept of this {what} cannot be used: {error}") from None


def dumps(upload: Upload) -> str:
    """The record, without its version."""
    record = _members(upload)
    del record["version"]
    record["held"] = dict(upload.held)
    return json.dumps(
        record,
        separators=(",", ":"),
        default=lambda value: _TO_JSON.get(type(value), _members)(value),
    )


def loads(text: str | bytes, version: str, upload_id: str) -> Upload:
    """The upload of a record. Raises `UnreadableRecord` for what is none, or another upload's."""
    with readable("upload"):
        upload = _loads(text, version)
        if upload.id != upload_id:
            raise ValueError("another upload's")
        return upload


def _loads(text: str | bytes, version: str) -> Upload:
    record: dict[str, Any] = json.loads(text)
    plan = record["plan"]
    record["plan"] = UploadPlan(
        name=None if plan["name"] is None else FileName(plan["name"]),
        metadata=metadata_from_json(plan["metadata"]),
        precondition=_precondition_from_json(plan["precondition"]),
        digests={name: bytes.fromhex(digest) for name, digest in plan["digests"].items()},
        sources=tuple(plan["sources"]),
        notes={name: note for name, note in plan.items() if name not in _OWN and note is not None},
    )
    record["created"] = _moment(record["created"])
    record["expires"] = _moment(record["expires"])
    record["state"] = UploadState(record["state"])
    record["result"] = None if record["result"] is None else _info_from_json(record["result"])
    upload = Upload(**record, version=version)
    for number in (upload.offset, upload.generation, upload.torn, upload.length or 0):
        if not isinstance(number, int) or number < 0:
            raise ValueError("no number of bytes, or of an append")
    if not isinstance(upload.held, Mapping):
        raise TypeError("not what a store notes")
    return upload


def metadata_to_json(metadata: Metadata) -> dict[str, Any]:
    """What JSON can carry; what is not set is left out."""
    said = {STANDARD[name]: value for name, value in metadata.standard.items()}
    return {**said, "custom": dict(metadata.custom)}


def metadata_from_json(said: dict[str, Any]) -> Metadata:
    """The reverse of `metadata_to_json`."""
    metadata = Metadata(**said)
    kept = (*metadata.standard.values(), *metadata.custom, *metadata.custom.values())
    if not all(isinstance(each, str) for each in kept):
        raise TypeError("metadata is text")
    return metadata


def _plan_to_json(plan: UploadPlan) -> dict[str, Any]:
    said = _members(plan)
    notes = said.pop("notes")
    return {**said, **dict.fromkeys(_ALWAYS_NOTED), **notes}


def _members(value: Any) -> dict[str, Any]:
    return {field.name: getattr(value, field.name) for field in fields(value)}


_TO_JSON: Mapping[type, Callable[[Any], object]] = {
    FileName: str,
    Metadata: metadata_to_json,
    UploadPlan: _plan_to_json,
    datetime: datetime.isoformat,
    bytes: bytes.hex,
    frozenset: sorted,
}
"""How JSON carries what it cannot; of any other value it has the members."""


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("a time of no zone")
    return moment


def _precondition_from_json(said: dict[str, Any]) -> Precondition:
    since = said["if_unmodified_since"]
    return Precondition(
        if_match=_tags_from_json(said["if_match"]),
        if_none_match=_tags_from_json(said["if_none_match"]),
        if_unmodified_since=None if since is None else _moment(since),
    )


def _tags_from_json(said: dict[str, Any] | None) -> EntityTags | None:
    return None if said is None else EntityTags(frozenset(said["tags"]), any=said["any"])


def _info_from_json(said: dict[str, Any]) -> FileInfo:
    return FileInfo(
        name=FileName(said["name"]),
        size=said["size"],
        etag=said["etag"],
        modified=_moment(said["modified"]),
        metadata=metadata_from_json(said["metadata"]),
        sha256=None if said["sha256"] is None else bytes.fromhex(said["sha256"]),
    )
