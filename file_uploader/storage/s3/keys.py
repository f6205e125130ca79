"""Which bucket and key a file has, and how its metadata travels in headers.

::

    files/<container>/<name>    a file, in the bucket
    files/<name>                a file, in a bucket of the container's own
    uploads/<container>/<id>/…  uploads in several requests, always in the bucket:
      record                      what is known of one
      content                     all its bytes, where they are not to be seen yet
      <generation>.<number>       bytes that are not in a part yet
    uploads/.probe/<random>     what the probe of conditions writes, for seconds
    keys/links                  what signs links, in the bucket, where the store has to keep it
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from file_uploader.model.files import FileInfo, Metadata
from file_uploader.model.names import Container, FileName

from .config import S3Config

FILES = "files/"
UPLOADS = "uploads/"
PROBES = f"{UPLOADS}.probe/"
LINK_KEY = "keys/links"
RECORD = "record"
CONTENT = "content"

PAST = "\U0010ffff" * 2
"""Appended to a rolled-up prefix, this is past (nearly) every name in it; a filter does the rest.
The first string past all of them would be exact, but to start after it would skip that name."""

_PLACE = "{container}"
_CUSTOM = "m-"
"""A name of custom metadata has this prefix, so that it never collides with ours."""
_PACKED = "p-"
"""A number follows, and the name is in the value, before a ``=``: where that is shorter, or S3
might not take the name."""
_LONGEST = 64
"""Ceph 16 fails where a name is longer than 78, its prefix left out."""
_ID = "id"
_SHA256 = "sha256"

_KEPT_HEADERS = {
    "content_type": "ContentType",
    "content_encoding": "ContentEncoding",
    "content_language": "ContentLanguage",
    "content_disposition": "ContentDisposition",
    "cache_control": "CacheControl",
}


@dataclass(frozen=True, slots=True)
class Prefix:
    """What the keys of one container's files, or of one upload's objects, begin with.

    It ends in a slash, so that none is in another.
    """

    bucket: str
    prefix: str

    def address(self, name: str) -> dict[str, str]:
        """The parameters that name one of its objects to botocore."""
        return {"Bucket": self.bucket, "Key": self.prefix + name}


class Keys:
    """Where everything is; ``own_buckets`` is whether each container has a bucket of its own."""

    def __init__(self, config: S3Config) -> None:
        self.bucket = config.bucket
        self.own_buckets = config.container_bucket is not None
        self.link_key = {"Bucket": self.bucket, "Key": LINK_KEY}
        self._pattern = config.container_bucket

    def files(self, container: Container) -> Prefix:
        """Where a container's files are."""
        if self._pattern is None:
            return Prefix(self.bucket, f"{FILES}{container.name}/")
        return Prefix(self._pattern.replace(_PLACE, container.name), FILES)

    def uploads(self, container: Container) -> Prefix:
        """Where a container's uploads in several requests keep what they have."""
        return Prefix(self.bucket, f"{UPLOADS}{container.name}/")

    def upload(self, container: Container, upload_id: str) -> Prefix:
        """Where one of them does."""
        return Prefix(self.bucket, f"{UPLOADS}{container.name}/{upload_id}/")

    def container_of_bucket(self, bucket: str) -> str | None:
        """The name of the container that a bucket is of, if it is one that the pattern makes."""
        if self._pattern is None:
            return None
        before, after = map(re.escape, self._pattern.split(_PLACE, 1))
        found = re.fullmatch(f"{before}([0-9a-f]{{32}}){after}", bucket)
        return None if found is None else found[1]


def upload_headers(metadata: Metadata, write_id: str, sha256: bytes | None) -> dict[str, Any]:
    """The parameters that make an object carry the metadata, our id and, if known, its SHA-256."""
    own = {_ID: write_id}
    if sha256 is not None:
        own[_SHA256] = sha256.hex()
    for number, (custom, value) in enumerate(metadata.custom.items()):
        escaped, packed = _escaped(custom), f"{_PACKED}{number}"
        if len(escaped) <= min(_LONGEST, len(packed) + len(custom)):
            own[_CUSTOM + escaped] = value
        else:
            own[packed] = f"{custom}={value}"
    headers = {
        parameter: value
        for field, parameter in _KEPT_HEADERS.items()
        if (value := getattr(metadata, field)) is not None
    }
    return {**headers, "Metadata": own}


def write_id(answer: Mapping[str, Any]) -> str | None:
    """The id of the write that made the object, from the answer of HeadObject or GetObject."""
    found: str | None = answer.get("Metadata", {}).get(_ID)
    return found


def file_info(name: FileName, answer: Mapping[str, Any]) -> FileInfo:
    """A `FileInfo` from the answer of HeadObject or GetObject."""
    user = answer.get("Metadata", {})
    kept = {
        field: value
        for field, parameter in _KEPT_HEADERS.items()
        if (value := answer.get(parameter))
    }
    custom = {
        _unescaped(key.removeprefix(_CUSTOM)): value
        for key, value in user.items()
        if key.startswith(_CUSTOM)
    }
    packed = (value for key, value in user.items() if key.startswith(_PACKED))
    custom |= {name: value for name, _, value in (each.partition("=") for each in packed)}
    return FileInfo(
        name=name,
        size=_whole_size(answer),
        etag=etag_of(answer),
        modified=modified(answer),
        metadata=Metadata(**kept, custom=custom),
        sha256=_sha256(user.get(_SHA256)),
    )


def etag_of(answer: Mapping[str, Any]) -> str:
    """The ETag of an answer, without its quotes."""
    return str(answer["ETag"]).strip('"')


def modified(answer: Mapping[str, Any]) -> datetime:
    """When an object was written: as the answer says, or else when the store answered."""
    said: datetime | None = answer.get("LastModified")
    return date_of(answer) if said is None else said.astimezone(UTC)


def date_of(answer: Mapping[str, Any]) -> datetime:
    """The store's own clock when it answered, to the second; ours if it did not say."""
    text = answer["ResponseMetadata"]["HTTPHeaders"].get("date")
    return parsedate_to_datetime(text).astimezone(UTC) if text else datetime.now(UTC)


def _whole_size(answer: Mapping[str, Any]) -> int:
    content_range: str = answer.get("ContentRange") or ""
    _, _, whole = content_range.partition("/")
    return int(whole) if whole.isdigit() else int(answer["ContentLength"])


def _sha256(text: str | None) -> bytes | None:
    """What others wrote there is not believed to be a digest just for its place."""
    return bytes.fromhex(text) if text and re.fullmatch("[0-9a-f]{64}", text) else None


def _escaped(name: str) -> str:
    """A header name that survives every provider: some drop signs, or change them."""
    return re.sub("[^a-z0-9-]", lambda found: f".{ord(found.group()):02x}", name)


def _unescaped(name: str) -> str:
    return re.sub(r"\.([0-9a-f]{2})", lambda found: chr(int(found.group(1), 16)), name)
