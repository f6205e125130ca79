"""``completion``: scripts for shells."""

from __future__ import annotations

import shtab

from .parser import make_parser


def completion(shell: str) -> int:
    """Print the script."""
    print(shtab.complete(make_parser(), shell))
    return 0
