"""``rclone serve webdav``, of a directory and of an S3 bucket."""

from __future__ import annotations

import contextlib
import functools
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from bench.clients.http import Http
from bench.peers import Listing, Peer, directory
from bench.programs import needed, running, said
from tests.support.s3_servers import S3Server
from tests.support.service import free_port


@contextlib.contextmanager
def of_directory(at: Path) -> Iterator[Peer]:
    """Serve a directory."""
    files = directory.made(at)
    with _serving(str(files), at, {}) as (pid, url):
        client = Http(url)
        fill = directory.listing(files, url)

        def listing(count: int) -> Listing:
            """It keeps lists for minutes, so a new folder has to be made through it."""
            client.request("MKCOL", [f"list-{count}"])
            return fill(count)

        clean = functools.partial(directory.clean, files)
        yield Peer((pid,), client, listing=listing, clean=clean)


@contextlib.contextmanager
def of_bucket(at: Path, server: S3Server) -> Iterator[Peer]:
    """Serve a bucket of its own."""
    bucket = server.fresh_bucket()
    remote = {
        "TYPE": "s3",
        "PROVIDER": "Ceph",
        "ENDPOINT": server.endpoint,
        "ACCESS_KEY_ID": server.access_key,
        "SECRET_ACCESS_KEY": server.secret_key,
    }
    settings = {f"RCLONE_CONFIG_BENCH_{key}": value for key, value in remote.items()}
    with _serving(f"bench:{bucket}", at, settings) as (pid, url):
        yield Peer((pid,), Http(url), clean=functools.partial(server.empty_bucket, bucket))


def version() -> str:
    """That of rclone."""
    return said("rclone", "version")


@contextlib.contextmanager
def _serving(source: str, at: Path, settings: Mapping[str, str]) -> Iterator[tuple[int, str]]:
    program = needed("rclone", "apt-get install rclone")
    address = f"127.0.0.1:{(port := free_port())}"
    command = [program, "serve", "webdav", source, "--addr", address, "--log-level", "ERROR"]
    environment = {"PATH": os.environ["PATH"], "HOME": str(at), **settings}
    with running(command, at, port, environment) as pid:
        yield pid, f"http://{address}"
