"""Processes that were started here, how they begin to listen, and how they end."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

_PATIENCE = 10.0


def end(process: subprocess.Popen[bytes], patience: float) -> None:
    """End a process, gently if it takes no more than ``patience`` seconds."""
    process.terminate()
    try:
        process.wait(patience)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@contextlib.contextmanager
def listening(
    command: Sequence[str], output: Path, ports: Iterable[int]
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a server until the block ends; it begins when the server listens on all of the ports.

    What it prints is appended to ``output``. Raises `RuntimeError` with that if it does not start.
    """
    with output.open("ab") as log:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT
        )
    try:
        for port in ports:
            _wait(process, port, output)
        yield process
    finally:
        end(process, _PATIENCE)


def _wait(process: subprocess.Popen[bytes], port: int, output: Path) -> None:
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.02)
    said = output.read_text(errors="replace")
    raise RuntimeError(f"{process.args!r} does not listen on port {port}: {said}"[-4000:])
