"""The command ``file-uploader``: a module a command, imported when it is run.

Exit statuses: 0 done, and nothing is wrong; 1 something is wrong with what is stored; 2 wrong
usage; 3 it could not be done; 128 and the signal's number where one ended it. What a command finds
out is on standard output; errors, in a line, and progress on standard error.
"""

from __future__ import annotations

from collections.abc import Sequence

from .parser import parse


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command. Returns its exit status."""
    options = parse(arguments)
    if options.command == "serve":
        from file_uploader.cli.commands.serve import serve  # noqa: PLC0415 (each imports what it alone needs)

        return serve(options.for_gunicorn)
    from .run import run  # noqa: PLC0415

    return run(options)
