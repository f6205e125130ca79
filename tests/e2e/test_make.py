"""The targets that need Docker, against a stand-in that writes down how it was called."""

from __future__ import annotations

import shutil
import stat
from pathlib import Path

import pytest

from tests.support.checkout import ROOT, shell, user_environment

BUILD = "docker build -t file_uploader:latest . -f docker/Dockerfile"
RUN = (
    "docker run --name file_uploader -d --env-file .env -p 8080:8080 --stop-timeout 40"
    " -v file_uploader_data:/data file_uploader:latest"
)
COMPOSE = {
    "run-dev": "-f docker/docker-compose.yml up --build -d",
    "logs": "-f docker/docker-compose.yml logs -f file_uploader",
    "stop-dev": "-f docker/docker-compose.yml down",
}
STAND_IN = """#!/bin/sh
[ "$*" = 'compose version' ] && exit {has_plugin}
echo "$(basename "$0") $*" >>calls
[ "$1" = {failing} ] && exit 1
exit 0
"""


class Machine:
    """A directory with the Makefile and what its Docker targets use."""

    def __init__(self, directory: Path) -> None:
        self.checkout = directory / "file-uploader"
        self._programs = directory / "bin"
        self._programs.mkdir()
        self.checkout.mkdir()
        for name in ("Makefile", ".env.example", "requirements.txt", "requirements-runtime.txt"):
            shutil.copy(ROOT / name, self.checkout)
        self.install_docker()

    @property
    def dot_env(self) -> Path:
        return self.checkout / ".env"

    def install_docker(self, *, plugin: bool = False, failing: str = "nothing") -> None:
        for name in ("docker", "docker-compose"):
            program = self._programs / name
            program.write_text(STAND_IN.format(has_plugin=int(not plugin), failing=failing))
            program.chmod(0o755)

    def install(self, name: str, script: str) -> None:
        (self._programs / name).write_text(f"#!/bin/sh\n{script}\n")
        (self._programs / name).chmod(0o755)

    def make(self, arguments: str, *, check: bool = True) -> list[str]:
        """Call make; return the calls of Docker that it made."""
        calls = self.checkout / "calls"
        calls.unlink(missing_ok=True)
        environment = user_environment(self._programs)
        self.done = shell(f"make {arguments}", self.checkout, environment, check=check)
        return calls.read_text().splitlines() if calls.exists() else []


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_help_is_what_make_alone_prints(machine: Machine) -> None:
    assert machine.make("") == []
    printed = machine.done.stdout
    assert "run-dev" in printed
    machine.make("help")
    assert machine.done.stdout == printed


def test_docker_build(machine: Machine) -> None:
    assert machine.make("docker-build") == [BUILD]


def test_docker_run_replaces_the_container_and_keeps_its_data(machine: Machine) -> None:
    stop = ["docker stop file_uploader", "docker rm file_uploader"]
    assert machine.make("docker-run") == [BUILD, *stop, RUN]


def test_docker_run_works_without_a_container_to_replace(machine: Machine) -> None:
    for failing in ("stop", "rm"):
        machine.install_docker(failing=failing)
        assert machine.make("docker-run")[-1] == RUN


def test_docker_run_ends_where_the_build_fails(machine: Machine) -> None:
    machine.install_docker(failing="build")
    assert machine.make("docker-run", check=False) == [BUILD]
    assert machine.done.returncode


def test_docker_logs_and_stop(machine: Machine) -> None:
    assert machine.make("docker-logs") == ["docker logs -f file_uploader"]
    assert machine.make("docker-stop") == ["docker stop file_uploader", "docker rm file_uploader"]


@pytest.mark.parametrize("target", COMPOSE)
@pytest.mark.parametrize("plugin", [False, True], ids=["stand-alone", "plugin"])
def test_compose(machine: Machine, target: str, *, plugin: bool) -> None:
    machine.install_docker(plugin=plugin)
    program = "docker compose" if plugin else "docker-compose"
    assert machine.make(target) == [f"{program} {COMPOSE[target]}"]


@pytest.mark.parametrize("target", ["docker-run", "run-dev"])
def test_dot_env_is_made_and_never_overwritten(machine: Machine, target: str) -> None:
    machine.make(target)
    assert machine.dot_env.read_bytes() == (ROOT / ".env.example").read_bytes()
    assert stat.S_IMODE(machine.dot_env.stat().st_mode) == 0o600
    machine.dot_env.write_text("BUCKET=mine\n")
    (machine.checkout / ".env.example").touch()
    machine.make(target)
    assert machine.dot_env.read_text() == "BUCKET=mine\n"


def test_other_targets_make_no_dot_env(machine: Machine) -> None:
    for target in ("docker-build", "docker-logs", "docker-stop", "logs", "stop-dev"):
        machine.make(target)
    assert not machine.dot_env.exists()


def test_an_old_python_is_refused_with_the_way_out(machine: Machine) -> None:
    machine.install("python3", "exit 1")
    machine.make("run", check=False)
    assert machine.done.returncode
    assert "Python 3.11 or newer is needed" in machine.done.stderr
    assert "make PYTHON=" in machine.done.stderr
    assert not (machine.checkout / ".venv").exists()


def test_a_python_without_venv_is_refused_with_the_way_out(machine: Machine) -> None:
    machine.install("python3", 'case "$*" in *ensurepip*) exit 1 ;; esac')
    machine.make("test", check=False)
    assert machine.done.returncode
    assert "apt-get install python3-venv" in machine.done.stderr
