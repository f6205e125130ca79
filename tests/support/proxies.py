"""The proxies of ``deploy/`` as they are shipped, but for addresses and the places of files."""

from __future__ import annotations

import contextlib
import os
import pwd
import re
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.support.certificates import self_signed
from tests.support.processes import listening
from tests.support.service import ROOT, free_port, pss_of

NAMES = ("nginx", "haproxy")
INSTALL = {"nginx": "apt-get install nginx-light", "haproxy": "apt-get install haproxy"}


@dataclass(frozen=True)
class Proxy:
    """One that runs: ``port`` speaks HTTP, ``tls_port`` the same with TLS."""

    name: str
    port: int
    tls_port: int
    directory: Path
    pid: int

    def pids(self) -> list[int]:
        """Its processes."""
        children = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text()
        return [self.pid, *(int(pid) for pid in children.split())]

    def memory(self) -> int:
        """What all its processes take, in bytes; shared pages counted once."""
        return sum(pss_of(pid) for pid in self.pids())

    def written(self) -> int:
        """Bytes that its processes have written to files until now."""
        counts = (Path(f"/proc/{pid}/io").read_text() for pid in self.pids())
        return sum(int(re.findall(r"^write_bytes: (\d+)", one, re.MULTILINE)[0]) for one in counts)

    def log(self) -> str:
        """All that it has said, its access log included."""
        return "".join(path.read_text() for path in sorted(self.directory.glob("*.log")))


def program(name: str) -> str | None:
    """Where the proxy's program is; None where it is not installed."""
    return shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin:/usr/local/sbin")


@contextlib.contextmanager
def proxy(
    name: str, executable: str, directory: Path, nodes: Sequence[int], *, inner: bool = False
) -> Iterator[Proxy]:
    """Run one in front of one or two ports of this machine; ``directory`` is made for it.

    ``inner``: nginx that is behind another proxy, and appends to what that tells.
    """
    directory.mkdir()
    ports = free_port(), free_port()
    _make_certificate(directory)
    if name == "nginx":
        command = _nginx(executable, directory, nodes, *ports)
        if inner:
            config = directory / "nginx.conf"
            appended = (
                r"X-Forwarded-Proto \$scheme",
                'X-Forwarded-Proto "$http_x_forwarded_proto, $scheme"',
            )
            config.write_text(_replaced(config.read_text(), appended))
    else:
        command = _haproxy(executable, directory, nodes, *ports)
    with listening(command, directory / "output.log", ports) as process:
        yield Proxy(name, *ports, directory, process.pid)


def _nginx(
    executable: str, at: Path, nodes: Sequence[int], plain: int, tls: int
) -> tuple[str, ...]:
    servers = "".join(
        f"    server 127.0.0.1:{port} max_fails=1 fail_timeout=5s;\n" for port in nodes
    )
    shipped = _replaced(
        (ROOT / "deploy/nginx/file-uploader.conf").read_text(),
        (r"( +server 10\.0\.0\.\d+:8080 max_fails=1 fail_timeout=5s;\n){2}", servers),
        (r"listen 443 ssl;", f"listen 127.0.0.1:{tls} ssl; listen 127.0.0.1:{plain};"),
        (r"/etc/ssl/files\.example\.com/fullchain\.pem", f"{at}/files.pem"),
        (r"/etc/ssl/files\.example\.com/privkey\.pem", f"{at}/files.pem"),
        (r"/var/log/nginx/file-uploader\.log", f"{at}/access.log"),
    )
    # Who is not root may not choose a user, and root's workers could not write here.
    user = f"user {pwd.getpwuid(0).pw_name};" if os.geteuid() == 0 else ""
    temporary = "".join(
        f"{kind}_temp_path {at}/{kind};\n"
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    around = (
        f"{user}\nworker_processes 2;\ndaemon off;\npid {at}/nginx.pid;\n"
        f"events {{ worker_connections 256; }}\nhttp {{\n{temporary}{shipped}\n}}\n"
    )
    (at / "nginx.conf").write_text(around)
    return executable, "-p", str(at), "-e", str(at / "error.log"), "-c", str(at / "nginx.conf")


def _haproxy(
    executable: str, at: Path, nodes: Sequence[int], plain: int, tls: int
) -> tuple[str, ...]:
    servers = "".join(f"    server node{port} 127.0.0.1:{port}\n" for port in nodes)
    bind = f"bind 127.0.0.1:{plain}\n    bind 127.0.0.1:{tls} ssl"
    shipped = _replaced(
        (ROOT / "deploy/haproxy/haproxy.cfg").read_text(),
        (r"( +server node\d 10\.0\.0\.\d+:8080\n){2}", servers),
        (r"bind :443 ssl", bind),
        (r"/etc/haproxy/files\.example\.com\.pem", f"{at}/files.pem"),
    )
    (at / "haproxy.cfg").write_text(shipped)
    return executable, "-db", "-f", str(at / "haproxy.cfg")


def _replaced(text: str, *changes: tuple[str, str]) -> str:
    for pattern, new in changes:
        text, count = re.subn(pattern, new, text)
        assert count == 1, f"{pattern} is there {count} times"
    return text


def _make_certificate(directory: Path) -> None:
    """A certificate, with its key, in ``files.pem``."""
    certificate, key = self_signed(directory)
    (directory / "files.pem").write_text(key.read_text() + certificate.read_text())
