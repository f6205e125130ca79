"""Clients without a server: of a bucket, each with one of its own, and of the disk."""

from __future__ import annotations

import contextlib
import functools
import os
from collections.abc import Iterator
from pathlib import Path

from bench.clients.direct import started
from bench.peers import Peer, directory
from bench.programs import needed
from tests.support.s3_servers import S3Server


@contextlib.contextmanager
def of_directory(at: Path) -> Iterator[Peer]:
    """Write and read files below a directory."""
    files = directory.made(at)
    with started("disk", str(files), {}) as client:
        clean = functools.partial(directory.clean, files)
        yield Peer((client.process.pid,), client, clean=clean)


@contextlib.contextmanager
def of_bucket(module: str, at: Path, server: S3Server) -> Iterator[Peer]:
    """One of ``bench.direct`` with a bucket of its own."""
    bucket = server.fresh_bucket()
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(at),
        "AWS_DEFAULT_REGION": server.region,
        "AWS_ENDPOINT_URL_S3": server.endpoint,
        "AWS_ACCESS_KEY_ID": server.access_key,
        "AWS_SECRET_ACCESS_KEY": server.secret_key,
        # Ceph 16 does not know the checksums that newer SDKs add by default.
        "AWS_REQUEST_CHECKSUM_CALCULATION": "when_required",
        "AWS_RESPONSE_CHECKSUM_VALIDATION": "when_required",
    }
    with started(module, bucket, environment) as client:
        clean = functools.partial(server.empty_bucket, bucket)
        yield Peer((client.process.pid,), client, clean=clean)


@contextlib.contextmanager
def aws(at: Path, server: S3Server) -> Iterator[Peer]:
    """The command line, where it is installed."""
    needed("aws", "apt-get install awscli")
    with of_bucket("aws", at, server) as peer:
        yield peer
