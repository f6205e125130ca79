"""The page at `/api/docs`: all operations of the contract, and nothing from anywhere else."""

from __future__ import annotations

import json
from typing import Any
from urllib.request import urlopen

import pytest
from playwright.sync_api import expect

from tests.support.browser import Visit
from tests.support.service import Service
from tests.support.services import Lend
from tests.system.browser.conftest import OpenPage

PATIENCE = 90_000.0
"""Milliseconds: all operations at once are much to draw for a machine that is busy."""


@pytest.fixture
def running(shared_service: Lend) -> Service:
    return shared_service("local")


def operations(running: Service) -> dict[str, tuple[str, str]]:
    """Method and path of each operation by its id."""
    with urlopen(f"{running.url}/api/openapi.json", timeout=30) as answer:
        contract: dict[str, Any] = json.load(answer)
    return {
        operation["operationId"]: (method.upper(), path)
        for path, item in contract["paths"].items()
        for method, operation in item.items()
        if method != "parameters"
    }


def opened(running: Service, open_page: OpenPage, fragment: str = "") -> Visit:
    """The page, once all of it is drawn."""
    visit = open_page(running.url)
    visit.context.set_default_timeout(PATIENCE)
    visit.page.goto(f"{running.url}/api/docs{fragment}")
    expected = len(operations(running))
    expect(visit.page.locator(".opblock")).to_have_count(expected, timeout=PATIENCE)
    return visit


def test_every_operation_is_shown(running: Service, open_page: OpenPage) -> None:
    visit = opened(running, open_page)
    shown = {
        (
            block.locator(".opblock-summary-method").inner_text(),
            block.locator(".opblock-summary-path").get_attribute("data-path"),
        )
        for block in visit.page.locator(".opblock").all()
    }
    assert shown == set(operations(running).values())
    # Whatever else a document may be refused for is shown in such a box.
    expect(visit.page.locator(".errors-wrapper")).to_have_count(0)
    assert visit.requests == [f"{running.url}/api/docs", f"{running.url}/api/openapi.json"]


def test_it_can_be_tried_where_it_is_shown(running: Service, open_page: OpenPage) -> None:
    visit = opened(running, open_page, "#/files/listFiles")
    visit.page.get_by_role("button", name="Authorize").click()
    form = visit.page.locator(".auth-container", has_text="X-Auth-Token")
    form.locator("input").fill(running.token)
    form.get_by_role("button", name="Apply credentials").click()
    visit.page.get_by_role("button", name="Close").first.click()
    block = visit.page.locator("[id$='-listFiles']")
    expect(block.locator(".responses-inner")).to_be_visible(timeout=PATIENCE)
    block.get_by_role("button", name="Try it out").click()
    with visit.page.expect_response(lambda answer: "/api/files?" in answer.url) as answered:
        block.get_by_role("button", name="Execute").click()
    assert answered.value.status == 200
    assert answered.value.json() == []
