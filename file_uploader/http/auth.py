"""From a token to its container: the only way to get one."""

from __future__ import annotations

import re
from uuid import UUID

from starlette.datastructures import Headers

from file_uploader.errors import Unauthenticated
from file_uploader.model.values import Container

HEADER = "X-Auth-Token"

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


def authenticate(headers: Headers) -> Container:
    """The container of whoever sent these headers. Raises `Unauthenticated`."""
    values = headers.getlist(HEADER)
    if not values:
        raise Unauthenticated(f"Send {HEADER} with a UUID of your own making.")
    if len(values) > 1:
        raise Unauthenticated(f"Send {HEADER} once, not {len(values)} times.")
    return Container.of(parse_token(values[0].strip(" \t")))
