"""What can be said on the command line. Nothing is imported for it but `argparse`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from file_uploader import __version__

SHELLS = ("bash", "zsh", "fish")

_STATUSES = "Exit status: 0 done, 1 something is wrong with what is stored, 3 it could not be done."

_SETTINGS = """\
Serve until stopped, with the settings of the environment and of .env. For example:

  HOST             address to listen on (0.0.0.0)
  PORT             port to listen on (8080)
  WEB_CONCURRENCY  number of worker processes (the number of cores)
  DATA_DIR         directory to keep files in (data)
  BUCKET           bucket of S3 to keep them in instead (unset)

docs/configuration.md tells all of them.
"""

_GUNICORN = """\
`gunicorn --help` lists its other options, with its own defaults, which are not always these;
https://gunicorn.org explains them. Exit status: gunicorn's.
"""

_Argument = tuple[tuple[str, ...], dict[str, Any]]
"""What `argparse.ArgumentParser.add_argument` is told."""


def _argument(*names: str, **rest: Any) -> _Argument:
    return names, rest


def _size(text: str) -> int:
    from file_uploader.settings import parse_size  # noqa: PLC0415 (slow to import)

    try:
        size = parse_size(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    if size == 0:
        raise argparse.ArgumentTypeError("it has to be more than nothing")
    return size


def _flag(name: str, what: str) -> _Argument:
    return _argument(name, action="store_true", help=what)


def _file(name: str, what: str) -> _Argument:
    return _argument(name, type=Path, metavar="FILE", help=what)


def _version(*names: str) -> _Argument:
    return _argument(*names, action="version", version=f"file-uploader {__version__}")


_JSON = _flag("--json", "print JSON, for scripts")
_JSON_LINES = "print JSON lines: one for each finding, and the last one for the whole"
_PROGRESS = _flag("--progress", "show progress also where no terminal is")
_DIRECTION = "from DATA_DIR to BUCKET, or from BUCKET to DATA_DIR"
_RATE = "read at most so much a second, such as 50MiB"
_ADDRESS = "HOST:PORT or unix:PATH; may be there several times"

_OF_GUNICORN = (
    _argument("-w", "--workers", metavar="N", help="number of worker processes"),
    _argument("-b", "--bind", metavar="ADDRESS", help=_ADDRESS),
    _flag("--reload", "restart workers when code changes"),
    _file("--certfile", "serve HTTPS, with this certificate (PEM)"),
    _file("--keyfile", "the certificate's key (PEM)"),
)

_COMMANDS: dict[str, tuple[str, str, Sequence[_Argument]]] = {
    "container": (
        "print the name of the container that a token maps to",
        "",
        [_argument("token", help="the UUID that the client sends as X-Auth-Token")],
    ),
    "usage": (
        "count files and bytes",
        "Of one client, or of every container with the total.",
        [
            _argument(
                "token", nargs="?", help="the UUID of one client; without it, all containers"
            ),
            _JSON,
        ],
    ),
    "sweep": (
        "remove what crashes left behind, and uploads that have expired",
        "The server does the same every hour. Safe beside it.",
        [_flag("--dry-run", "only tell what would be removed, and its bytes"), _JSON],
    ),
    "verify": (
        "read everything again and compare it with its digests",
        "Tells which files are not what was stored. Safe beside the server.",
        [
            _argument("--rate", type=_size, metavar="SIZE", help=_RATE),
            _file("--state", "note there how far it has come, and go on from there if it exists"),
            _flag("--json", _JSON_LINES),
            _PROGRESS,
        ],
    ),
    "backup": (
        "copy the embedded store, as it is at one moment, while it is served",
        "A directory that holds an older backup is brought up to date: only what is new is copied.",
        [_argument("directory", type=Path, help="where the backup is to be"), _JSON, _PROGRESS],
    ),
    "restore": (
        "put a backup back to DATA_DIR, where there is no store yet",
        "Every content is compared with its digest.",
        [_argument("directory", type=Path, help="where the backup is"), _JSON, _PROGRESS],
    ),
    "migrate": (
        "copy all files from one store to the other",
        (
            "What is there already is not copied again: run it again after an interruption, and"
            " once more when the server is stopped. Nothing is removed."
        ),
        [_argument("to", choices=("to-s3", "to-disk"), help=_DIRECTION), _JSON, _PROGRESS],
    ),
    "completion": (
        "print a script that completes these commands in a shell",
        'For bash: eval "$(file-uploader completion bash)" in ~/.bashrc. The docs tell the others.',
        [_argument("shell", choices=SHELLS)],
    ),
}
"""By its name: what a command does, what else there is to know of it, and its arguments."""


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The options of a command; ends the program for wrong usage (2), ``--help``, ``--version``."""
    parser = make_parser()
    given = sys.argv[1:] if arguments is None else list(arguments)
    options, unknown = parser.parse_known_args(given)
    if options.command == "serve":
        # All of them are gunicorn's, also those that are named here.
        options.for_gunicorn = given[given.index("serve") + 1 :]
    elif unknown:
        parser.error(f"unknown arguments: {' '.join(unknown)}")
    return options


def make_parser() -> argparse.ArgumentParser:
    """The parser of all commands."""
    parser = argparse.ArgumentParser(
        prog="file-uploader",
        description="Keeps files of any size for many clients.",
        epilog="Settings come from the environment and from .env, as for the server.",
    )
    _add(parser, [_version("--version")])
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    serve = commands.add_parser(
        "serve",
        help="serve on HOST:PORT with the settings of the environment and .env",
        usage="file-uploader serve [OPTION ...]",
        description=_SETTINGS,
        epilog=_GUNICORN,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    # Both, as gunicorn has them.
    _add(serve, [_version("-v", "--version")])
    group = "gunicorn's options, which win over settings"
    _add(serve.add_argument_group(group), _OF_GUNICORN)
    for name, (does, more, takes) in _COMMANDS.items():
        whole = f"{does[0].upper()}{does[1:]}. {more}".strip()
        _add(commands.add_parser(name, help=does, description=whole, epilog=_STATUSES), takes)
    return parser


def _add(group: argparse._ActionsContainer, takes: Sequence[_Argument]) -> None:
    for names, rest in takes:
        group.add_argument(*names, **rest)
