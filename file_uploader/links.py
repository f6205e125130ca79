"""Signed links: one file for whoever has the link, for a while, without a token.

A link is ``<version>.<fields>.<mac>``, with the file's name beside it. Nothing is kept of it: the
fields say all that it admits, and the MAC (HMAC-SHA256) that one of our keys has signed them, with
the version and the name. What is signed is the text of the link itself, of which the part before
the name has a fixed length: so there is one way to read it, and one way to write each link.

The container is in the fields by its name, which is a one-way hash of the token.
"""

from __future__ import annotations

import base64
import hmac
import re
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from file_uploader.model.names import Container, FileName
from file_uploader.storage.base import Storage

from .errors import InvalidLink

VERSION = "1"

MAX_SIZE = 2**63 - 1
"""The largest limit in bytes that a link can hold."""

_PURPOSE = b"file-uploader link\0"
"""So that a secret that is used elsewhere too signs no link there."""

_FIELDS = struct.Struct(">BB16sQQ")
"""Method, flags, container, expiry in seconds since the epoch, limit in bytes."""

_OVERWRITE, _LIMITED = 1, 2
_TEXT = re.compile(rf"({VERSION}\.([A-Za-z0-9_-]{{46}}))\.([A-Za-z0-9_-]{{43}})")


class LinkMethod(StrEnum):
    """What a link admits. GET includes HEAD (RFC 9110, 9.3.2)."""

    GET = "GET"
    PUT = "PUT"


_METHODS = tuple(LinkMethod)


@dataclass(frozen=True, slots=True)
class Link:
    """What somebody may do without a token.

    ``expires`` in UTC and whole seconds. For PUT: at most ``max_size`` bytes (None: any number),
    and only where there is no such file yet unless ``overwrite``.
    """

    container: Container
    name: FileName
    method: LinkMethod
    expires: datetime
    max_size: int | None = None
    overwrite: bool = False


class LinkKeys:
    """Signs with the first of some keys, and verifies with each, so that keys can be replaced."""

    def __init__(self, keys: Sequence[bytes]) -> None:
        self._keys = tuple(keys)

    def sign(self, link: Link) -> str:
        """The link's text, which goes beside its name: letters, digits, ``-``, ``_`` and dots."""
        signed = f"{VERSION}.{_encoded(_packed(link))}"
        return f"{signed}.{_mac(self._keys[0], signed, link.name)}"

    def verify(self, text: str, name: FileName, now: datetime) -> Link:
        """The link that this is for the name. Raises `InvalidLink`: it is none, or has expired."""
        match = _TEXT.fullmatch(text)
        # The text is compared, not what it decodes to: the last letter has bits that do not count.
        if match is None or not any(
            hmac.compare_digest(_mac(key, match[1], name), match[3]) for key in self._keys
        ):
            raise InvalidLink("This link is not valid; ask whoever gave it to you for a new one.")
        link = _unpacked(base64.urlsafe_b64decode(match[2] + "=="), name)
        if now >= link.expires:
            raise InvalidLink("This link has expired; ask whoever gave it to you for a new one.")
        return link


class Links:
    """The keys of one service: those that were configured, else one that the store keeps."""

    def __init__(self, storage: Storage, configured: Sequence[bytes]) -> None:
        self._storage = storage
        self._keys = LinkKeys(configured) if configured else None

    async def keys(self) -> LinkKeys:
        """The keys; the store's is fetched when it is first needed. Raises `StorageError`."""
        if self._keys is None:
            self._keys = LinkKeys([await self._storage.kept_key()])
        return self._keys


def _packed(link: Link) -> bytes:
    flags = (_OVERWRITE if link.overwrite else 0) | (0 if link.max_size is None else _LIMITED)
    return _FIELDS.pack(
        _METHODS.index(link.method),
        flags,
        bytes.fromhex(link.container.name),
        int(link.expires.timestamp()),
        link.max_size or 0,
    )


def _unpacked(fields: bytes, name: FileName) -> Link:
    """What `_packed` made; only for fields that are signed."""
    method, flags, container, expires, max_size = _FIELDS.unpack(fields)
    return Link(
        container=Container(container.hex()),
        name=name,
        method=_METHODS[method],
        expires=datetime.fromtimestamp(expires, UTC),
        max_size=max_size if flags & _LIMITED else None,
        overwrite=bool(flags & _OVERWRITE),
    )


def _mac(key: bytes, signed: str, name: FileName) -> str:
    message = _PURPOSE + f"{signed}/{name}".encode()
    return _encoded(hmac.digest(key, message, "sha256"))


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
