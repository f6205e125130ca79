"""What a new user has: a fresh clone, a shell without our environment, curl."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from file_uploader.settings import Settings

ROOT = Path(__file__).parents[2]
PORT = 8080
"""The port of the promised commands; it cannot be another."""

_NOT_THEIRS = ("AWS_", "GUNICORN_", "HYPOTHESIS_", "MAKE", "PYTEST_", "PYTHON", "VIRTUAL_ENV")
_STOP_PATIENCE = 50.0


def clone(target: Path) -> Path:
    """A fresh clone of the repository, with what is not committed yet on top of it."""
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(target)], check=True)
    for name in _git_names("--cached", "--others", "--exclude-standard"):
        source, copy = ROOT / name, target / name
        if source.is_file():
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, copy)
        else:
            copy.unlink(missing_ok=True)
    return target


def _git_names(*arguments: str) -> list[str]:
    listed = subprocess.run(
        ["git", "ls-files", "-z", *arguments], cwd=ROOT, check=True, capture_output=True
    )
    return [name for name in listed.stdout.decode().split("\0") if name]


def user_environment(first_in_path: Path | None = None) -> dict[str, str]:
    """This process's environment without what a user of a fresh machine does not have."""
    ours = {*(name.upper() for name in Settings.model_fields), "ARGS", "MFLAGS", "CI"}
    kept = {
        name: value
        for name, value in os.environ.items()
        if name not in ours and not name.startswith(_NOT_THEIRS)
    }
    directories = os.environ["PATH"].split(os.pathsep)
    if sys.prefix != sys.base_prefix:
        own = Path(sys.prefix, "bin")
        directories = [one for one in directories if Path(one) != own]
    if first_in_path is not None:
        directories.insert(0, str(first_in_path))
    return {**kept, "PATH": os.pathsep.join(directories)}


def without(environment: dict[str, str], program: str, scratch: Path) -> dict[str, str]:
    """This environment on a machine that lacks the program: links to all else in its directories.

    ``scratch`` is an empty directory for the links.
    """
    directories = []
    for number, one in enumerate(environment["PATH"].split(os.pathsep)):
        if not (Path(one) / program).exists():
            directories.append(one)
            continue
        links = scratch / str(number)
        links.mkdir()
        for path in Path(one).iterdir():
            if path.name != program:
                (links / path.name).symlink_to(path)
        directories.append(str(links))
    return {**environment, "PATH": os.pathsep.join(directories)}


def shell(
    command: str, directory: Path, environment: dict[str, str], *, check: bool = True
) -> subprocess.CompletedProcess[str]:
    """Run a line as a user types it; with ``check``, it has to succeed."""
    done = subprocess.run(
        ["bash", "-c", command],
        cwd=directory,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if check and done.returncode:
        raise AssertionError(f"{command}: {done.returncode}\n{done.stdout}{done.stderr}"[-8000:])
    return done


@contextlib.contextmanager
def serving(
    command: str,
    directory: Path,
    environment: dict[str, str],
    *,
    port: int = PORT,
    patience: float = 300,
) -> Iterator[None]:
    """Run a line that serves until Ctrl-C; it has ended, with all it started, afterwards."""
    if is_taken(port):
        raise AssertionError(f"port {port} is taken: end what listens there and try again")
    log = directory.parent / "serving.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            ["bash", "-c", command],
            cwd=directory,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            # A group of its own: a terminal's Ctrl-C goes to the whole group.
            start_new_session=True,
        )
    try:
        deadline = time.monotonic() + patience
        while curl(f"http://localhost:{port}/health").status != 200:
            if process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"{command}: does not serve\n{log.read_text()[-8000:]}")
            time.sleep(0.2)
        yield
    finally:
        _end_group(process)
    assert not is_taken(port), f"{command}: still listens after Ctrl-C"


def _end_group(process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _STOP_PATIENCE
    for number in (signal.SIGINT, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        while time.monotonic() < deadline:
            process.poll()
            try:
                os.killpg(process.pid, 0)
            except ProcessLookupError:
                return
            time.sleep(0.05)
        deadline = time.monotonic() + _STOP_PATIENCE
    raise AssertionError("does not end")


def is_taken(port: int) -> bool:
    """Whether anything listens on the port."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("0.0.0.0", port))
        except OSError:
            return True
    return False


@dataclass(frozen=True)
class Answer:
    """What curl got; status 0 where there was no answer."""

    status: int
    content_type: str
    body: bytes


def curl(*arguments: str) -> Answer:
    """Call curl with these arguments."""
    written = "\n%{http_code} %{content_type}"
    done = subprocess.run(
        ["curl", "--silent", "--max-time", "60", "--write-out", written, *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
    )
    body, _, last = done.stdout.rpartition(b"\n")
    status, _, content_type = last.decode().partition(" ")
    return Answer(int(status), content_type, body)
