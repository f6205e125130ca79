"""What is measured: us and the others, each set up as its own documentation recommends."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.service import ROOT, free_port

WORKERS = 2
_START_PATIENCE = 30.0
_STOP_PATIENCE = 20.0


class UnavailableError(RuntimeError):
    """A peer is not installed here; the message says how to get it."""


@dataclass(frozen=True)
class Peer:
    """A server that runs: where, and at what cost."""

    name: str
    base: str
    pid: int
    headers: Mapping[str, str] = field(default_factory=dict)
    tus: str | None = None
    """Where tus uploads are begun, if it takes them."""

    def url(self, name: str) -> str:
        """Where a file is."""
        return f"{self.base}/{name}"


@dataclass(frozen=True)
class Contender:
    """How a peer is started, and what has to be known to compare it."""

    name: str
    start: Callable[[Path], contextlib.AbstractContextManager[Peer]]
    version: Callable[[], str]
    durable: bool
    digest: bool
    """Whether it has the data on disk before it answers, and knows a SHA-256 of it."""
    private: bool
    """Whether clients are kept apart by a secret."""


def ours(directory: Path, environment: Mapping[str, str], name: str) -> Iterator[Peer]:
    """The service itself, with these settings."""
    port = free_port()
    token = str(uuid.uuid4())
    values = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT),
        "WEB_CONCURRENCY": str(WORKERS),
        "HOST": "127.0.0.1",
        "PORT": str(port),
        **environment,
    }
    command = [sys.executable, "-m", "gunicorn", "app:app", "-c", str(ROOT / "gunicorn.conf.py")]
    with running(command, directory, port, values) as pid:
        url = f"http://127.0.0.1:{port}"
        headers = {"X-Auth-Token": token}
        yield Peer(name, f"{url}/api/files", pid, headers, tus=f"{url}/api/uploads")


@contextlib.contextmanager
def embedded(directory: Path) -> Iterator[Peer]:
    """The service itself, on its embedded store."""
    yield from ours(directory, {"DATA_DIR": str(directory / "data")}, "file-uploader")


NGINX = """
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
        create_full_put_path on;
    }}
}}
"""


@contextlib.contextmanager
def nginx(directory: Path) -> Iterator[Peer]:
    """Nginx with its DAV module; files are renamed into place, and not synced."""
    needed("nginx", "apt-get install nginx-light")
    port = free_port()
    (directory / "files").mkdir()
    config = directory / "nginx.conf"
    config.write_text(NGINX.format(workers=WORKERS, directory=directory, port=port))
    directory.chmod(0o777)
    (directory / "files").chmod(0o777)
    with running(["nginx", "-c", str(config)], directory, port) as pid:
        yield Peer("nginx DAV", f"http://127.0.0.1:{port}", pid)


@contextlib.contextmanager
def rclone(directory: Path) -> Iterator[Peer]:
    """``rclone serve webdav`` of a directory."""
    needed("rclone", "apt-get install rclone")
    port = free_port()
    files = directory / "files"
    files.mkdir()
    address = f"127.0.0.1:{port}"
    command = ["rclone", "serve", "webdav", str(files), "--addr", address, "--log-level", "ERROR"]
    environment = {"PATH": os.environ["PATH"], "HOME": str(directory)}
    with running(command, directory, port, environment) as pid:
        yield Peer("rclone", f"http://{address}", pid)


@contextlib.contextmanager
def copyparty(directory: Path) -> Iterator[Peer]:
    """copyparty, everybody may read and write; no thumbnails, no index."""
    program = needed("copyparty", "pip install copyparty")
    port = free_port()
    files = directory / "files"
    files.mkdir()
    command = [
        *(program, "-q", "-i", "127.0.0.1", "-p", str(port), "-v", f"{files}::rwd"),
        *("--no-thumb", "--no-robots", "-j", str(WORKERS), "--no-crt", "--http-only"),
    ]
    environment = {"PATH": os.environ["PATH"], "HOME": str(directory)}
    with running(command, directory, port, environment) as pid:
        yield Peer("copyparty", f"http://127.0.0.1:{port}", pid)


TUS_NODE = ROOT / "bench" / "node"


@contextlib.contextmanager
def tus_node(directory: Path) -> Iterator[Peer]:
    """``@tus/server`` with its file store."""
    needed("node", "apt-get install nodejs npm")
    if not (TUS_NODE / "node_modules").exists():
        raise UnavailableError("npm --prefix bench/node ci")
    port = free_port()
    files = directory / "files"
    files.mkdir()
    command = ["node", str(TUS_NODE / "server.mjs"), str(port), str(files)]
    with running(command, directory, port) as pid:
        url = f"http://127.0.0.1:{port}/uploads"
        yield Peer("@tus/server", url, pid, tus=url)


CONTENDERS = [
    Contender(
        "file-uploader",
        embedded,
        lambda: said([sys.executable, "-c", "import file_uploader as f; print(f.__version__)"]),
        durable=True,
        digest=True,
        private=True,
    ),
    Contender(
        "nginx DAV",
        nginx,
        lambda: said(["nginx", "-v"]),
        durable=False,
        digest=False,
        private=False,
    ),
    Contender(
        "rclone",
        rclone,
        lambda: said(["rclone", "version"]),
        durable=False,
        digest=False,
        private=False,
    ),
    Contender(
        "copyparty",
        copyparty,
        lambda: said(["copyparty", "--version"]),
        durable=False,
        digest=False,
        private=False,
    ),
    Contender(
        "@tus/server",
        tus_node,
        lambda: said(["npm", "--prefix", str(TUS_NODE), "ls", "@tus/server"]),
        durable=False,
        digest=False,
        private=False,
    ),
]


def said(command: list[str]) -> str:
    """The version that a program says it has."""
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    found = re.search(r"\d+\.\d+[\w.-]*", done.stdout + done.stderr)
    return found[0] if found else "?"


def needed(program: str, how: str) -> str:
    """The path of a program. Raises `UnavailableError`."""
    path = shutil.which(program)
    if path is None:
        raise UnavailableError(f"{program} is missing: {how}")
    return path


@contextlib.contextmanager
def running(
    command: list[str], directory: Path, port: int, environment: Mapping[str, str] | None = None
) -> Iterator[int]:
    """A server process, from its first accepted connection on."""
    with (directory / "output.log").open("ab") as output:
        process = subprocess.Popen(
            command,
            cwd=directory,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        _wait(port, process, directory)
        yield process.pid
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(_STOP_PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait(port: int, process: subprocess.Popen[bytes], directory: Path) -> None:
    deadline = time.monotonic() + _START_PATIENCE
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            time.sleep(0.5)  # for its other workers
            return
        time.sleep(0.05)
    raise RuntimeError((directory / "output.log").read_text()[-2000:])
