"""nginx with its DAV module: it renames files into place, and syncs nothing."""

from __future__ import annotations

import contextlib
import functools
import os
import pwd
from collections.abc import Iterator
from pathlib import Path

from bench.clients.http import Http
from bench.peers import WORKERS, Peer, directory
from bench.programs import UnavailableError, running, said
from tests.support.nginx import nginx_program
from tests.support.service import free_port

_CONFIG = """
{user}
worker_processes {workers};
daemon off;
pid {directory}/pid;
error_log {directory}/error.log;
events {{ worker_connections 10000; }}
http {{
    access_log off;
    sendfile on;
    tcp_nopush on;
    keepalive_requests 1000000;
    client_max_body_size 0;
    client_body_temp_path {directory}/body;
    server {{
        listen 127.0.0.1:{port};
        root {directory}/files;
        dav_methods PUT DELETE;
        autoindex on;
        autoindex_format json;
    }}
}}
"""


@contextlib.contextmanager
def start(at: Path) -> Iterator[Peer]:
    """Serve a directory."""
    program = nginx_program()
    if program is None:
        raise UnavailableError("nginx is missing: apt-get install nginx-light")
    port = free_port()
    files = directory.made(at)
    # Who is not root may not choose a user, and root's workers could not write here.
    user = f"user {pwd.getpwuid(0).pw_name};" if os.geteuid() == 0 else ""
    config = at / "nginx.conf"
    config.write_text(_CONFIG.format(user=user, workers=WORKERS, directory=at, port=port))
    with running([program, "-c", str(config)], at, port) as pid:
        url = f"http://127.0.0.1:{port}"
        clean = functools.partial(directory.clean, files)
        yield Peer((pid,), Http(url), listing=directory.listing(files, url), clean=clean)


def version() -> str:
    """That of nginx."""
    return said(nginx_program() or "nginx", "-v")
