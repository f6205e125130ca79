"""The service itself, on either store, with the settings that it has by default."""

from __future__ import annotations

import contextlib
import functools
import importlib.metadata
import importlib.util
import json
import platform
import urllib.request
import uuid
from collections.abc import Iterator
from pathlib import Path

import file_uploader
from bench.clients.http import Http
from bench.clients.tus import Tus
from bench.fill import add
from bench.peers import WORKERS, Listing, Peer, nth_name
from tests.support.s3_servers import S3Server
from tests.support.service import Backend, LocalBackend, S3Backend, Service, service

NAME = "file-uploader"


def version() -> str:
    """Its own version, and those of what it runs on; the C parser is optional."""
    parser = "with" if importlib.util.find_spec("gunicorn_h1c") else "without"
    gunicorn = importlib.metadata.version("gunicorn")
    return (
        f"{file_uploader.__version__}, gunicorn {gunicorn} {parser} its C parser,"
        f" Python {platform.python_version()}"
    )


@contextlib.contextmanager
def embedded(directory: Path) -> Iterator[Peer]:
    """The service on its embedded store."""
    backend = LocalBackend(directory / "data")
    with _service(backend, directory) as running:
        client = _client(running)
        fill = functools.cache(functools.partial(_fill, backend.directory, running.files))
        yield Peer((running.process.pid,), client, _tus(running), fill, lambda: _clean(client))


@contextlib.contextmanager
def on_s3(directory: Path, server: S3Server) -> Iterator[Peer]:
    """The service on S3, in a bucket of its own."""
    backend = S3Backend(server, server.fresh_bucket())
    with _service(backend, directory) as running:
        clean = functools.partial(server.empty_bucket, backend.bucket)
        yield Peer((running.process.pid,), _client(running), _tus(running), clean=clean)


def _service(backend: Backend, directory: Path) -> contextlib.AbstractContextManager[Service]:
    return service(backend, directory / "output.log", workers=WORKERS)


def _client(running: Service) -> Http:
    return Http(running.files, {"X-Auth-Token": running.token})


def _tus(running: Service) -> Tus:
    return Tus(f"{running.url}/api/uploads", {"X-Auth-Token": running.token})


def _clean(client: Http) -> None:
    request = urllib.request.Request(client.base, headers=dict(client.headers))
    with urllib.request.urlopen(request) as answer:
        client.request("DELETE", json.load(answer))


def _fill(data: Path, files: str, count: int) -> Listing:
    """The files of another client."""
    token = str(uuid.uuid4())
    add(data, token, count, 1)
    page = f"{files}?marker={nth_name(count // 2)}&limit=1000"
    return Listing((files,), page, {"X-Auth-Token": token})
