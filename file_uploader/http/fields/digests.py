"""Digest fields (RFC 9530) and Content-MD5 (RFC 1864); those of others, which are refused."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from functools import lru_cache

from starlette.datastructures import Headers

from file_uploader.errors import DigestUnsupported, InvalidHeader
from file_uploader.http.caching import WANTED
from file_uploader.model.files import CUSTOM, FileInfo

from . import structured
from .headers import combined, single

ALGORITHMS = {"sha-256": ("sha256", 32), "sha-512": ("sha512", 64)}
"""The active algorithms of RFC 9530: name in `hashlib`, and length in bytes."""

_UNLESS_ASKED = {"sha-256": "sha256"}

MOST_WANTED = 10
"""The highest preference in a ``Want-`` field (RFC 9530, 4)."""

CHECKED = frozenset({"content-digest", "repr-digest", "content-md5"})
"""The fields of a body's integrity that are checked wherever one is stored."""

UNCHECKED = (
    "etag",  # OpenStack Swift: the MD5 of what is put
    "x-amz-trailer",  # S3: names a checksum behind the body
    "x-goog-hash",  # Google Cloud Storage
)
"""Those that other services check and that are not called so (`_CALLED_SO`)."""

# RFC 3230's, tus's, ownCloud's, Artifactory's, S3's, Azure's, Backblaze's, and many that nobody
# here has heard of.
_CALLED_SO = re.compile(r"(?:^|-)(?:digest|checksum|md5|sha-?\d+|crc-?\d+\w*)(?:-|$)")
_NO_DIGESTS = ("want-", CUSTOM.lower())
_NAMES = re.compile(r"[!#$%&'*+.^_`|~0-9a-z-]+")
_INSTEAD = "send Content-Digest or Repr-Digest (RFC 9530) before the body, with sha-256 or sha-512."


def announced(headers: Headers) -> dict[str, bytes]:
    """The digests that a request's body must have, by `hashlib` name.

    For a body that is stored as it comes, ``Content-Digest`` and ``Repr-Digest`` speak of the same
    bytes. Raises `InvalidHeader` and `DigestUnsupported`.
    """
    found = of_content(headers)
    for algorithm, digest in announced_by(headers, "Repr-Digest").items():
        if found.setdefault(algorithm, digest) != digest:
            raise InvalidHeader("Content-Digest and Repr-Digest contradict each other.")
    return found


def of_piece(headers: Headers, *, own: str | None = None) -> dict[str, bytes]:
    """Those of a body that goes on with an upload: see `of_content`.

    A digest of the whole belongs to the request that began it.
    """
    if "repr-digest" in headers:
        raise InvalidHeader(
            "Repr-Digest is of the whole file: send it when the upload begins, and Content-Digest"
            " with a piece."
        )
    return of_content(headers, own=own)


def of_content(headers: Headers, *, own: str | None = None) -> dict[str, bytes]:
    """The digests of one message's content, by `hashlib` name: Content-Digest and Content-MD5.

    ``own`` is a field that the caller checks by itself. Raises `DigestUnsupported`, and
    `InvalidHeader`: also for digests that nobody would look at, since whoever sends one relies on
    its being checked.
    """
    for name in headers:
        if name != own and _unchecked(name):
            raise InvalidHeader(f"{name} is not checked here; {_INSTEAD}")
    for name in _NAMES.findall((combined(headers, "Trailer") or "").lower()):
        if name in CHECKED or _unchecked(name):
            raise InvalidHeader(f"{name} is not read behind a body; {_INSTEAD}")
    if CHECKED.isdisjoint(headers):
        return {}
    found = announced_by(headers, "Content-Digest")
    md5 = single(headers, "Content-MD5")
    if md5 is not None:
        found["md5"] = decode("Content-MD5", md5, 16)
    return found


def announced_by(headers: Headers, name: str) -> dict[str, bytes]:
    """The digests in one digest field, by `hashlib` name; none without it.

    Raises `InvalidHeader` and `DigestUnsupported`.
    """
    value = combined(headers, name)
    if value is None:
        return {}
    members = structured.dictionary(value)
    if members is None:
        raise InvalidHeader(f"{name} has to look like sha-256=:<base64>: (RFC 9530).")
    known = {
        algorithm: decode(name, members[key][1:-1] if members[key][0] == ":" else "", size)
        for key, (algorithm, size) in ALGORITHMS.items()
        if key in members
    }
    if not known:
        raise DigestUnsupported(
            f"{name} names no algorithm that is known here; use {' or '.join(ALGORITHMS)}."
        )
    return known


def wanted(headers: Headers) -> Mapping[str, str]:
    """The known algorithms that ``Want-Repr-Digest`` asks for, the most wanted first.

    Of each its name in the field, and in `hashlib`. Without the header, or with one that cannot be
    read: SHA-256. An algorithm with a preference of 0 is not wanted (section 4).
    """
    value = combined(headers, WANTED)
    members = None if value is None else structured.dictionary(value)
    if members is None:
        return _UNLESS_ASKED
    preferences = {name: structured.as_integer(members.get(name, "")) or 0 for name in ALGORITHMS}
    asked = [name for name in ALGORITHMS if 0 < preferences[name] <= MOST_WANTED]
    asked.sort(key=lambda name: -preferences[name])
    return {name: ALGORITHMS[name][0] for name in asked}


def described(headers: Headers, info: FileInfo) -> dict[str, str]:
    """``Repr-Digest`` of a stored file, where it is known and the request wants it."""
    if info.sha256 is None or "sha-256" not in wanted(headers):
        return {}
    return {"repr-digest": render({"sha-256": info.sha256})}


def render(digests: Mapping[str, bytes]) -> str:
    """Render a digest field; the keys are those of `ALGORITHMS`."""
    return ", ".join(
        f"{name}=:{base64.b64encode(digest).decode()}:" for name, digest in digests.items()
    )


@lru_cache(256)
def _unchecked(name: str) -> bool:
    if name in CHECKED or name.startswith(_NO_DIGESTS):
        return False
    return name in UNCHECKED or _CALLED_SO.search(name) is not None


def decode(name: str, value: str, size: int) -> bytes:
    """A digest of ``size`` bytes in base64; ``name`` is its header. Raises `InvalidHeader`."""
    try:
        digest = base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        digest = b""
    if len(digest) != size:
        raise InvalidHeader(f"{name} has to hold {size} bytes in base64.")
    return digest
