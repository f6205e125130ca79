"""From a token to its container: the only way to get one."""

from __future__ import annotations

from starlette.datastructures import Headers

from file_uploader.errors import Unauthenticated
from file_uploader.model.names import Container
from file_uploader.tokens import HEADER, parse_token


def authenticate(headers: Headers) -> Container:
    """The container of whoever sent these headers. Raises `Unauthenticated`."""
    values = headers.getlist(HEADER)
    if not values:
        raise Unauthenticated(f"Send {HEADER} with a UUID of your own making.")
    if len(values) > 1:
        raise Unauthenticated(f"Send {HEADER} once, not {len(values)} times.")
    return Container.of(parse_token(values[0].strip(" \t")))
