"""The container image: what goes in, how it is set up, and that it runs."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
import uuid
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from tests.support import containers
from tests.support.checkout import PORT, ROOT, clone, curl, is_taken, shell, user_environment
from tests.support.containers import IMAGE, CannotRunError, container, podman, volumes
from tests.support.served_page import assert_serves_the_pages
from tests.support.service import LocalBackend, service
from tests.system.service.test_ways_to_run import make_the_three_calls

STATIC = "file_uploader/http/pages/static"
USED = [".env", "data/index.db", "file_uploader/old.pyc", f"{STATIC}/old.html"]
"""What is in a checkout that is used, and has no business in an image."""


@pytest.mark.parametrize("profile", ["", "--profile s3"])
def test_compose_itself_reads_the_file(tmp_path: Path, profile: str) -> None:
    if shutil.which("docker-compose") is None:
        message = "needs docker-compose: apt-get install --no-install-recommends docker-compose"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(message)
    shutil.copytree(ROOT / "docker", tmp_path / "docker")
    shutil.copy(ROOT / ".env.example", tmp_path / ".env")
    compose = f"docker-compose -f docker/docker-compose.yml {profile} config"
    shell(compose, tmp_path, user_environment())


@pytest.mark.parametrize(("path", "status"), [("/health", 0), ("/none", 1)])
def test_the_probe_tells_by_its_status(tmp_path: Path, log: Path, path: str, status: int) -> None:
    with service(LocalBackend(tmp_path / "data"), log) as running:
        assert _probe(f"{running.url}{path}") == status
    assert _probe(f"{running.url}{path}") == 1


def _probe(url: str) -> int:
    command = [sys.executable, "-m", "file_uploader.http.operations.probe", url]
    return subprocess.run(command, cwd=ROOT, capture_output=True, check=False).returncode


@pytest.fixture(scope="module")
def docker(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of a user with Docker, and with the image built from a checkout in use."""
    scratch = tmp_path_factory.mktemp("docker")
    environment = containers.environment(scratch)
    checkout = clone(scratch / "file-uploader")
    for name in USED:
        (checkout / name).parent.mkdir(parents=True, exist_ok=True)
        (checkout / name).touch()
    # The page's packages as they are on another machine.
    (checkout / "web/node_modules/vite").mkdir(parents=True)
    (checkout / "web/node_modules/vite/package.json").write_text("{}")
    try:
        containers.build(checkout, environment)
    except CannotRunError as error:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(str(error))
    return environment


@pytest.fixture(scope="module")
def root(docker: dict[str, str]) -> Iterator[Path]:
    """The image's file system."""
    yield Path(podman("image", "mount", IMAGE).stdout.strip())
    podman("image", "umount", IMAGE)


def test_the_image_holds_the_service_and_no_more(root: Path) -> None:
    assert {path.name for path in (root / "app").iterdir()} == {
        *("app.py", "gunicorn.conf.py", "file_uploader", "__pycache__")
    }
    installed = {path.name.lower() for path in root.glob("opt/venv/lib/*/*/*-info")}
    assert any(name.startswith("gunicorn-") for name in installed)
    assert not any(name.startswith(("pip-", "pytest-", "moto-", "mypy-")) for name in installed)
    assert {path.name for path in (root / "app" / STATIC).iterdir()} == {"index.html", "docs.html"}
    assert not {Path(name).name for name in USED} & {path.name for path in root.rglob("*")}
    assert (root / "app/file_uploader/http/pages/openapi.yaml").is_file()
    programs = {path.name for path in root.glob("**/bin/*")}
    assert not programs & {"gcc", "cc", "make", "node", "npm"}
    assert not (root / "sources").exists()
    of_the_page = {"web", "node_modules", "package.json", ".npmrc", "main.tsx"}
    assert not [path for path in root.rglob("*") if path.name in of_the_page]


def test_the_image_is_small(docker: dict[str, str]) -> None:
    """What it adds to the image that it begins with, in bytes."""
    whole, base = (
        int(podman("image", "inspect", "--format", "{{.Size}}", name).stdout)
        for name in (IMAGE, "python:3.13-slim")
    )
    print(f"{whole / 1e6:.0f} MB, {(whole - base) / 1e6:.0f} MB over its base")
    assert whole - base < 100e6


def test_credentials_are_looked_for_wherever_they_may_be(docker: dict[str, str]) -> None:
    """The image has what it takes to ask AWS's services for them, and nothing of all others."""
    script = (
        "import botocore.session as b; s = b.get_session();"
        "[s.create_client(n, region_name='us-east-1') for n in ('s3', 'sts', 'sso', 'sso-oidc')];"
        "print(sorted(s.get_available_services()))"
    )
    done = podman("run", "--rm", IMAGE, "python", "-c", script)
    assert json.loads(done.stdout.replace("'", '"')) == ["s3", "signin", "sso", "sso-oidc", "sts"]


LOCKED_DOWN = (
    *("--read-only", "--cap-drop", "all", "--security-opt", "no-new-privileges"),
    *("--tmpfs", "/tmp:size=64m,mode=1777", "--env", "WEB_CONCURRENCY=2"),
)


def test_the_image_serves_as_a_normal_user_and_keeps_its_data(
    docker: dict[str, str], tmp_path: Path
) -> None:
    auth = ("-H", f"X-Auth-Token: {uuid.uuid4()}")
    upload = tmp_path / "upload"
    upload.write_bytes(os.urandom(1 << 20))

    with volumes(2) as (data, spool):
        mounts = ("--volume", f"{data}:/data", "--volume", f"{spool}:/var/tmp")
        with container(*LOCKED_DOWN, *mounts) as running:
            files = f"{running.url}/api/files"
            assert curl(*auth, files).body == b"[]"
            assert_serves_the_pages(running.url)
            for name in ("kept", "deleted"):
                assert curl(*auth, "--upload-file", str(upload), f"{files}/{name}").status == 204
            assert curl(*auth, "-X", "DELETE", f"{files}/deleted").status == 204
            assert running.is_healthy()
            for pid in running.pids():
                status = Path(f"/proc/{pid}/status").read_text()
                assert "Uid:\t10001\t10001\t10001\t10001" in status
                assert "CapEff:\t0000000000000000" in status
                assert "CapBnd:\t0000000000000000" in status
                assert "NoNewPrivs:\t1" in status
            for written in ("/x", "/app/x", "/opt/venv/x"):
                done = podman("exec", running.name, "touch", written, check=False)
                assert "Read-only file system" in done.stderr
            assert running.stop() == 0
            assert not running.is_healthy()

        mounted = podman("volume", "inspect", "--format", "{{.Mountpoint}}", data).stdout.strip()
        assert {path.stat().st_uid for path in Path(mounted).rglob("*")} == {10001}

        with container(*LOCKED_DOWN, *mounts) as running:
            files = f"{running.url}/api/files"
            assert json.loads(curl(*auth, files).body) == ["kept"]
            assert curl(*auth, f"{files}/kept").body == upload.read_bytes()


def test_sigterm_lets_an_upload_finish(docker: dict[str, str], tmp_path: Path) -> None:
    auth = ("-H", f"X-Auth-Token: {uuid.uuid4()}")
    upload = tmp_path / "upload"
    upload.write_bytes(os.urandom(4 << 20))
    with container(*LOCKED_DOWN) as running:
        slow = subprocess.Popen(
            [
                *("curl", "--silent", "--limit-rate", "1M", "--write-out", "%{http_code}", *auth),
                *("--upload-file", str(upload), f"{running.url}/api/files/slow"),
            ],
            stdout=subprocess.PIPE,
        )
        time.sleep(1)
        started = time.monotonic()
        assert running.stop() == 0
        assert time.monotonic() - started < 15
        assert slow.communicate()[0] == b"204"


def _wait(ports: Iterable[int]) -> None:
    deadline = time.monotonic() + 60
    while any(curl(f"http://localhost:{port}/ready").status != 200 for port in ports):
        assert time.monotonic() < deadline
        time.sleep(0.2)


@pytest.fixture
def checkout(docker: dict[str, str], tmp_path: Path) -> Path:
    """A fresh clone with a ``.env``; nothing listens on the promised port."""
    assert not is_taken(PORT), f"port {PORT} is taken: end what listens there and try again"
    directory = clone(tmp_path / "file-uploader")
    shutil.copy(directory / ".env.example", directory / ".env")
    return directory


@pytest.mark.usefixtures("promised_port")
def test_docker_run_as_the_docs_have_it(
    docker: dict[str, str], checkout: Path, tmp_path: Path
) -> None:
    (command,) = re.findall(r"^\$ (docker run .*)$", (ROOT / "README.md").read_text(), re.MULTILINE)
    try:
        shell(command, checkout, docker)
        _wait([PORT])
        make_the_three_calls(tmp_path)
        shell("docker stop -t 40 file_uploader", checkout, docker)
        exited = podman("inspect", "--format", "{{.State.ExitCode}}", "file_uploader")
        assert exited.stdout.strip() == "0"
    finally:
        podman("rm", "--force", "--volumes", "file_uploader", check=False)


@pytest.mark.usefixtures("promised_port")
def test_make_runs_it_and_replaces_it(
    docker: dict[str, str], checkout: Path, tmp_path: Path
) -> None:
    auth = ("-H", f"X-Auth-Token: {uuid.uuid4()}")
    file = f"http://localhost:{PORT}/api/files/kept"
    made: list[str] = []
    try:
        for _ in range(2):
            shell("make docker-run", checkout, docker)
            _wait([PORT])
            if not made:
                make_the_three_calls(tmp_path)
                assert curl(*auth, "--upload-file", str(tmp_path / "upload"), file).status == 204
            made.append(podman("inspect", "--format", "{{.Id}}", "file_uploader").stdout)
        assert made[0] != made[1]
        assert curl(*auth, "-X", "DELETE", file).status == 204
        log = shell("timeout 5 make docker-logs", checkout, docker, check=False).stdout
        assert "DELETE /api/files/kept" in log
        shell("make docker-stop", checkout, docker)
        assert podman("container", "exists", "file_uploader", check=False).returncode == 1
    finally:
        podman("rm", "--force", "--volumes", "file_uploader", check=False)


@pytest.mark.usefixtures("promised_port")
def test_compose_runs_it(docker: dict[str, str], checkout: Path, tmp_path: Path) -> None:
    compose = "docker-compose -p test_compose -f docker/docker-compose.yml"
    with containers.engine(tmp_path) as address:
        environment = {**docker, "DOCKER_HOST": address}
        try:
            shell(f"{compose} up -d --no-build", checkout, environment)
            _wait([PORT])
            make_the_three_calls(tmp_path)
            (name,) = shell(f"{compose} ps -q", checkout, environment).stdout.split()
            assert podman("healthcheck", "run", name, check=False).returncode == 0
            for written in ("/x", "/app/x"):
                done = podman("exec", name, "touch", written, check=False)
                assert "Read-only file system" in done.stderr
            patience = podman("inspect", "--format", "{{.Config.StopTimeout}}", name)
            assert patience.stdout.strip() == "40"
            status = podman("exec", name, "cat", "/proc/1/status").stdout
            assert "CapBnd:\t0000000000000000" in status
            assert "NoNewPrivs:\t1" in status
            shell(f"{compose} stop", checkout, environment)
            exited = podman("inspect", "--format", "{{.State.ExitCode}}", name)
            assert exited.stdout.strip() == "0"
        finally:
            shell(f"{compose} down", checkout, environment, check=False)
            podman("volume", "rm", "--force", "test_compose_spool", check=False)
