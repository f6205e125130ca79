"""copyparty, where everybody may read and write; no thumbnails, no index."""

from __future__ import annotations

import contextlib
import functools
import os
from collections.abc import Iterator
from pathlib import Path

from bench.clients.http import Http
from bench.peers import WORKERS, Peer, directory
from bench.programs import needed, running, said
from tests.support.service import free_port


@contextlib.contextmanager
def start(at: Path) -> Iterator[Peer]:
    """Serve a directory."""
    program = needed("copyparty", "pip install copyparty")
    port = free_port()
    files = directory.made(at)
    command = [
        *(program, "-q", "-i", "127.0.0.1", "-p", str(port), "-v", f"{files}::rwd"),
        *(
            "--no-thumb",
            "--no-robots",
            "-j",
            str(WORKERS),
            "-nc",
            "4096",
            "--no-crt",
            "--http-only",
        ),
    ]
    environment = {"PATH": os.environ["PATH"], "HOME": str(at)}
    with running(command, at, port, environment) as pid:
        url = f"http://127.0.0.1:{port}"
        listing = directory.listing(files, url, "?ls")
        clean = functools.partial(directory.clean, files)
        yield Peer((pid,), Http(url), listing=listing, clean=clean)


def version() -> str:
    """That of copyparty."""
    return said("copyparty", "--version")
