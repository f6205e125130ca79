"""``container``: from a token to its container."""

from __future__ import annotations

from file_uploader.model.names import Container
from file_uploader.tokens import parse_token


def container(token: str) -> int:
    """Print the container's name. Raises `Unauthenticated`."""
    print(Container.of(parse_token(token)).name)
    return 0
