"""Containers for real, by podman as root: it takes the images, options and signals of Docker.

Two things are not as where Docker runs. The images that the Dockerfile begins with are made by
`scripts/base-images.sh`, since no registry of images can be reached. And what the build runs is in
a chroot on the machine's network, with the settings of its pip and npm, since it has to get to the
packages.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import time
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.support.checkout import ROOT, curl, shell, user_environment
from tests.support.processes import end
from tests.support.service import free_port

PROGRAMS = ("podman", "runc", "debootstrap", "iptables")
INSTALL = "apt-get install podman runc containernetworking-plugins iptables debootstrap"
IMAGE = "file_uploader:latest"
BUILD = f"docker build -t {IMAGE} . -f docker/Dockerfile"
"""As the first page of the docs has it."""

_DOCKER = """#!/bin/sh
if [ "$1" = build ]; then
    shift
    exec podman build --isolation chroot --network host --pull=never --format docker {settings} "$@"
fi
exec podman "$@"
"""


class CannotRunError(RuntimeError):
    """This machine runs no containers; the message says what it lacks."""


def environment(scratch: Path) -> dict[str, str]:
    """That of a user who has Docker: ``docker`` is in ``scratch``."""
    program = scratch / "docker"
    program.write_text(_DOCKER.format(settings=" ".join(_settings(scratch))))
    program.chmod(0o755)
    conf = str(ROOT / "scripts/containers.conf")
    return {**user_environment(scratch), "CONTAINERS_CONF": conf}


def _settings(scratch: Path) -> Iterator[str]:
    """The machine's settings of pip and npm, for podman.

    They are in the home of who builds: what is mounted where nothing is would leave its name in
    the image.
    """
    home = scratch / "home"
    pip, npm = home / ".config/pip/pip.conf", home / ".npmrc"
    pip.parent.mkdir(parents=True)
    if "PIP_NO_INDEX" in os.environ:  # What was fetched beforehand is installed.
        pip.write_text("[global]\nno-index = true\nfind-links = /mnt\n")
        npm.write_text("prefer-offline = true\ncache = /srv\n")
        yield f"--volume={os.environ['PIP_FIND_LINKS']}:/mnt:ro"
        yield f"--volume={os.environ['NPM_CONFIG_CACHE']}:/srv"
    elif (of_the_machine := Path("/etc/pip.conf")).exists():
        shutil.copy(of_the_machine, pip)
    yield f"--volume={home}:/root"


def build(directory: Path, environment: Mapping[str, str]) -> None:
    """Build the image from a checkout. Raises `CannotRunError`."""
    if os.geteuid() != 0:
        raise CannotRunError("needs root")
    if missing := [one for one in PROGRAMS if not _installed(one)]:
        raise CannotRunError(f"{', '.join(missing)} not found: {INSTALL}")
    shell(str(ROOT / "scripts/base-images.sh"), directory, dict(environment))
    shell(BUILD, directory, dict(environment))


def _installed(program: str) -> bool:
    return shutil.which(program, path=f"{os.environ['PATH']}:/usr/sbin") is not None


def podman(*arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Call podman; with ``check``, it has to succeed."""
    done = subprocess.run(
        ["podman", *arguments],
        env={**os.environ, "CONTAINERS_CONF": str(ROOT / "scripts/containers.conf")},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if check and done.returncode:
        raise AssertionError(f"podman {arguments}: {done.returncode}\n{done.stderr}"[-4000:])
    return done


@dataclass(frozen=True)
class Container:
    """One that runs, with a port of this machine for its 8080."""

    name: str
    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def wait(self) -> None:
        """Wait until the service in it answers."""
        deadline = time.monotonic() + 60
        while curl(f"{self.url}/health").status != 200:
            assert time.monotonic() < deadline, self.log()
            time.sleep(0.1)

    def is_healthy(self) -> bool:
        """What the image's own health check says."""
        return podman("healthcheck", "run", self.name, check=False).returncode == 0

    def pids(self) -> list[int]:
        """Its processes, by their ids outside; the first is its process 1."""
        first = int(podman("inspect", "--format", "{{.State.Pid}}", self.name).stdout)
        children = Path(f"/proc/{first}/task/{first}/children").read_text()
        return [first, *(int(pid) for pid in children.split())]

    def stop(self) -> int:
        """Send SIGTERM as the docs say, and return the exit status; 137 had it to be killed."""
        podman("stop", "-t", "40", self.name)
        return int(podman("inspect", "--format", "{{.State.ExitCode}}", self.name).stdout)

    def log(self) -> str:
        """All that it has said."""
        done = podman("logs", self.name)
        return done.stdout + done.stderr


@contextlib.contextmanager
def container(*options: str) -> Iterator[Container]:
    """Run the image until the block ends."""
    running = Container(f"test-{uuid.uuid4().hex[:8]}", free_port())
    publish = f"127.0.0.1:{running.port}:8080"
    podman("run", "--name", running.name, "--detach", "--publish", publish, *options, IMAGE)
    try:
        running.wait()
        yield running
    finally:
        podman("rm", "--force", "--time", "5", "--volumes", running.name)


@contextlib.contextmanager
def volumes(count: int) -> Iterator[list[str]]:
    """The names of new volumes."""
    names = [f"test-{uuid.uuid4().hex[:8]}" for _ in range(count)]
    try:
        yield names
    finally:
        podman("volume", "rm", "--force", *names)


@contextlib.contextmanager
def engine(scratch: Path) -> Iterator[str]:
    """The engine's interface, as programs that are used to Docker's take it in ``DOCKER_HOST``."""
    address = f"unix://{scratch}/engine.sock"
    environment = {**os.environ, "CONTAINERS_CONF": str(ROOT / "scripts/containers.conf")}
    with (scratch / "engine.log").open("wb") as log:
        serving = subprocess.Popen(
            ["podman", "system", "service", "--time=0", address],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        deadline = time.monotonic() + 20
        while not (scratch / "engine.sock").exists():
            assert time.monotonic() < deadline, (scratch / "engine.log").read_text()
            time.sleep(0.05)
        yield address
    finally:
        end(serving, 10)
