"""Digest fields (RFC 9530) and Content-MD5 (RFC 1864)."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping

from starlette.datastructures import Headers

from file_uploader.errors import DigestUnsupported, InvalidHeader

from .headers import combined, single

ALGORITHMS = {"sha-256": ("sha256", 32), "sha-512": ("sha512", 64)}
"""The active algorithms of RFC 9530: name in `hashlib`, and length in bytes."""

_KEY = r"[a-z*][a-z0-9_.*-]*"
# Of algorithms that are not known here, any value may come.
_MEMBER = re.compile(rf"\s*({_KEY})\s*=\s*(?::([A-Za-z0-9+/=]*):|[^,:]*|:[^,:]*:)\s*(?:,|$)")
_PREFERENCE = re.compile(rf"\s*({_KEY})\s*=\s*(\d{{1,2}})\s*(?:,|$)", re.ASCII)


def announced(headers: Headers) -> dict[str, bytes]:
    """The digests that a request's body must have, by `hashlib` name.

    For a body that is stored as it comes, ``Content-Digest`` and ``Repr-Digest`` speak of the same
    bytes. Raises `InvalidHeader` and `DigestUnsupported`.
    """
    found: dict[str, bytes] = {}
    for name in ("Content-Digest", "Repr-Digest"):
        value = combined(headers, name)
        if value is None:
            continue
        members = _known_members(name, value)
        for algorithm, digest in members.items():
            if found.setdefault(algorithm, digest) != digest:
                raise InvalidHeader("Content-Digest and Repr-Digest contradict each other.")
    md5 = single(headers, "Content-MD5")
    if md5 is not None:
        found["md5"] = _decode("Content-MD5", md5, 16)
    return found


def wanted(headers: Headers) -> list[str]:
    """The names of known algorithms that ``Want-Repr-Digest`` asks for, the most wanted first.

    Without the header, or with one that cannot be read: SHA-256. An algorithm with a preference
    of 0 is not wanted (section 4).
    """
    value = combined(headers, "Want-Repr-Digest")
    if value is None:
        return ["sha-256"]
    preferences = {m[1]: int(m[2]) for m in _PREFERENCE.finditer(value) if m[1] in ALGORITHMS}
    asked = [name for name, preference in preferences.items() if preference > 0]
    return sorted(asked, key=lambda name: -preferences[name])


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
            members[algorithm] = _decode(name, match[2] or "", size)
        position = match.end()
    if not members:
        raise DigestUnsupported(
            f"{name} names no algorithm that is known here; use {' or '.join(ALGORITHMS)}."
        )
    return members


def _decode(name: str, value: str, size: int) -> bytes:
    try:
        digest = base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        digest = b""
    if len(digest) != size:
        raise InvalidHeader(f"{name} has to hold {size} bytes in base64.")
    return digest
