"""Names of containers and files, and what no store and no client can be asked to take."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from file_uploader.errors import InvalidName

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
