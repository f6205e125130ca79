"""``container``: from a token to its container."""

from __future__ import annotations

from argparse import Namespace

from file_uploader.model.names import Container
from file_uploader.tokens import parse_token


async def container(options: Namespace) -> int:
    """Print the container's name. Raises `Unauthenticated`."""
    print(Container.of(parse_token(options.token)).name)
    return 0
