"""What somebody new has: a clone, one command, a browser."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.checkout import clone, serving, user_environment
from tests.support.service import free_port
from tests.system.browser.conftest import OpenPage
from tests.system.browser.page import UploaderPage
from tests.system.browser.test_uploads import drop_files_and_a_folder


@pytest.fixture
def checkout(tmp_path: Path) -> Iterator[Path]:
    directory = clone(tmp_path / "file-uploader")
    yield directory
    shutil.rmtree(directory)


def test_one_command_and_the_page_is_there(
    checkout: Path, open_page: OpenPage, tmp_path: Path
) -> None:
    port = free_port()
    environment = {**user_environment(), "PORT": str(port)}
    with serving("make run", checkout, environment, port=port):
        url = f"http://localhost:{port}"
        page = UploaderPage(open_page(url), url)
        page.open()
        drop_files_and_a_folder(page, port, tmp_path / "dropped")
