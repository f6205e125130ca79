"""What can be said on the command line. Nothing is imported for it but `argparse`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TypeAlias

from file_uploader import __version__

SHELLS = ("bash", "zsh", "fish")

_STATUSES = "Exit status: 0 done, 1 something is wrong with what is stored, 3 it could not be done."


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
    _add_version(parser, "--version")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _add_serve(commands)
    container = _command(
        commands, "container", "print the name of the container that a token maps to", ""
    )
    container.add_argument("token", help="the UUID that the client sends as X-Auth-Token")
    usage = _command(
        commands,
        "usage",
        "count files and bytes",
        "Of one client, or of every container with the total.",
    )
    usage.add_argument(
        "token", nargs="?", help="the UUID of one client; without it, all containers"
    )
    _add_json(usage)
    sweep = _command(
        commands,
        "sweep",
        "remove what crashes left behind, and uploads that have expired",
        "The server does the same every hour. Safe beside it.",
    )
    sweep.add_argument(
        "--dry-run", action="store_true", help="only tell what would be removed, and its bytes"
    )
    _add_json(sweep)
    _add_verify(commands)
    _add_backups(commands)
    _add_migrate(commands)
    completion = _command(
        commands,
        "completion",
        "print a script that completes these commands in a shell",
        'For bash: eval "$(file-uploader completion bash)" in ~/.bashrc. The docs tell the others.',
    )
    completion.add_argument("shell", choices=SHELLS)
    return parser


# It has no public name.
_Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"  # noqa: SLF001


def _command(
    commands: _Commands, name: str, does: str, description: str
) -> argparse.ArgumentParser:
    whole = f"{does[0].upper()}{does[1:]}. {description}".strip()
    return commands.add_parser(name, help=does, description=whole, epilog=_STATUSES)


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


def _add_serve(commands: _Commands) -> None:
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
    _add_version(serve, "-v", "--version")
    gunicorn = serve.add_argument_group("gunicorn's options, which win over settings")
    gunicorn.add_argument("-w", "--workers", metavar="N", help="number of worker processes")
    gunicorn.add_argument(
        "-b", "--bind", metavar="ADDRESS", help="HOST:PORT or unix:PATH; may be there several times"
    )
    gunicorn.add_argument("--reload", action="store_true", help="restart workers when code changes")
    gunicorn.add_argument(
        "--certfile", type=Path, metavar="FILE", help="serve HTTPS, with this certificate (PEM)"
    )
    gunicorn.add_argument(
        "--keyfile", type=Path, metavar="FILE", help="the certificate's key (PEM)"
    )


def _add_version(parser: argparse.ArgumentParser, *flags: str) -> None:
    parser.add_argument(*flags, action="version", version=f"file-uploader {__version__}")


def _add_verify(commands: _Commands) -> None:
    verify = _command(
        commands,
        "verify",
        "read everything again and compare it with its digests",
        "Tells which files are not what was stored. Safe beside the server.",
    )
    verify.add_argument(
        "--rate", type=_size, metavar="SIZE", help="read at most so much a second, such as 50MiB"
    )
    verify.add_argument(
        "--state",
        type=Path,
        metavar="FILE",
        help="note there how far it has come, and go on from there if it exists",
    )
    _add_json(verify, "JSON lines: one for each finding, and the last one for the whole")
    _add_progress(verify)


def _add_backups(commands: _Commands) -> None:
    backup = _command(
        commands,
        "backup",
        "copy the embedded store, as it is at one moment, while it is served",
        "A directory that holds an older backup is brought up to date: only what is new is copied.",
    )
    backup.add_argument("directory", type=Path, help="where the backup is to be")
    restore = _command(
        commands,
        "restore",
        "put a backup back to DATA_DIR, where there is no store yet",
        "Every content is compared with its digest.",
    )
    restore.add_argument("directory", type=Path, help="where the backup is")
    for each in (backup, restore):
        _add_json(each)
        _add_progress(each)


def _add_migrate(commands: _Commands) -> None:
    migrate = _command(
        commands,
        "migrate",
        "copy all files from one store to the other",
        "What is there already is not copied again: run it again after an interruption, and once"
        " more when the server is stopped. Nothing is removed.",
    )
    migrate.add_argument(
        "to",
        choices=("to-s3", "to-disk"),
        help="from DATA_DIR to BUCKET, or from BUCKET to DATA_DIR",
    )
    _add_json(migrate)
    _add_progress(migrate)


def _add_json(parser: argparse.ArgumentParser, what: str = "JSON, for scripts") -> None:
    parser.add_argument("--json", action="store_true", help=f"print {what}")


def _add_progress(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--progress", action="store_true", help="show progress also where no terminal is"
    )


def _size(text: str) -> int:
    from file_uploader.settings import parse_size  # noqa: PLC0415 (slow to import)

    try:
        size = parse_size(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    if size == 0:
        raise argparse.ArgumentTypeError("it has to be more than nothing")
    return size
