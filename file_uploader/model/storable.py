"""What may be stored: the names and metadata that HTTP, XML and S3's signatures carry unchanged.

One rule for all stores, so that every file can move from one to another. It holds for what is
written. What was stored under a wider rule is read, listed and removed as before.
"""

from __future__ import annotations

import re

from file_uploader.errors import InvalidHeader, InvalidName

from .files import CUSTOM, Metadata
from .names import FileName

MAX_CUSTOM = 1536
"""Bytes of the custom metadata, names without their prefix and values: S3 allows 2 KiB in all."""

MAX_CUSTOM_COUNT = 64
"""Some servers read a hundred headers, and each takes some bytes of those 2 KiB besides."""

MAX_STANDARD = 1536
"""Bytes of the values of all other kept headers, for the same reason."""

# XML 1.0, 2.2: `Char`. Control characters and surrogates are in no `FileName`.
_NOT_IN_XML = re.compile("[\ufffe\uffff]")

# A signature covers the words of a value, with one space between them, and nobody agrees on tabs.
_VALUE = re.compile(r"([!-~]([ -~]*[!-~])?)?")

# RFC 9110, 5.6.2: `token`, in lower case.
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9a-z-]+")

# S3 takes it for its own way to send a body, and forgets it.
_S3S_OWN_CODING = re.compile(r"(^|,)\s*aws-chunked\s*(,|$)", re.IGNORECASE)

# RFC 9110, 5.5: `field-value`.
_SENDABLE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")


def check(name: FileName | None, metadata: Metadata) -> None:
    """Raise `InvalidName` or `InvalidHeader` for what may not be stored."""
    if name is not None:
        check_name(name)
    _check_standard(metadata)
    _check_custom(metadata)


def check_name(name: FileName) -> None:
    """Raise `InvalidName` for a name that no new file may have."""
    if _NOT_IN_XML.search(name.value):
        raise InvalidName(
            "A file name holds neither U+FFFE nor U+FFFF: they are no characters, and XML, in which"
            " stores list names, cannot hold them."
        )


def is_sendable(metadata: Metadata) -> bool:
    """Whether HTTP can carry it at all: also what no new file may have."""
    values = (*metadata.standard.values(), *metadata.custom.values())
    return all(map(_SENDABLE.fullmatch, values)) and all(map(_TOKEN.fullmatch, metadata.custom))


def _check_standard(metadata: Metadata) -> None:
    standard = metadata.standard
    for name, value in standard.items():
        _check_value(name, value)
    if _S3S_OWN_CODING.search(metadata.content_encoding or ""):
        raise InvalidHeader(
            "Content-Encoding cannot be aws-chunked, which says how S3's clients send a body; send"
            " the bytes as they are, and leave it out."
        )
    if sum(map(len, standard.values())) > MAX_STANDARD:
        raise InvalidHeader(
            f"Content-Type and the other kept headers may have {MAX_STANDARD} bytes in all."
        )


def _check_custom(metadata: Metadata) -> None:
    for name, value in metadata.custom.items():
        if not _TOKEN.fullmatch(name):
            raise InvalidHeader(f"{CUSTOM} has to be followed by a name.")
        _check_value(CUSTOM + name, value)
    if len(metadata.custom) > MAX_CUSTOM_COUNT:
        raise InvalidHeader(f"There may be {MAX_CUSTOM_COUNT} headers {CUSTOM}*.")
    if sum(len(name) + len(value) for name, value in metadata.custom.items()) > MAX_CUSTOM:
        raise InvalidHeader(f"{CUSTOM}* may have {MAX_CUSTOM} bytes in all, names and values.")


def _check_value(name: str, value: str) -> None:
    if not _VALUE.fullmatch(value):
        raise InvalidHeader(
            f"{name} may hold visible ASCII and spaces within it only; encode what is not."
        )
