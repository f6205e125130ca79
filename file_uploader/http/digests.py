"""Digest fields (RFC 9530) and Content-MD5 (RFC 1864)."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping

from starlette.datastructures import Headers

from file_uploader.errors import DigestUnsupported, InvalidHeader
from file_uploader.model import FileInfo

from .headers import combined, single

ALGORITHMS = {"sha-256": ("sha256", 32), "sha-512": ("sha512", 64)}
"""The active algorithms of RFC 9530: name in `hashlib`, and length in bytes."""

_FIELDS = frozenset({"content-digest", "repr-digest", "content-md5"})
_KEY = r"[a-z*][a-z0-9_.*-]*"
# Of algorithms that are not known here, any value may come. No two repetitions side by side take
# the same character: that would cost time with the third power of a value's length.
_MEMBER = re.compile(rf"\s*({_KEY})\s*=(?:\s*:([A-Za-z0-9+/=]*):\s*|[^,:]*|\s*:[^,:]*:\s*)(?:,|$)")
_PREFERENCE = re.compile(rf"\s*({_KEY})\s*=\s*(\d{{1,2}})\s*", re.ASCII)


def announced(headers: Headers) -> dict[str, bytes]:
    """The digests that a request's body must have, by `hashlib` name.

    For a body that is stored as it comes, ``Content-Digest`` and ``Repr-Digest`` speak of the same
    bytes. Raises `InvalidHeader` and `DigestUnsupported`.
    """
    if _FIELDS.isdisjoint(headers):
        return {}
    found = of_content(headers)
    for algorithm, digest in announced_by(headers, "Repr-Digest").items():
        if found.setdefault(algorithm, digest) != digest:
            raise InvalidHeader("Content-Digest and Repr-Digest contradict each other.")
    return found


def of_content(headers: Headers) -> dict[str, bytes]:
    """The digests of one message's content, by `hashlib` name: Content-Digest and Content-MD5.

    Raises `InvalidHeader` and `DigestUnsupported`.
    """
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
    return {} if value is None else _known_members(name, value)


def wanted(headers: Headers) -> list[str]:
    """The names of known algorithms that ``Want-Repr-Digest`` asks for, the most wanted first.

    Without the header, or with one that cannot be read: SHA-256. An algorithm with a preference
    of 0 is not wanted (section 4).
    """
    value = combined(headers, "Want-Repr-Digest")
    if value is None:
        return ["sha-256"]
    matches = filter(None, map(_PREFERENCE.fullmatch, value.split(",")))
    preferences = {match[1]: int(match[2]) for match in matches if match[1] in ALGORITHMS}
    asked = [name for name, preference in preferences.items() if preference > 0]
    return sorted(asked, key=lambda name: -preferences[name])


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


def _known_members(name: str, value: str) -> dict[str, bytes]:
    members: dict[str, bytes] = {}
    position = 0
    while position < len(value):
        match = _MEMBER.match(value, position)
        if match is None:
            raise InvalidHeader(f"{name} has to look like sha-256=:<base64>: (RFC 9530).")
        if match[1] in ALGORITHMS:
            algorithm, size = ALGORITHMS[match[1]]
            members[algorithm] = decode(name, match[2] or "", size)
        position = match.end()
    if not members:
        raise DigestUnsupported(
            f"{name} names no algorithm that is known here; use {' or '.join(ALGORITHMS)}."
        )
    return members


def decode(name: str, value: str, size: int) -> bytes:
    """A digest of ``size`` bytes in base64; ``name`` is its header. Raises `InvalidHeader`."""
    try:
        digest = base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        digest = b""
    if len(digest) != size:
        raise InvalidHeader(f"{name} has to hold {size} bytes in base64.")
    return digest
