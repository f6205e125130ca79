"""Tokens, as people and programs write them."""

from __future__ import annotations

import re
from uuid import UUID

from file_uploader.errors import Unauthenticated

HEADER = "X-Auth-Token"
"""The request header that carries one."""

_CANONICAL = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_PLACEHOLDERS = frozenset({UUID(int=0), UUID(int=2**128 - 1)})


def parse_token(text: str) -> UUID:
    """Read a token: a UUID in its canonical form, any case, any version.

    Raises `Unauthenticated`, also for the nil and the max UUID (RFC 9562, 5.9 and 5.10): they are
    placeholders that strangers would share.
    """
    if not _CANONICAL.fullmatch(text):
        raise Unauthenticated(
            f"{HEADER} has to be a UUID of your own making in the form"
            " xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx, for example from `uuidgen`."
        )
    token = UUID(text)
    if token in _PLACEHOLDERS:
        raise Unauthenticated(
            f"{HEADER} may not be the nil or the max UUID; make a random one, for example with"
            " `uuidgen`."
        )
    return token
