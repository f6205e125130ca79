"""The wheel, installed where there are no sources."""

from __future__ import annotations

import shutil
import uuid
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

import file_uploader
from file_uploader.model.names import Container
from tests.support import served_page
from tests.support.checkout import (
    ROOT,
    clone,
    curl,
    serving,
    shell,
    user_environment,
    without,
)
from tests.support.service import free_port

PAGES = {f"file_uploader/http/pages/static/{name}.html" for name in ("index", "docs")}

MODULES = Path("web/node_modules")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from a clone that is gone afterwards."""
    return built(tmp_path_factory.mktemp("wheel"), user_environment())


def built(directory: Path, environment: dict[str, str]) -> Path:
    """What `make wheel` makes in this environment."""
    sources = clone(directory / "sources")
    if (ROOT / MODULES / ".installed").exists():  # the ways to run install them anew
        (sources / MODULES).symlink_to(ROOT / MODULES)
    shell("make wheel", sources, environment)
    (made,) = (sources / "dist").iterdir()
    wheel = made.rename(directory / made.name)
    shutil.rmtree(sources)
    return wheel


@pytest.fixture(scope="module")
def programs(wheel: Path) -> Iterator[Path]:
    """The directory of the programs of an environment with the wheel and what it needs."""
    home = wheel.parent / "installed"
    pip = f"{home}/bin/pip install --quiet"
    shell(f"python3 -m venv {home}", wheel.parent, user_environment())
    shell(f"{pip} -r requirements-runtime.txt", ROOT, user_environment())
    shell(f"{pip} --no-deps {wheel}", wheel.parent, user_environment())
    shell(f"{home}/bin/pip check", wheel.parent, user_environment())
    yield home / "bin"
    shutil.rmtree(home)


def test_it_holds_the_package_and_its_licence_alone(wheel: Path) -> None:
    version = file_uploader.__version__
    assert wheel.name == f"file_uploader-{version}-py3-none-any.whl"
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        metadata = archive.read(f"file_uploader-{version}.dist-info/METADATA").decode()
    assert {name.split("/")[0] for name in names} == {
        *("file_uploader", f"file_uploader-{version}.dist-info")
    }
    in_sources = {str(path.relative_to(ROOT)) for path in ROOT.glob("file_uploader/**/*.py")}
    others = {"file_uploader/py.typed", "file_uploader/http/pages/openapi.yaml"}
    if served_page.is_expected():
        others |= PAGES
    assert {name for name in names if name.startswith("file_uploader/")} == in_sources | others
    assert f"file_uploader-{version}.dist-info/licenses/LICENSE" in names
    assert "License-Expression: Apache-2.0" in metadata


def test_it_serves(programs: Path, tmp_path: Path) -> None:
    port = free_port()
    token = uuid.uuid4()
    auth = ("-H", f"X-Auth-Token: {token}")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    environment = {**user_environment(programs), "PORT": str(port), "WEB_CONCURRENCY": "1"}
    with serving("file-uploader serve", elsewhere, environment, port=port, patience=30):
        files = f"http://localhost:{port}/api/files"
        assert curl(*auth, "--upload-file", str(ROOT / "LICENSE"), f"{files}/a").status == 204
        assert curl(*auth, files).body == b'["a"]'
        if served_page.is_expected():
            served_page.assert_serves_the_pages(f"http://localhost:{port}")
    assert (elsewhere / "data").is_dir()


def test_without_npm_it_is_built_without_the_pages(tmp_path: Path) -> None:
    (tmp_path / "programs").mkdir()
    environment = without(user_environment(), "npm", tmp_path / "programs")
    with zipfile.ZipFile(built(tmp_path, environment)) as archive:
        names = archive.namelist()
    assert PAGES.isdisjoint(names)
    assert "file_uploader/http/pages/page.py" in names


def test_it_tells_a_clients_container(programs: Path, tmp_path: Path) -> None:
    token = uuid.uuid4()
    environment = user_environment(programs)
    done = shell(f"file-uploader container {token}", tmp_path, environment)
    assert done.stdout == f"{Container.of(token).name}\n"
    wrong = shell("file-uploader container nonsense", tmp_path, environment, check=False)
    assert wrong.returncode
    assert "Traceback" not in wrong.stderr


def test_a_bad_setting_stops_the_start_with_one_line(programs: Path, tmp_path: Path) -> None:
    environment = {**user_environment(programs), "MAX_FILE_SIZE": "a-secret"}
    done = shell("file-uploader serve", tmp_path, environment, check=False)
    assert done.returncode
    (line,) = (done.stdout + done.stderr).strip().splitlines()
    assert "MAX_FILE_SIZE" in line
    assert "a-secret" not in line
