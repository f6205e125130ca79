"""The command ``file-uploader``."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from .errors import ConfigurationError, Unauthenticated
from .http.auth import parse_token
from .model import Container
from .settings import load_settings


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command. Returns its exit status."""
    parser = argparse.ArgumentParser(
        prog="file-uploader", description="Keeps files of any size for many clients."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser(
        "serve",
        help="serve on HOST:PORT with the settings of the environment and .env",
        description="Further arguments are gunicorn's own, for example -w 1.",
        add_help=False,
    )
    container = commands.add_parser(
        "container", help="print the name of the container that a token maps to"
    )
    container.add_argument("token", help="the UUID that the client sends as X-Auth-Token")
    options, further = parser.parse_known_args(arguments)
    if options.command == "serve":
        return _serve(further)
    if further:
        parser.error(f"unknown arguments: {' '.join(further)}")
    return _print_container(options.token)


def _serve(gunicorn_arguments: Sequence[str]) -> int:
    try:
        # gunicorn reads this variable itself, when it is imported, and only takes a number.
        os.environ["WEB_CONCURRENCY"] = str(load_settings().web_concurrency)
    except ConfigurationError as error:
        print(f"file-uploader: {error}", file=sys.stderr)
        return 1
    from gunicorn.app.wsgiapp import WSGIApplication  # noqa: PLC0415 (slow to import)

    conf = "python:file_uploader.http.gunicorn_conf"
    sys.argv = ["file-uploader", "-c", conf, *gunicorn_arguments, "file_uploader.http.asgi:app"]
    WSGIApplication("%(prog)s [OPTIONS]", prog="file-uploader serve").run()
    return 0


def _print_container(token: str) -> int:
    try:
        print(Container.of(parse_token(token)).name)
    except Unauthenticated as error:
        print(f"file-uploader: {error}", file=sys.stderr)
        return 2
    return 0
