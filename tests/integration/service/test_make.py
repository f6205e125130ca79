"""What `make` does where something is missing or fails, against stand-ins that write down calls.

With what they stand for, `make` is run in `tests/system`.
"""

from __future__ import annotations

import shutil
import stat
from pathlib import Path

import pytest

from tests.support.checkout import ROOT, shell, user_environment, without

STAND_IN = """#!/bin/sh
[ "$*" = 'compose version' ] && exit {has_plugin}
echo "$(basename "$0") $*" >>calls
[ "$1" = {failing} ] && exit 1
exit 0
"""

NPM_CI = "npm ci --no-audit --no-fund"
SERVES = "gunicorn app:app"
CHECKS = ["lint", "test"]
NPM = """echo "npm $*" >>../calls
[ "$1" = {failing} ] && exit 1
case "$*" in
    ci*) mkdir -p node_modules ;;
    'run build') mkdir -p ../file_uploader/http/pages/static
        echo '<p>' >../file_uploader/http/pages/static/index.html ;;
esac"""


class Machine:
    """A directory with the Makefile and what its targets for Docker and npm use."""

    def __init__(self, directory: Path) -> None:
        self.checkout = directory / "file-uploader"
        self._programs = directory / "bin"
        self._programs.mkdir()
        self.checkout.mkdir()
        for name in ("Makefile", ".env.example", "requirements.txt", "requirements-runtime.txt"):
            shutil.copy(ROOT / name, self.checkout)
        (self.checkout / "web").mkdir()
        shutil.copy(ROOT / "web/package-lock.json", self.checkout / "web")
        self.environment = user_environment(self._programs)
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

    def install_npm(self, *, failing: str = "nothing") -> None:
        self.install("npm", NPM.format(failing=failing))

    def install_environment(self) -> None:
        """What `make install` would, with stand-ins that write down how they were called."""
        (self.checkout / ".venv/bin").mkdir(parents=True)
        for name in ("gunicorn", "pip", "pytest", "ruff", "lint-imports", "mypy"):
            program = self.checkout / ".venv/bin" / name
            program.write_text(f'#!/bin/sh\necho "{name} $*" >>calls\n')
            program.chmod(0o755)
        for name in (".created", ".runtime", ".test"):
            (self.checkout / ".venv" / name).touch()

    def make(self, arguments: str, *, check: bool = True) -> list[str]:
        """Call make; return the calls of stand-ins that it made."""
        calls = self.checkout / "calls"
        calls.unlink(missing_ok=True)
        self.done = shell(f"make {arguments}", self.checkout, self.environment, check=check)
        return calls.read_text().splitlines() if calls.exists() else []


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_help_is_what_make_alone_prints(machine: Machine) -> None:
    assert machine.make("") == []
    printed = machine.done.stdout
    for target in ("run-dev", "page", "wheel"):
        assert f"\n  {target} " in printed
    machine.make("help")
    assert machine.done.stdout == printed


def test_docker_run_works_without_a_container_to_replace(machine: Machine) -> None:
    for failing in ("stop", "rm"):
        machine.install_docker(failing=failing)
        assert machine.make("docker-run")[-1].startswith("docker run ")


def test_docker_run_ends_where_the_build_fails(machine: Machine) -> None:
    machine.install_docker(failing="build")
    (call,) = machine.make("docker-run", check=False)
    assert call.startswith("docker build ")
    assert machine.done.returncode


@pytest.mark.parametrize("plugin", [False, True], ids=["stand-alone", "plugin"])
def test_compose_is_the_plugin_where_there_is_one(machine: Machine, *, plugin: bool) -> None:
    machine.install_docker(plugin=plugin)
    (call,) = machine.make("stop-dev")
    assert call.startswith("docker compose -f " if plugin else "docker-compose -f ")


@pytest.mark.parametrize("target", ["docker-run", "run-dev"])
def test_dot_env_is_made_and_never_overwritten(machine: Machine, target: str) -> None:
    machine.make(target)
    assert machine.dot_env.read_bytes() == (ROOT / ".env.example").read_bytes()
    assert stat.S_IMODE(machine.dot_env.stat().st_mode) == 0o600
    machine.dot_env.write_text("BUCKET=mine\n")
    (machine.checkout / ".env.example").touch()
    machine.make(target)
    assert machine.dot_env.read_text() == "BUCKET=mine\n"


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


@pytest.fixture
def installed(machine: Machine) -> Machine:
    """One where Python's part is done."""
    machine.install_environment()
    machine.install_npm()
    return machine


@pytest.fixture
def without_npm(installed: Machine, tmp_path: Path) -> Machine:
    links = tmp_path / "links"
    links.mkdir()
    installed.environment = without(installed.environment, "npm", links)
    return installed


def test_page_installs_its_tools_once_and_builds_each_time(installed: Machine) -> None:
    assert installed.make("page") == [NPM_CI, "npm run build"]
    assert installed.make("page") == ["npm run build"]
    (installed.checkout / "web/package-lock.json").touch()
    assert installed.make("page") == [NPM_CI, "npm run build"]


def test_a_failed_install_is_tried_again(installed: Machine) -> None:
    installed.install_npm(failing="ci")
    for _ in range(2):
        assert installed.make("page", check=False) == [NPM_CI]
        assert installed.done.returncode


def test_serving_builds_the_page_where_there_is_none(installed: Machine) -> None:
    assert installed.make("run") == [NPM_CI, "npm run build", SERVES]
    assert installed.make("run") == [SERVES]


@pytest.mark.parametrize("failing", ["ci", "run"])
def test_the_server_runs_without_a_page_that_cannot_be_built(
    installed: Machine, failing: str
) -> None:
    installed.install_npm(failing=failing)
    assert installed.make("run")[-1] == SERVES
    assert "the page could not be built" in installed.done.stderr


def test_the_page_cannot_be_made_without_npm(without_npm: Machine) -> None:
    assert without_npm.make("page", check=False) == []
    assert without_npm.done.returncode
    assert "npm is needed for the page" in without_npm.done.stderr


def test_no_wheel_is_made_with_a_page_that_cannot_be_built(installed: Machine) -> None:
    installed.install_npm(failing="run")
    assert installed.make("wheel", check=False) == [NPM_CI, "npm run build"]
    assert installed.done.returncode


@pytest.mark.parametrize("target", CHECKS)
def test_the_page_is_checked_where_there_is_npm(installed: Machine, target: str) -> None:
    calls = installed.make(target)
    assert calls[0] == NPM_CI
    assert len([call for call in calls if call.startswith("npm ")]) == 2


@pytest.mark.parametrize("target", CHECKS)
def test_without_npm_all_else_is_checked(without_npm: Machine, target: str) -> None:
    calls = without_npm.make(target)
    assert calls
    assert not [call for call in calls if call.startswith("npm ")]
    assert "npm is not there, so this is left out" in without_npm.done.stdout


@pytest.mark.parametrize("target", [*CHECKS, "wheel"])
def test_without_npm_it_is_a_failure_with_ci_set(without_npm: Machine, target: str) -> None:
    without_npm.environment["CI"] = "true"
    without_npm.make(target, check=False)
    assert without_npm.done.returncode
    assert "npm is needed for the page" in without_npm.done.stderr
