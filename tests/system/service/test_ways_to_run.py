"""Every promised way to run the service, word for word, in a fresh clone.

Of ``pytest -v`` and ``make test`` a few tests are run here, to see that the commands work where
they are promised to; `.ci/run` runs all of them with what requirements.txt brings, and no more.
"""

from __future__ import annotations

import json
import os
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import served_page
from tests.support.browser import INSTALL, Visit, chromium
from tests.support.checkout import PORT, clone, curl, serving, shell, user_environment, without
from tests.support.s3_servers import S3Server
from tests.system.browser.page import UploaderPage
from tests.system.browser.test_uploads import drop_files_and_a_folder

BY_HAND = "python3 -m venv venv; . venv/bin/activate; pip install -r requirements.txt; "
GUNICORN = "gunicorn app:app -b 0.0.0.0:8080 --reload -w 1"
FEW_TESTS = "tests/unit/test_docs.py"

pytestmark = pytest.mark.usefixtures("promised_port")


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    directory = clone(tmp_path_factory.mktemp("ways") / "file-uploader")
    yield directory
    shutil.rmtree(directory)


@pytest.fixture(params=["local", "ceph"])
def dot_env(request: pytest.FixtureRequest, checkout: Path) -> Iterator[str]:
    """A ``.env`` for each store: the one that ships, or the three lines and an endpoint."""
    file = checkout / ".env"
    if request.param == "local":
        shutil.copy(checkout / ".env.example", file)
        yield "local"
        shutil.rmtree(checkout / "data")
    else:
        server: S3Server = request.getfixturevalue("ceph")
        bucket = server.fresh_bucket()
        file.write_text(
            f"BUCKET={bucket}\n"
            f"AWS_ACCESS_KEY_ID={server.access_key}\n"
            f"AWS_SECRET_ACCESS_KEY={server.secret_key}\n"
            f"AWS_ENDPOINT_URL_S3={server.endpoint}\n"
        )
        yield "ceph"
        assert not (checkout / "data").exists()
        server.remove_bucket(bucket)
    file.unlink()


def make_the_three_calls(tmp_path: Path, port: int = 8080) -> None:
    """List, upload, delete, as the first page of the docs has it."""
    auth = ("-H", f"X-Auth-Token: {uuid.uuid4()}")
    files = f"http://localhost:{port}/api/files"
    upload = tmp_path / "upload"
    upload.write_bytes(bytes(range(256)) * 4096)

    def listed() -> object:
        answer = curl(*auth, files)
        assert (answer.status, answer.content_type) == (200, "application/json")
        return json.loads(answer.body)

    assert listed() == []
    assert curl(*auth, "--upload-file", str(upload), f"{files}/a/file.bin").status == 204
    assert listed() == ["a/file.bin"]
    assert curl(*auth, f"{files}/a/file.bin").body == upload.read_bytes()
    assert curl(*auth, "-X", "DELETE", f"{files}/a/file.bin").status == 204
    assert listed() == []


@pytest.mark.smoke
def test_by_hand(checkout: Path, dot_env: str, tmp_path: Path) -> None:
    with serving(BY_HAND + GUNICORN, checkout, user_environment()):
        make_the_three_calls(tmp_path)


def test_pytest_by_hand(checkout: Path) -> None:
    tests = shell(f"{BY_HAND}pytest -v {FEW_TESTS}", checkout, user_environment())
    assert " passed" in tests.stdout.splitlines()[-1]


@pytest.mark.parametrize("target", ["run", "start-gunicorn"])
def test_make_serves(checkout: Path, dot_env: str, target: str, tmp_path: Path) -> None:
    with serving(f"make {target}", checkout, user_environment()):
        make_the_three_calls(tmp_path)
        if served_page.is_expected():
            served_page.assert_serves_the_pages("http://localhost:8080")


@pytest.mark.skipif(not os.environ.get("CI") and not shutil.which("chromium"), reason=INSTALL)
def test_the_page_of_make_run_does_its_work(checkout: Path, tmp_path: Path) -> None:
    url = "http://localhost:8080"
    with serving("make run", checkout, user_environment()), chromium() as browser:
        visit = Visit(browser.context(locale="en-US"), (url,))
        page = UploaderPage(visit, url)
        page.open()
        drop_files_and_a_folder(page, PORT, tmp_path / "dropped")
        assert visit.complaints() == []
    shutil.rmtree(checkout / "data")


def test_make_run_serves_where_it_is_told(checkout: Path, tmp_path: Path) -> None:
    environment = {**user_environment(), "HOST": "127.0.0.1", "PORT": "18080"}
    with serving("make run", checkout, environment, port=18080):
        make_the_three_calls(tmp_path, 18080)
    shutil.rmtree(checkout / "data")


def test_make_run_serves_without_npm(checkout: Path, tmp_path: Path) -> None:
    shutil.rmtree(checkout / "file_uploader/http/pages/static", ignore_errors=True)
    (tmp_path / "programs").mkdir()
    environment = without(user_environment(), "npm", tmp_path / "programs")
    with serving("make run", checkout, environment):
        make_the_three_calls(tmp_path)
        answer = curl("http://localhost:8080/")
    assert (answer.status, answer.content_type) == (404, "text/plain; charset=utf-8")
    assert b"`make page`" in answer.body
    log = (checkout.parent / "serving.log").read_text()
    assert "npm is not there, so there is no page at /" in log
    shutil.rmtree(checkout / "data")


# pip has all of it in there already: `.ci/run` installs everything anew by the same rules.
REUSED = "VENV=venv"


def test_make_test(checkout: Path) -> None:
    done = shell(f'make test {REUSED} ARGS="-n 0 {FEW_TESTS}"', checkout, user_environment())
    assert " passed" in done.stdout.splitlines()[-1]


def test_nothing_is_installed_twice(checkout: Path) -> None:
    environment = user_environment()
    shell(f"make install {REUSED}", checkout, environment)
    tools = ["web/node_modules/.installed"] if served_page.is_expected() else []

    def asked(target: str) -> int:
        """0 if nothing is to be done, 1 if something is; 2 is an error."""
        return shell(f"make -q {REUSED} {target}", checkout, environment, check=False).returncode

    installed = ("install", "venv/.runtime", "venv/.test")
    assert all(asked(target) == 0 for target in (*installed, *tools))
    (checkout / "requirements-runtime.txt").touch()
    assert all(asked(target) == 1 for target in installed)
    (checkout / "web/package-lock.json").touch()
    assert all(asked(target) == 1 for target in tools)


def test_the_checkout_is_clean_after_all_that(checkout: Path) -> None:
    """Whatever the commands leave is ignored by git, and ``make clean`` removes it."""
    status = "git status --porcelain --untracked-files=all"
    before = shell(status, checkout, user_environment()).stdout
    shell("make clean", checkout, user_environment())
    for made in (".venv", "file_uploader/http/pages/static", "web/node_modules"):
        assert not (checkout / made).exists()
    assert shell(status, checkout, user_environment()).stdout == before
    assert not [line for line in before.splitlines() if line.endswith((".env", "/", ".pyc"))]
