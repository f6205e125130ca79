"""S3 servers to test against: moto, in this process, and a real Ceph RGW with its data in memory.

Both are context managers that give an `S3Server`. Ports and directories are their own, and
everything is stopped and removed at the end, also when the start fails half-way.
"""

from __future__ import annotations

import contextlib
import logging
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
from typing import Any
from urllib.error import URLError

import botocore.session
from botocore.config import Config
from moto.server import ThreadedMotoServer

CEPH_PROGRAMS = ("radosgw", "radosgw-admin", "ceph-mon", "ceph-osd", "ceph-mgr", "ceph")
CEPH_INSTALL = (
    "apt-get install --no-install-recommends radosgw ceph-mon ceph-osd ceph-mgr ceph-common"
)
_START_PATIENCE = 90.0
_STOP_PATIENCE = 10.0


class MissingProgramsError(RuntimeError):
    """The machine lacks what the server needs; the message says what to install."""


@dataclass(frozen=True)
class Leftovers:
    """Everything in a bucket: the keys of its objects and of its open multipart uploads."""

    objects: list[str]
    uploads: list[str]

    def __bool__(self) -> bool:
        return bool(self.objects or self.uploads)


@dataclass(frozen=True)
class S3Server:
    """Where a server listens and how to get in."""

    name: str
    endpoint: str
    access_key: str
    secret_key: str
    region: str = "us-east-1"

    def client(self) -> Any:
        """A plain blocking botocore client, independent of the code under test."""
        return botocore.session.get_session().create_client(
            "s3",
            endpoint_url=self.endpoint,
            region_name=self.region,
            aws_access_key_id=self.access_key,
            aws_secret_access_key=self.secret_key,
            config=Config(
                s3={"addressing_style": "path"},
                request_checksum_calculation="when_required",
                response_checksum_validation="when_required",
            ),
        )

    def fresh_bucket(self) -> str:
        """Make an empty bucket and return its name."""
        bucket = f"test-{uuid.uuid4().hex[:16]}"
        with contextlib.closing(self.client()) as client:
            client.create_bucket(Bucket=bucket)
        return bucket

    def buckets(self) -> list[str]:
        """The names of all buckets of this user."""
        with contextlib.closing(self.client()) as client:
            return [bucket["Name"] for bucket in client.list_buckets()["Buckets"]]

    def leftovers(self, bucket: str) -> Leftovers:
        """Everything that is in the bucket now."""
        with contextlib.closing(self.client()) as client:
            objects = [
                item["Key"]
                for page in client.get_paginator("list_objects_v2").paginate(Bucket=bucket)
                for item in page.get("Contents", ())
            ]
            uploads = [
                item["Key"]
                for page in client.get_paginator("list_multipart_uploads").paginate(Bucket=bucket)
                for item in page.get("Uploads", ())
            ]
        return Leftovers(objects, uploads)

    def forget_all(self) -> None:
        """Remove every bucket with everything in it at once, where that can be done: on moto.

        It keeps all that it was ever given in the memory of the process that runs the tests.
        """
        if self.name == "moto":
            request = urllib.request.Request(f"{self.endpoint}/moto-api/reset", method="POST")
            with urllib.request.urlopen(request, timeout=30):
                pass

    def remove_bucket(self, bucket: str) -> None:
        """Remove a bucket with everything in it."""
        with contextlib.closing(self.client()) as client:
            for upload in client.list_multipart_uploads(Bucket=bucket).get("Uploads", ()):
                client.abort_multipart_upload(
                    Bucket=bucket, Key=upload["Key"], UploadId=upload["UploadId"]
                )
            for page in client.get_paginator("list_objects_v2").paginate(Bucket=bucket):
                if keys := [{"Key": item["Key"]} for item in page.get("Contents", ())]:
                    client.delete_objects(Bucket=bucket, Delete={"Objects": keys, "Quiet": True})
            client.delete_bucket(Bucket=bucket)


@contextlib.contextmanager
def moto_server() -> Iterator[S3Server]:
    """Moto's S3 on a thread of this process; all such servers of a process share their buckets."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        yield S3Server("moto", f"http://{host}:{port}", "test", "testsecret")
    finally:
        server.stop()


def missing_ceph_programs() -> list[str]:
    """What `ceph_rgw` needs and this machine does not have."""
    return [program for program in CEPH_PROGRAMS if shutil.which(program) is None]


@contextlib.contextmanager
def ceph_rgw() -> Iterator[S3Server]:
    """A single-node Ceph with an S3 gateway on loopback, its data in memory; starts in about 15 s.

    Raises `MissingProgramsError` where Ceph is not installed.
    """
    if missing := missing_ceph_programs():
        raise MissingProgramsError(f"{', '.join(missing)} not found: {CEPH_INSTALL}")
    with (
        tempfile.TemporaryDirectory(prefix="ceph-rgw-") as directory,
        contextlib.ExitStack() as daemons,
    ):
        node = _CephNode(Path(directory), daemons)
        node.start()
        _NODES[node.endpoint] = node
        daemons.callback(_NODES.pop, node.endpoint)
        yield node.add_user("test", "testsecret")


def ceph_user_with_few_buckets(server: S3Server) -> S3Server:
    """Another user of a `ceph_rgw`, who may have two buckets."""
    node = _NODES[server.endpoint]
    return node.add_user(f"few-{uuid.uuid4().hex[:8]}", "testsecret", "--max-buckets=2")


class _CephNode:
    """One monitor, one OSD, one manager and one gateway: children in the foreground."""

    def __init__(self, directory: Path, daemons: contextlib.ExitStack) -> None:
        self._directory = directory
        self._daemons = daemons
        self._monitor_port, self._port = _free_ports(2)
        self._fsid = str(uuid.uuid4())
        self._config = directory / "ceph.conf"
        self._log = directory / "output.log"
        self._running: dict[tuple[str, ...], subprocess.Popen[bytes]] = {}

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def start(self) -> None:
        for name in ("mon", "osd", "mgr", "rgw", "run", "log"):
            (self._directory / name).mkdir()
        self._config.write_text(self._settings())
        monitor_map = str(self._directory / "monmap")
        address = f"v1:127.0.0.1:{self._monitor_port}"
        self._run(
            "monmaptool", "--create", "--addv", "a", address, "--fsid", self._fsid, monitor_map
        )
        self._run("ceph-mon", "--mkfs", "-i", "a", "--monmap", monitor_map)
        self._daemon("ceph-mon", "-i", "a")
        osd = str(uuid.uuid4())
        self._run_when_ready("ceph", "osd", "new", osd)
        self._run("ceph-osd", "-i", "0", "--mkfs", "--osd-uuid", osd)
        self._daemon("ceph-osd", "-i", "0")
        self._daemon("ceph-mgr", "-i", "x")
        self._daemon("radosgw", "-n", "client.rgw")
        self._wait_for_gateway()

    def add_user(self, access_key: str, secret_key: str, *more: str) -> S3Server:
        self._run(
            *(
                "radosgw-admin",
                "user",
                "create",
                f"--uid={access_key}",
                f"--display-name={access_key}",
            ),
            *(f"--access-key={access_key}", f"--secret-key={secret_key}", *more),
        )
        return S3Server("ceph", self.endpoint, access_key, secret_key)

    def _settings(self) -> str:
        at = self._directory
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
[client.rgw]
rgw frontends = beast endpoint=127.0.0.1:{self._port}
rgw data = {at}/rgw
rgw gc obj min wait = 1
rgw gc processor period = 5
rgw gc processor max time = 5
"""

    def _run(self, *command: str) -> None:
        done = subprocess.run(
            [command[0], "--conf", str(self._config), *command[1:]]
            if command[0] != "monmaptool"
            else command,
            capture_output=True,
            text=True,
            timeout=_START_PATIENCE,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"{command[0]} failed: {done.stdout}{done.stderr}")

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
        self._daemons.callback(_stop, process)
        return process

    def _wait_for_gateway(self) -> None:
        deadline = time.monotonic() + _START_PATIENCE
        while time.monotonic() < deadline:
            with (
                contextlib.suppress(URLError, OSError),
                urllib.request.urlopen(self.endpoint, timeout=5),
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


_NODES: dict[str, _CephNode] = {}
"""Those that run, by endpoint."""


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(_STOP_PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


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
