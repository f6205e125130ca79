"""The container image: what goes in, how it is set up, and, without Docker, that it runs."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import time
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.support.checkout import ROOT, curl, shell, user_environment
from tests.support.image import CannotReplayError, Image, Instruction, in_context, parse, replayed
from tests.support.served_page import assert_serves_the_pages
from tests.support.service import free_port

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
    assert list(compose["services"]) == ["file_uploader"]
    service = compose["services"]["file_uploader"]
    assert service["build"] == {"context": "..", "dockerfile": "docker/Dockerfile"}
    assert service["env_file"] == ["../.env"]
    assert service["ports"] == ["8080:8080"]
    assert service["stop_grace_period"] == "40s"
    assert (service["read_only"], service["cap_drop"]) == (True, ["ALL"])
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["restart"] == "unless-stopped"
    assert {volume.split(":")[1] for volume in service["volumes"]} == {"/data", "/var/tmp"}
    assert {volume.split(":")[0] for volume in service["volumes"]} == set(compose["volumes"])
    environment = dict(word.split("=", 1) for word in one("ENV").arguments)
    assert service["environment"].items() <= environment.items()


def test_compose_itself_reads_the_file(tmp_path: Path) -> None:
    if shutil.which("docker-compose") is None:
        message = "needs docker-compose: apt-get install --no-install-recommends docker-compose"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(message)
    shutil.copytree(ROOT / "docker", tmp_path / "docker")
    shutil.copy(ROOT / ".env.example", tmp_path / ".env")
    shell("docker-compose -f docker/docker-compose.yml config", tmp_path, user_environment())


@pytest.fixture(scope="module")
def image() -> Iterator[Image]:
    try:
        with replayed() as made:
            yield made
    except CannotReplayError as error:
        if os.environ.get("CI"):
            pytest.fail(str(error))
        pytest.skip(str(error))


class Container:
    """What ``docker run`` would start."""

    def __init__(self, image: Image, mounts: Mapping[Path, str], log: Path) -> None:
        self._image, self._mounts = image, mounts
        self.log = log
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        with log.open("ab") as output:
            self._unshare = subprocess.Popen(
                self._command(image.stage.command), stdout=output, stderr=subprocess.STDOUT
            )

    def _command(self, command: list[str]) -> list[str]:
        environment = {"PORT": str(self.port), "WEB_CONCURRENCY": "2"}
        return self._image.container(command, environment=environment, mounts=self._mounts)

    def is_healthy(self) -> bool:
        """What the image's health check says."""
        done = subprocess.run(
            self._command(self._image.stage.health), capture_output=True, check=False, timeout=30
        )
        return done.returncode == 0

    def wait(self) -> None:
        deadline = time.monotonic() + 30
        while curl(f"{self.url}/health").status != 200:
            assert self._unshare.poll() is None, self.log.read_text()
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.05)

    def pids(self) -> list[int]:
        """The first process and its children, by their ids outside."""
        (first,) = _children(self._unshare.pid)
        return [first, *_children(first)]

    def stop(self) -> int:
        """Send SIGTERM to the first process, as Docker does; return the exit status."""
        if self._unshare.poll() is None:
            os.kill(self.pids()[0], signal.SIGTERM)
        try:
            return self._unshare.wait(40)
        finally:
            self._unshare.kill()


def _children(pid: int) -> list[int]:
    return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@pytest.fixture
def mounts(image: Image, tmp_path: Path) -> dict[Path, str]:
    """New volumes for the image's own and for the spool, as the Compose file has them."""
    wanted = {*image.stage.volumes, "/var/tmp"}
    return {
        image.volume(path, tmp_path / f"volume{number}"): path
        for number, path in enumerate(sorted(wanted))
    }


@contextlib.contextmanager
def running(image: Image, mounts: Mapping[Path, str], log: Path) -> Iterator[Container]:
    container = Container(image, mounts, log)
    try:
        container.wait()
        yield container
    finally:
        container.stop()


@pytest.mark.heavy
def test_the_image_holds_the_service_and_no_more(image: Image) -> None:
    app = image.stage.written / "app"
    assert {path.name for path in app.iterdir()} <= {
        *("app.py", "gunicorn.conf.py", "file_uploader", "__pycache__")
    }
    installed = {path.name.lower() for path in image.stage.written.glob("opt/venv/lib/*/*/*-info")}
    assert any(name.startswith("gunicorn-") for name in installed)
    assert not any(name.startswith(("pytest-", "moto-", "mypy-")) for name in installed)
    pages = {path.name for path in (app / "file_uploader/http/static").iterdir()}
    assert pages == {"index.html", "docs.html"}
    assert (app / "file_uploader/http/openapi.yaml").is_file()
    assert not (image.stage.written / "sources").exists()
    of_the_page = {"web", "node_modules", "package.json", ".npmrc", "main.tsx"}
    assert not [path for path in image.stage.written.rglob("*") if path.name in of_the_page]


@pytest.mark.heavy
def test_the_image_serves_as_a_normal_user_and_keeps_its_data(
    image: Image, mounts: dict[Path, str], tmp_path: Path
) -> None:
    auth = ("-H", f"X-Auth-Token: {uuid.uuid4()}")
    upload = tmp_path / "upload"
    upload.write_bytes(os.urandom(1 << 20))
    log = tmp_path / "container.log"

    with running(image, mounts, log) as container:
        files = f"{container.url}/api/files"
        assert curl(*auth, files).body == b"[]"
        assert_serves_the_pages(container.url)
        for name in ("kept", "deleted"):
            assert curl(*auth, "--upload-file", str(upload), f"{files}/{name}").status == 204
        assert curl(*auth, "-X", "DELETE", f"{files}/deleted").status == 204
        assert container.is_healthy()
        for pid in container.pids():
            status = Path(f"/proc/{pid}/status").read_text()
            assert "Uid:\t10001\t10001\t10001\t10001" in status
            assert "CapEff:\t0000000000000000" in status
        assert container.stop() == 0
        assert not container.is_healthy()

    (data,) = (volume for volume, path in mounts.items() if path == "/data")
    assert {path.stat().st_uid for path in data.rglob("*")} == {10001}

    with running(image, mounts, log) as container:
        files = f"{container.url}/api/files"
        assert json.loads(curl(*auth, files).body) == ["kept"]
        assert curl(*auth, f"{files}/kept").body == upload.read_bytes()


@pytest.mark.heavy
def test_sigterm_lets_an_upload_finish(
    image: Image, mounts: dict[Path, str], tmp_path: Path
) -> None:
    auth = ("-H", f"X-Auth-Token: {uuid.uuid4()}")
    upload = tmp_path / "upload"
    upload.write_bytes(os.urandom(4 << 20))
    with running(image, mounts, tmp_path / "container.log") as container:
        slow = subprocess.Popen(
            [
                *("curl", "--silent", "--limit-rate", "1M", "--write-out", "%{http_code}", *auth),
                *("--upload-file", str(upload), f"{container.url}/api/files/slow"),
            ],
            stdout=subprocess.PIPE,
        )
        time.sleep(1)
        started = time.monotonic()
        assert container.stop() == 0
        assert time.monotonic() - started < 15
        assert slow.communicate()[0] == b"204"
