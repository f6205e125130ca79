"""How a command is run: to a status, whatever ends it."""
# ruff: noqa: PLC0415 - each command imports what it alone needs

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import signal
import sys
from collections.abc import Coroutine
from typing import Any

from file_uploader.errors import FileUploaderError, Unauthenticated
from file_uploader.storage.passes import explained

USAGE = 2
FAILED = 3
_BY_SIGNAL = 128


def run(options: argparse.Namespace) -> int:
    """Run any command but ``serve``. Returns its exit status; an error is one line."""
    handler = logging.StreamHandler()
    handler.setFormatter(_OneLine())
    log = logging.getLogger("file_uploader")
    log.addHandler(handler)
    log.setLevel(logging.ERROR)  # What is worth a warning of a server's, a command says in the end.
    try:
        status = asyncio.run(_until_signalled(_work(options)))
        sys.stdout.flush()
    except Unauthenticated as error:
        return _failed(error, USAGE)
    except BrokenPipeError:
        # Nobody reads any more; nor is there to be a complaint when Python flushes at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _BY_SIGNAL + signal.SIGPIPE
    except (FileUploaderError, OSError) as error:
        return _failed(error, FAILED)
    return status


async def _work(options: argparse.Namespace) -> int:
    match options.command:
        case "container":
            from .commands.container import container as command
        case "usage":
            from .commands.usage import usage as command
        case "sweep":
            from .commands.sweep import sweep as command
        case "verify":
            from .commands.verify import verify as command
        case "backup":
            from .commands.backup import backup as command
        case "restore":
            from .commands.backup import restore as command
        case "migrate":
            from .commands.migrate import migrate as command
        case _:
            from .commands.completion import completion as command
    return await command(options)


async def _until_signalled(work: Coroutine[Any, Any, int]) -> int:
    """Do the work; SIGINT and SIGTERM cancel it, which undoes what is half done.

    A second one ends the program at once.
    """
    loop = asyncio.get_running_loop()
    task = asyncio.ensure_future(work)
    received: list[int] = []

    def stop(number: int) -> None:
        received.append(number)
        task.cancel()
        for each in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(each)
            signal.signal(each, signal.SIG_DFL)

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop, number)
    try:
        return await task
    except asyncio.CancelledError:
        if not received:
            raise
        return _BY_SIGNAL + received[0]


def _failed(error: Exception, status: int) -> int:
    print(f"file-uploader: {explained(error)}", file=sys.stderr)
    return status


class _OneLine(logging.Formatter):
    """What the package logs, without the traceback: for who runs a command."""

    def format(self, record: logging.LogRecord) -> str:
        return f"file-uploader: {record.getMessage()}"
