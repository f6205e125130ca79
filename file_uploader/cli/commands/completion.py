"""``completion``: scripts for shells."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path

import shtab

from file_uploader.cli.parser import make_parser


async def completion(options: Namespace) -> int:
    """Print the script."""
    parser = make_parser()
    _complete_paths(parser)
    print(shtab.complete(parser, options.shell))
    return 0


def _complete_paths(parser: ArgumentParser) -> None:
    """Have paths completed where a path is wanted, as `shtab` wants to be told."""
    for action in parser._actions:  # noqa: SLF001 (there is no other way to them)
        if action.type is Path:
            vars(action)["complete"] = shtab.FILE
        elif isinstance(action.choices, dict):
            for each in action.choices.values():
                _complete_paths(each)
