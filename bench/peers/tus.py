"""``@tus/server`` on Node.js, with its file store and with its S3 store."""

from __future__ import annotations

import contextlib
import functools
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from bench.clients.tus import Tus
from bench.peers import Peer, directory
from bench.programs import UnavailableError, needed, running, said
from tests.support.s3_servers import S3Server
from tests.support.service import ROOT, free_port

NAME = "@tus/server"
_NODE = ROOT / "bench" / "node"


@contextlib.contextmanager
def in_directory(at: Path) -> Iterator[Peer]:
    """Keep uploads in a directory."""
    files = directory.made(at)
    with _serving(at, {"DIRECTORY": str(files)}) as (pid, tus):
        yield Peer((pid,), tus=tus, clean=functools.partial(directory.clean, files))


@contextlib.contextmanager
def in_bucket(at: Path, server: S3Server) -> Iterator[Peer]:
    """Keep uploads in a bucket of its own."""
    bucket = server.fresh_bucket()
    settings = {
        "BUCKET": bucket,
        "AWS_REGION": server.region,
        "AWS_ENDPOINT_URL_S3": server.endpoint,
        "AWS_ACCESS_KEY_ID": server.access_key,
        "AWS_SECRET_ACCESS_KEY": server.secret_key,
    }
    with _serving(at, settings) as (pid, tus):
        yield Peer((pid,), tus=tus, clean=functools.partial(server.empty_bucket, bucket))


@contextlib.contextmanager
def _serving(at: Path, settings: Mapping[str, str]) -> Iterator[tuple[int, Tus]]:
    program = needed("node", "apt-get install nodejs npm")
    if not (_NODE / "node_modules").exists():
        raise UnavailableError("its packages are missing: npm --prefix bench/node ci")
    port = free_port()
    environment = {"PATH": os.environ["PATH"], "PORT": str(port), **settings}
    with running([program, str(_NODE / "server.mjs")], at, port, environment) as pid:
        yield pid, Tus(f"http://127.0.0.1:{port}/uploads")


def file_version() -> str:
    """Those of the server, its file store and Node.js."""
    return _version("@tus/file-store")


def s3_version() -> str:
    """Those of the server, its S3 store and Node.js."""
    return _version("@tus/s3-store")


def _version(store: str) -> str:
    server, kept = (
        json.loads((_NODE / "node_modules" / name / "package.json").read_text())["version"]
        for name in (NAME, store)
    )
    return f"{server}, {store} {kept}, Node.js {said('node', '--version')}"
