"""A real Ceph with an S3 gateway, its data in memory, on ports and in a directory of its own.

Everything is stopped and removed at the end, also when the start fails half-way.
"""

from __future__ import annotations

import contextlib
import random
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.request
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.error import URLError

from tests.support.s3_servers import S3Server

PROGRAMS = ("radosgw", "radosgw-admin", "ceph-mon", "ceph-osd", "ceph-mgr", "ceph")
INSTALL = "apt-get install --no-install-recommends radosgw ceph-mon ceph-osd ceph-mgr ceph-common"
_START_PATIENCE = 90.0
_SUBSYSTEMS = (
    *("asok", "auth", "context", "crush", "filestore", "finisher", "heartbeatmap", "journal"),
    *("lockdep", "memdb", "memstore", "mgr", "mgrc", "mon", "monc", "ms", "none", "objclass"),
    *("objecter", "optracker", "osd", "paxos", "perfcounter", "rados", "rgw", "rgw sync"),
    *("rocksdb", "throttle", "timer", "tp"),
)


class MissingProgramsError(RuntimeError):
    """The machine lacks what the server needs; the message says what to install."""


@dataclass(frozen=True)
class Ceph:
    """One that runs: where its gateway listens, and its configuration for those who administer."""

    endpoint: str
    config: Path

    def new_user(self, *options: str) -> S3Server:
        """The gateway as a user sees it who has no bucket yet."""
        name = f"test-{uuid.uuid4().hex[:8]}"
        _run(
            *("radosgw-admin", "--conf", str(self.config), "user", "create"),
            *(f"--uid={name}", f"--display-name={name}"),
            *(f"--access-key={name}", "--secret-key=testsecret", *options),
        )
        return S3Server("ceph", self.endpoint, name, "testsecret")


@contextlib.contextmanager
def ceph_rgw() -> Iterator[Ceph]:
    """A single-node Ceph on loopback; starts in about 15 s.

    Raises `MissingProgramsError` where Ceph is not installed.
    """
    if missing := [program for program in PROGRAMS if shutil.which(program) is None]:
        raise MissingProgramsError(f"{', '.join(missing)} not found: {INSTALL}")
    with (
        tempfile.TemporaryDirectory(prefix="ceph-rgw-") as directory,
        contextlib.ExitStack() as daemons,
    ):
        yield _Node(Path(directory), daemons).start()


class _Node:
    """One monitor, one OSD, one manager and one gateway: children in the foreground."""

    def __init__(self, directory: Path, daemons: contextlib.ExitStack) -> None:
        self._directory = directory
        self._daemons = daemons
        self._monitor_port, self._port = _free_ports(2)
        self._fsid = str(uuid.uuid4())
        self._config = directory / "ceph.conf"
        self._log = directory / "output.log"
        self._running: dict[tuple[str, ...], subprocess.Popen[bytes]] = {}

    def start(self) -> Ceph:
        for name in ("mon", "osd", "mgr", "rgw", "run", "log"):
            (self._directory / name).mkdir()
        self._config.write_text(self._settings())
        endpoint = f"http://127.0.0.1:{self._port}"
        monitor_map = str(self._directory / "monmap")
        _run(
            *("monmaptool", "--create", "--addv", "a", f"v1:127.0.0.1:{self._monitor_port}"),
            *("--fsid", self._fsid, monitor_map),
        )
        self._run("ceph-mon", "--mkfs", "-i", "a", "--monmap", monitor_map)
        self._daemon("ceph-mon", "-i", "a")
        osd = str(uuid.uuid4())
        self._run_when_ready("ceph", "osd", "new", osd)
        self._run("ceph-osd", "-i", "0", "--mkfs", "--osd-uuid", osd)
        self._daemon("ceph-osd", "-i", "0")
        self._daemon("ceph-mgr", "-i", "x")
        self._daemon("radosgw", "-n", "client.rgw")
        self._wait_for_gateway(endpoint)
        return Ceph(endpoint, self._config)

    def _settings(self) -> str:
        at = self._directory
        # Else each gathers what it would tell if it crashed, which is a good part of its work.
        quiet = "\n".join(f"debug {each} = 0/0" for each in _SUBSYSTEMS)
        return f"""[global]
fsid = {self._fsid}
mon host = v1:127.0.0.1:{self._monitor_port}
mon initial members = a
auth cluster required = none
auth service required = none
auth client required = none
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 8
osd crush chooseleaf type = 0
mon allow pool size one = true
mon warn on pool no redundancy = false
mon data avail crit = 1
mon data avail warn = 2
run dir = {at}/run
admin socket = {at}/run/$name.asok
log file = {at}/log/$name.log
pid file = {at}/run/$name.pid
mon data = {at}/mon
osd data = {at}/osd
mgr data = {at}/mgr
osd objectstore = memstore
memstore device bytes = 12884901888
osd enable op tracker = false
paxos propose interval = 0.05
paxos min wait = 0.01
osd mon report interval = 1
{quiet}
[client.rgw]
rgw frontends = beast endpoint=127.0.0.1:{self._port}
rgw data = {at}/rgw
rgw gc obj min wait = 1
rgw gc processor period = 5
rgw gc processor max time = 5
"""

    def _run(self, program: str, *arguments: str) -> None:
        _run(program, "--conf", str(self._config), *arguments)

    def _run_when_ready(self, *command: str) -> None:
        """Repeat what may be repeated: a monitor without a quorum yet refuses (EPERM)."""
        deadline = time.monotonic() + _START_PATIENCE
        while True:
            try:
                return self._run(*command)
            except RuntimeError:
                if time.monotonic() > deadline:
                    raise
                self._revive()
                time.sleep(0.2)

    def _daemon(self, *command: str) -> None:
        self._running[command] = self._spawn(command)

    def _spawn(self, command: tuple[str, ...]) -> subprocess.Popen[bytes]:
        # The kernel ends the daemons if this process is killed and cannot do it itself.
        with self._log.open("ab") as output:
            process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "TERM", *command, "-f", "--conf", str(self._config)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        self._daemons.callback(_kill, process)
        return process

    def _wait_for_gateway(self, endpoint: str) -> None:
        deadline = time.monotonic() + _START_PATIENCE
        while time.monotonic() < deadline:
            with (
                contextlib.suppress(URLError, OSError),
                urllib.request.urlopen(endpoint, timeout=5),
            ):
                return
            self._revive()
            time.sleep(0.2)
        raise RuntimeError(f"the gateway did not answer: {self._log.read_text()[-2000:]}")

    def _revive(self) -> None:
        """Start what has ended: an OSD gives up when it asks the monitor too early ("wrong fsid").

        The gateway in turn gives up when it has waited for the OSD for too long.
        """
        for command, process in self._running.items():
            if process.poll() is not None:
                self._running[command] = self._spawn(command)


def _kill(process: subprocess.Popen[bytes]) -> None:
    """End a daemon at once: what it has stored goes with it, and a stop can take it minutes."""
    process.kill()
    process.wait()


def _run(*command: str) -> None:
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=_START_PATIENCE, check=False
    )
    if done.returncode:
        raise RuntimeError(f"{command[0]} failed: {done.stdout}{done.stderr}")


def _free_ports(count: int) -> list[int]:
    """Free ports below those that the kernel gives to outgoing connections by itself."""
    with contextlib.ExitStack() as sockets:
        ports: list[int] = []
        while len(ports) < count:
            one = sockets.enter_context(socket.socket())
            with contextlib.suppress(OSError):
                one.bind(("127.0.0.1", random.randrange(10_000, 32_000)))
                ports.append(one.getsockname()[1])
        return ports
