"""OpenStack Swift, all of it on this machine: tempauth, one replica, one policy.

Proxy, account, container and object server run as in its own "all in one" instructions, with what
they need in one directory: rings of one device, and memcached, where tempauth keeps its tokens.
"""

from __future__ import annotations

import contextlib
import functools
import getpass
import itertools
import os
import shutil
import sqlite3
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from bench.clients.http import Http
from bench.peers import WORKERS, Listing, Peer, nth_name
from bench.programs import needed, running, said
from tests.support.service import free_port

_INSTALL = "apt-get install swift-proxy swift-account swift-container swift-object memcached"
_PAGE = 10_000
"""Names in the longest list that Swift gives in one answer."""

_CLUSTER = """
[swift-hash]
swift_hash_path_suffix = bench
swift_hash_path_prefix = bench
[storage-policy:0]
name = only
default = yes
"""

_COMMON = """
[DEFAULT]
bind_ip = 127.0.0.1
bind_port = {port}
workers = {workers}
user = {user}
swift_dir = {directory}
log_level = ERROR
"""

_STORAGE = """
devices = {directory}/devices
mount_check = false
[pipeline:main]
pipeline = {kind}-server
[app:{kind}-server]
use = egg:swift#{kind}
"""

_PROXY = """
[pipeline:main]
pipeline = catch_errors cache tempauth proxy-server
[app:proxy-server]
use = egg:swift#proxy
account_autocreate = true
node_timeout = 60
conn_timeout = 10
[filter:catch_errors]
use = egg:swift#catch_errors
[filter:cache]
use = egg:swift#memcache
memcache_servers = 127.0.0.1:{memcached}
[filter:tempauth]
use = egg:swift#tempauth
user_bench_bench = bench .admin
"""


@contextlib.contextmanager
def start(at: Path) -> Iterator[Peer]:
    """Run all servers, and make a container."""
    program = needed("swift-proxy-server", _INSTALL)
    memcached = needed("memcached", _INSTALL)
    user = getpass.getuser()
    (at / "swift.conf").write_text(_CLUSTER)
    (at / "devices" / "only").mkdir(parents=True)
    environment = {"PATH": os.environ["PATH"], "HOME": str(at)}
    common = {"directory": at, "user": user, "workers": WORKERS}
    with contextlib.ExitStack() as servers:
        pids = []

        def run(*command: str, port: int) -> None:
            pids.append(servers.enter_context(running(command, at, port, environment)))

        cache = free_port()
        run(memcached, "-l", "127.0.0.1", "-p", str(cache), "-u", user, port=cache)
        for kind in ("account", "container", "object"):
            port = free_port()
            _make_ring(at, kind, port)
            config = at / f"{kind}-server.conf"
            config.write_text((_COMMON + _STORAGE).format(kind=kind, port=port, **common))
            run(needed(f"swift-{kind}-server", _INSTALL), str(config), port=port)
        port = free_port()
        config = at / "proxy-server.conf"
        config.write_text((_COMMON + _PROXY).format(port=port, memcached=cache, **common))
        run(program, str(config), port=port)
        account, token = _sign_in(port)
        client = Http(f"{account}/files", {"X-Auth-Token": token})
        _make_container(client)
        objects = at / "devices" / "only" / "objects"
        yield Peer(
            tuple(pids),
            client,
            listing=functools.cache(functools.partial(_fill, at, account, token)),
            # Its container goes on naming what is gone, which no load asks for.
            clean=functools.partial(shutil.rmtree, objects, ignore_errors=True),
        )


def _make_ring(at: Path, kind: str, port: int) -> None:
    builder = str(at / f"{kind}.builder")
    device = f"r1z1-127.0.0.1:{port}/only"
    for arguments in (["create", "4", "1", "1"], ["add", device, "1"], ["rebalance"]):
        command = ["swift-ring-builder", builder, *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"swift-ring-builder: {done.stdout}{done.stderr}")


def _sign_in(port: int) -> tuple[str, str]:
    """The URL of the account, and a token for it."""
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/auth/v1.0",
        headers={"X-Auth-User": "bench:bench", "X-Auth-Key": "bench"},
    )
    with urllib.request.urlopen(request) as answer:
        return answer.headers["X-Storage-Url"], answer.headers["X-Auth-Token"]


def _make_container(client: Http) -> None:
    request = urllib.request.Request(client.base, headers=dict(client.headers), method="PUT")
    with urllib.request.urlopen(request):
        pass


def _fill(at: Path, account: str, token: str, count: int) -> Listing:
    """A container whose database names files that are not there: lists ask nothing else."""
    name = f"list-{count}"
    headers = {"X-Auth-Token": token}
    url = f"{account}/{name}"
    _make_container(Http(url, headers))
    database = _database_of(at / "devices", name)
    with contextlib.closing(sqlite3.connect(database)) as connection, connection:
        # What a trigger keeps of all names, to compare replicas, of which there is one.
        connection.create_function("chexor", 3, lambda old, _name, _time: old)
        connection.executemany(
            "INSERT INTO object (name, created_at, size, content_type, etag, deleted)"
            " VALUES (?, '1700000000.00000', 1, 'text/plain', ?, 0)",
            ((nth_name(number), "0" * 32) for number in range(count)),
        )
    starts = itertools.chain([""], map(nth_name, range(_PAGE - 1, count - 1, _PAGE)))
    whole = tuple(f"{url}?marker={marker}" for marker in starts)
    return Listing(whole, f"{url}?marker={nth_name(count // 2)}&limit=1000", headers)


def _database_of(devices: Path, container: str) -> Path:
    for path in devices.glob("*/containers/**/*.db"):
        with contextlib.closing(sqlite3.connect(path)) as connection:
            if (
                connection.execute("SELECT container FROM container_info").fetchone()[0]
                == container
            ):
                return path
    raise RuntimeError(f"no database of the container {container}")


def version() -> str:
    """That of Debian's package."""
    return said("dpkg-query", "--show", "swift-proxy")
