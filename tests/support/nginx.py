"""Debian's nginx as a caching proxy, with everything it writes in one directory.

It keeps its connections to the service, as the documentation advises.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.support.processes import listening
from tests.support.service import free_port

_CONFIG = """
{user}
worker_processes 2;
daemon off;
pid {directory}/nginx.pid;
error_log {directory}/error.log info;
events {{ worker_connections 256; }}
http {{
    access_log {directory}/access.log;
    client_body_temp_path {directory}/client_body;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi;
    scgi_temp_path {directory}/scgi;
    client_max_body_size 0;
    proxy_http_version 1.1;
    proxy_set_header Connection "";
    proxy_set_header Host $http_host;
    upstream service {{
        server 127.0.0.1:{upstream};
        keepalive 4;
    }}
    proxy_cache_path {directory}/cache keys_zone=all:1m inactive=1h;
    proxy_cache all;
    proxy_cache_valid any 1h;
    proxy_cache_lock on;
    proxy_cache_use_stale error timeout updating http_500 http_502 http_503 http_504 http_404;
    add_header X-Cache-Status $upstream_cache_status always;
    server {{
        listen 127.0.0.1:{control};
        access_log off;
        proxy_cache off;
        return 200 $request_id;
    }}
{servers}
}}
"""

_SERVER = """
    server {{
        listen 127.0.0.1:{port};
        proxy_cache_key {key};
        {further}
        location / {{ proxy_pass http://service; }}
        location = /control {{ proxy_pass http://127.0.0.1:{control}; }}
    }}
"""


@dataclass(frozen=True)
class Cache:
    """One way to cache: what it takes to be the same request, and further directives."""

    key: str
    further: str = ""


@dataclass(frozen=True)
class Nginx:
    """A running nginx; ``ports`` by the names of the caches."""

    directory: Path
    ports: Mapping[str, int]

    @property
    def logs(self) -> bytes:
        """All that it has logged."""
        return b"".join(path.read_bytes() for path in self.directory.glob("*.log"))

    def contains(self, needle: bytes) -> bool:
        """Whether these bytes occur in anything that it wrote, the cache included."""
        return any(
            needle in path.read_bytes() for path in self.directory.rglob("*") if path.is_file()
        )


def nginx_program() -> str | None:
    """Where nginx is; None where it is not installed."""
    return shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin:/usr/local/sbin")


@contextlib.contextmanager
def nginx(
    program: str, directory: Path, upstream: int, caches: Mapping[str, Cache]
) -> Iterator[Nginx]:
    """Run nginx in front of a port of this machine, a port of its own for each cache."""
    directory.mkdir()
    control = free_port()
    ports = {name: free_port() for name in caches}
    servers = "".join(
        _SERVER.format(
            port=ports[name],
            key=cache.key,
            further=cache.further,
            control=control,
        )
        for name, cache in caches.items()
    )
    # Who is not root may not choose a user, and root's workers could not write here.
    user = f"user {pwd.getpwuid(0).pw_name};" if os.geteuid() == 0 else ""
    config = directory / "nginx.conf"
    config.write_text(
        _CONFIG.format(
            user=user, directory=directory, control=control, upstream=upstream, servers=servers
        )
    )
    command = [program, "-p", str(directory), "-e", str(directory / "error.log"), "-c", str(config)]
    with listening(command, directory / "output.log", ports.values()):
        yield Nginx(directory, ports)
