"""The page below a path: all that it asks for is below that path as well."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import expect

from tests.support.service import LocalBackend, Service, service
from tests.system.browser.conftest import OpenPage
from tests.system.browser.page import UploaderPage

ROOT = "/team/files"


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Service]:
    backend, settings = LocalBackend(tmp_path / "data"), {"ROOT_PATH": ROOT}
    with service(backend, tmp_path / "service.log", settings=settings) as one:
        yield one


@pytest.mark.parametrize("slash", ["", "/"])
def test_the_page_below_a_path(
    running: Service, open_page: OpenPage, tmp_path: Path, slash: str
) -> None:
    visit = open_page(running.url)
    asked: list[str] = []
    visit.page.on("request", lambda request: asked.append(request.url))
    page = UploaderPage(visit, running.url + ROOT)
    page.page.goto(f"{running.url}{ROOT}{slash}")
    page.sign_up()
    file = tmp_path / "greeting.txt"
    file.write_text("hello")
    page.choose([file])
    page.expect_listed("greeting.txt")
    with page.opened("greeting.txt") as dialog:
        expect(dialog.get_by_text("hello")).to_be_visible()
        expect(
            dialog.get_by_text(f"{running.url}{ROOT}/api/files/greeting.txt").first
        ).to_be_attached()
    paths = [urlsplit(url).path for url in asked if url.startswith("http")]
    assert {ROOT + "/api/uploads", ROOT + "/api/files", ROOT + "/api/links"} <= set(paths)
    assert all(path == ROOT or path.startswith(f"{ROOT}/") for path in paths), paths


@pytest.mark.parametrize("slash", ["", "/"])
def test_the_contract_below_a_path(running: Service, open_page: OpenPage, slash: str) -> None:
    visit = open_page(running.url)
    visit.page.goto(f"{running.url}{ROOT}/api/docs{slash}")
    expect(visit.page.locator(".opblock").first).to_be_visible(timeout=60_000)
    expect(visit.page.get_by_text(ROOT, exact=True).first).to_be_attached()
