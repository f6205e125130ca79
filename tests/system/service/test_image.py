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
from typing import Any

import pytest

from tests.support import containers
from tests.support.checkout import PORT, ROOT, clone, curl, is_taken, shell, user_environment
from tests.support.containers import IMAGE, CannotRunError, container, podman, volumes
from tests.support.image import Instruction, in_context, parse
from tests.support.served_page import assert_serves_the_pages
from tests.support.service import LocalBackend, service
from tests.system.service.test_ways_to_run import make_the_three_calls

INSTRUCTIONS = parse((ROOT / "docker/Dockerfile").read_text())
LAST_STAGE = INSTRUCTIONS[
    max(number for number, one in enumerate(INSTRUCTIONS) if one.keyword == "FROM") :
]


def one(keyword: str) -> Instruction:
    """The last stage's only instruction of this kind."""
    (found,) = (instruction for instruction in LAST_STAGE if instruction.keyword == keyword)
    return found


@pytest.mark.parametrize(
    "name",
    [
        *(".env", ".env.example", ".git/config", ".dockerignore", "data/index.db", "venv/bin/pip"),
        *(".venv/bin/pip", "tests/conftest.py", "docs/api.md", "requirements.txt", "Makefile"),
        *("file_uploader/__pycache__/x.cpython-313.pyc", "docker/Dockerfile", "bench/x.py"),
        *("web/node_modules/vite/package.json", "web/node_modules/.bin/vite"),
    ],
)
def test_the_build_does_not_get(name: str) -> None:
    assert not in_context((ROOT / ".dockerignore").read_text(), name)


@pytest.mark.parametrize(
    "name",
    [
        *("app.py", "gunicorn.conf.py", "requirements-runtime.txt", "file_uploader/__init__.py"),
        *("file_uploader/http/app.py", "file_uploader/http/static/index.html"),
        *("file_uploader/http/openapi.yaml", "web/docs.html"),
        *("web/package-lock.json", "web/.npmrc", "web/src/main.tsx"),
    ],
)
def test_the_build_gets(name: str) -> None:
    assert in_context((ROOT / ".dockerignore").read_text(), name)


def test_nothing_is_copied_that_the_build_does_not_get() -> None:
    ignore = (ROOT / ".dockerignore").read_text()
    for instruction in INSTRUCTIONS:
        if instruction.keyword == "COPY" and not instruction.value.startswith("--from="):
            for name in instruction.arguments[:-1]:
                assert (ROOT / name).exists(), name
                assert in_context(ignore, name), name


def test_the_last_stage_is_set_up_as_promised() -> None:
    assert one("USER").value == "10001:10001"
    assert one("VOLUME").arguments == ["/data"]
    assert one("EXPOSE").value == "8080"
    assert one("CMD").value == '["gunicorn", "app:app"]'
    environment = dict(word.split("=", 1) for word in one("ENV").arguments)
    assert environment["DATA_DIR"] == "/data"
    assert environment["PYTHONUNBUFFERED"] == "1"
    page, *bases = (i.arguments for i in INSTRUCTIONS if i.keyword == "FROM")
    assert page == ["node:22-slim", "AS", "page"]
    pythons = {base for base, *_ in bases}
    assert len(pythons) == 1, "what is compiled for one Python does not run on another"
    assert not [i for i in LAST_STAGE if i.keyword == "RUN" and "pip" in i.value]


def test_the_image_gets_the_runtime_requirements_alone() -> None:
    (install,) = (i.value for i in INSTRUCTIONS if i.keyword == "RUN" and "pip install" in i.value)
    assert "--no-cache-dir" in install
    assert install.endswith("-r /tmp/requirements-runtime.txt")


def compose_file() -> Any:
    yaml = pytest.importorskip("yaml")  # moto brings it
    return yaml.safe_load((ROOT / "docker/docker-compose.yml").read_text())


def test_the_compose_file_is_set_up_as_promised() -> None:
    compose = compose_file()
    assert set(compose["services"]) == {"file_uploader", "file_uploader_s3", "s3", "bucket"}
    ours = compose["services"]["file_uploader"]
    assert ours["build"] == {"context": "..", "dockerfile": "docker/Dockerfile"}
    assert ours["env_file"] == ["../.env"]
    assert ours["ports"] == ["8080:8080"]
    assert ours["stop_grace_period"] == "40s"
    assert (ours["read_only"], ours["cap_drop"]) == (True, ["ALL"])
    assert ours["security_opt"] == ["no-new-privileges:true"]
    assert ours["restart"] == "unless-stopped"
    assert ours["healthcheck"]["test"][-1] == "http://127.0.0.1:8080/ready"
    assert {volume.split(":")[1] for volume in ours["volumes"]} == {"/data", "/var/tmp"}
    environment = dict(word.split("=", 1) for word in one("ENV").arguments)
    assert ours["environment"].items() <= environment.items()


def test_what_is_only_for_trying_s3_is_started_only_when_asked_for() -> None:
    compose = compose_file()
    for name, each in compose["services"].items():
        assert each.get("profiles") == (None if name == "file_uploader" else ["s3"])
        assert each["image"] in ("file_uploader:latest", "versity/versitygw:v1.8.0")
        assert (each["cap_drop"], each["security_opt"]) == (["ALL"], ["no-new-privileges:true"])
    on_s3 = compose["services"]["file_uploader_s3"]
    assert on_s3["depends_on"] == {
        "s3": {"condition": "service_healthy"},
        "bucket": {"condition": "service_completed_successfully"},
    }
    assert on_s3["environment"]["BUCKET"] in compose["services"]["bucket"]["command"][-1]
    used = [v for each in compose["services"].values() for v in each.get("volumes", ())]
    assert {volume.split(":")[0] for volume in used} == set(compose["volumes"])


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
    command = [sys.executable, "-m", "file_uploader.http.probe", url]
    return subprocess.run(command, cwd=ROOT, capture_output=True, check=False).returncode


@pytest.fixture(scope="module")
def docker(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of a user with Docker, and with the image built from a fresh clone."""
    scratch = tmp_path_factory.mktemp("docker")
    environment = containers.environment(scratch)
    try:
        containers.build(clone(scratch / "file-uploader"), environment)
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
    static = root / "app/file_uploader/http/static"
    assert {path.name for path in static.iterdir()} == {"index.html", "docs.html"}
    assert (root / "app/file_uploader/http/openapi.yaml").is_file()
    programs = {path.name for path in root.glob("**/bin/*")}
    assert not programs & {"gcc", "cc", "make", "node", "npm"}
    assert not (root / "sources").exists()
    assert not (root / "root/.cache").exists()
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


# These two take the promised port, which other tests take as well.
@pytest.mark.alone
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


@pytest.mark.alone
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
            shell(f"{compose} stop", checkout, environment)
            exited = podman("inspect", "--format", "{{.State.ExitCode}}", name)
            assert exited.stdout.strip() == "0"
        finally:
            shell(f"{compose} down", checkout, environment, check=False)
            podman("volume", "rm", "--force", "test_compose_spool", check=False)
