"""The service as its users run it: a real gunicorn with real workers, on a port of its own."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from tests.support import logs
from tests.support.s3_servers import Leftovers, S3Server, admin_of

ROOT = Path(__file__).parents[2]
APP = "app:app"
_START_PATIENCE = 20.0
_STOP_PATIENCE = 60.0


class Backend(Protocol):
    """Where the service under test keeps its files, and what can be seen there from outside."""

    @property
    def name(self) -> str:
        """Which store it is."""
        ...

    @property
    def settings(self) -> Mapping[str, str]:
        """The environment that selects it."""
        ...

    def leftovers(self) -> list[str]:
        """What it holds: blob files or objects, and open multipart uploads."""
        ...

    def contents(self) -> Iterator[bytes]:
        """Everything that it holds: each name, what is told of it, and its bytes."""
        ...


@dataclass(frozen=True)
class LocalBackend:
    """The embedded store in a directory."""

    directory: Path
    name: str = "local"

    @property
    def settings(self) -> Mapping[str, str]:
        return {"DATA_DIR": str(self.directory), "BUCKET": ""}

    def leftovers(self) -> list[str]:
        blobs = self.directory / "blobs"
        return sorted(str(path) for path in blobs.rglob("*") if path.is_file())

    def contents(self) -> Iterator[bytes]:
        for path in self.directory.rglob("*"):
            yield str(path).encode()
            if path.is_file():
                yield path.read_bytes()


@dataclass(frozen=True)
class S3Backend:
    """A bucket of a real S3 server."""

    server: S3Server
    bucket: str

    @property
    def name(self) -> str:
        return self.server.name

    @property
    def settings(self) -> Mapping[str, str]:
        return {
            "BUCKET": self.bucket,
            "AWS_ACCESS_KEY_ID": self.server.access_key,
            "AWS_SECRET_ACCESS_KEY": self.server.secret_key,
            "AWS_ENDPOINT_URL_S3": self.server.endpoint,
            "AWS_REGION": self.server.region,
        }

    def leftovers(self) -> list[str]:
        left: Leftovers = self.server.leftovers(self.bucket)
        return [*left.objects, *(f"multipart upload of {key}" for key in left.uploads)]

    def contents(self) -> Iterator[bytes]:
        for key in self.server.leftovers(self.bucket).objects:
            answer = admin_of(self.server).get_object(Bucket=self.bucket, Key=key)
            yield repr((key, answer["ResponseMetadata"], answer["Metadata"])).encode()
            yield answer["Body"].read()


@dataclass
class Service:
    """A running gunicorn, and one client of it.

    What is in its log before ``log_start``, in bytes, is of others.
    """

    port: int
    process: subprocess.Popen[bytes]
    backend: Backend
    log: Path
    worker_count: int = 1
    token: str = field(default_factory=lambda: str(uuid.uuid4()))
    log_start: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def files(self) -> str:
        return f"{self.url}/api/files"

    def said(self) -> str:
        """What the log says from ``log_start`` on."""
        with self.log.open("rb") as log:
            log.seek(self.log_start)
            return log.read().decode(errors="replace")

    def workers(self) -> list[int]:
        """The process ids of the workers that run now; none once the master has ended."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        try:
            return [int(pid) for pid in children.read_text().split()]
        except FileNotFoundError:
            return []

    def kill(self) -> None:
        """Kill all of it at once, as a power cut would: the master first, so none is restarted."""
        pids = [self.process.pid, *self.workers()]
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait()
        while any(_alive(pid) for pid in pids):
            time.sleep(0.005)

    def stop(self, patience: float = _STOP_PATIENCE) -> int:
        """Stop it as a supervisor would, and return its exit status."""
        self.process.terminate()
        return self.process.wait(patience)

    def pss(self) -> int:
        """Memory of all its processes in bytes, shared pages counted once."""
        return sum(pss_of(pid) for pid in [self.process.pid, *self.workers()])

    def anonymous(self) -> int:
        """The part of `pss` that is mapped from no file."""
        return sum(pss_of(pid, "Pss_Anon") for pid in [self.process.pid, *self.workers()])

    def peak_memory(self) -> contextlib.AbstractContextManager[PeakMemory]:
        """Watch `pss` in a thread."""
        return peak_of(self.pss)


@dataclass
class PeakMemory:
    """The highest amount seen so far, in bytes."""

    bytes: int


@contextlib.contextmanager
def peak_of(memory: Callable[[], int]) -> Iterator[PeakMemory]:
    """Look at an amount of memory, in bytes, all the time, in a thread."""
    peak = PeakMemory(memory())
    done = threading.Event()

    def watch() -> None:
        while not done.wait(0.05):
            peak.bytes = max(peak.bytes, memory())

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield peak
    finally:
        done.set()
        watcher.join()


@contextlib.contextmanager
def service(
    backend: Backend,
    log: Path,
    *,
    workers: int = 1,
    settings: Mapping[str, str] | None = None,
    port: int | None = None,
    under: Sequence[str] = (),
    app: str = APP,
    besides: Sequence[int] = (),
) -> Iterator[Service]:
    """Start the service and wait until it answers; stop it at the end if it still runs."""
    running = start(
        backend,
        log,
        workers=workers,
        settings=settings,
        port=port,
        under=under,
        app=app,
        besides=besides,
    )
    try:
        wait_ready(running)
        yield running
    finally:
        if running.process.poll() is None:
            try:
                running.stop()
            except subprocess.TimeoutExpired:
                running.kill()
                raise


def start(
    backend: Backend,
    log: Path,
    *,
    workers: int = 1,
    settings: Mapping[str, str] | None = None,
    port: int | None = None,
    tree: Path = ROOT,
    under: Sequence[str] = (),
    app: str = APP,
    besides: Sequence[int] = (),
) -> Service:
    """Start the service that is in ``tree`` without waiting for it.

    Its output is appended to ``log``. ``under`` is a command that becomes it, such as one that sets
    limits; ``app`` is what gunicorn serves, also at the ports ``besides``.
    """
    port = port or free_port()
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": os.environ.get("HOME", "/"),
        # Not --pythonpath, which gunicorn heeds only after it has read its configuration.
        "PYTHONPATH": str(tree),
        **backend.settings,
        **(settings or {}),
    }
    logs.watch(log, environment)
    with log.open("ab") as output:
        process = subprocess.Popen(
            [
                *(*under, sys.executable, "-m", "gunicorn", app),
                *("-c", str(tree / "gunicorn.conf.py")),
                *("-b", f"127.0.0.1:{port}", "-w", str(workers)),
                *(each for other in besides for each in ("-b", f"127.0.0.1:{other}")),
            ],
            # Not the checkout: a developer's .env is none of the tests' business.
            cwd=log.parent,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    return Service(port, process, backend, log, workers)


def wait_ready(running: Service, patience: float = _START_PATIENCE) -> None:
    """Wait until all workers run and ``/health`` answers.

    Raises `RuntimeError` with the log if it never does.
    """
    deadline = time.monotonic() + patience
    request = b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    while time.monotonic() < deadline and running.process.poll() is None:
        with (
            contextlib.suppress(OSError),
            socket.create_connection(("127.0.0.1", running.port), timeout=5) as connection,
        ):
            connection.sendall(request)
            answered = connection.recv(64).startswith(b"HTTP/1.1 200")
            if answered and len(running.workers()) >= running.worker_count:
                return
        time.sleep(0.02)
    raise RuntimeError(f"the service did not start: {running.log.read_text()[-4000:]}")


def reserved_port() -> socket.socket:
    """A port that nobody gets by chance while this is open; who asks for it can listen there."""
    reserved = socket.socket()
    reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    reserved.bind(("127.0.0.1", 0))
    return reserved


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def pss_of(pid: int, kind: str = "Pss") -> int:
    """Memory of one process in bytes, its part of shared pages (PSS); 0 once it has ended.

    ``kind`` is the line of proc_pid_smaps(5) that says so.
    """
    try:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith(f"{kind}:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    return 0


def _alive(pid: int) -> bool:
    """Whether it may still have files open: as long as one of its threads has not ended."""
    process = Path(f"/proc/{pid}")
    try:
        ended = (process / "stat").read_text().rpartition(")")[2].split()[0] == "Z"
        return not ended or len(list((process / "task").iterdir())) > 1
    except OSError:
        return False
