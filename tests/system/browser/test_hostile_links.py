"""Stored files that want to run, opened by a link and put into pages: nothing runs, nothing leaves.

Every reader here has an ordinary profile: private windows do not connect ahead.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from html import escape
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Error, Page

from tests.support.browser import Visit
from tests.support.canary import Canary, canary
from tests.support.links import shared
from tests.support.rounds import rounds
from tests.support.service import Service
from tests.support.stranger import stranger
from tests.system.browser.conftest import OpenPage
from tests.system.browser.hostile import FILES, PDF, RAN, SCRIPT, TITLE, File, aimed

PATIENCE = 2000.0
_KEPT = "() => { try { return document.cookie + localStorage.length } catch (e) { return e.name } }"
_FREE = "allow-scripts allow-same-origin allow-forms allow-popups allow-modals allow-top-navigation"


@pytest.fixture
def bird() -> Iterator[Canary]:
    with canary() as listening:
        yield listening


@pytest.fixture
def links(running: Service, bird: Canary) -> dict[str, str]:
    """Links to all files, by their names."""
    here = f"{running.url}/health"
    return {
        file.name: shared(running, file.name, aimed(file, bird.url, here), file.content_type)
        for file in FILES
    }


def _read(visit: Visit) -> None:
    """Complain of no attempt that the browser stopped; whether it did, the other side tells."""
    visit.expect("^violation: ")
    visit.allow("^console (error|warning): ")
    visit.allow("^request: ")


def _nothing_happened(visit: Visit, running: Service, bird: Canary) -> None:
    visit.page.wait_for_timeout(PATIENCE)
    assert bird.seen == []
    assert "GET /health?" not in running.said()
    assert [line for line in visit.console if RAN in line] == []


def _open(page: Page, file: File, url: str) -> None:
    # What is no document is saved, and the page stays where it was.
    with contextlib.suppress(Error) if not file.shows_title else contextlib.nullcontext():
        page.goto(url, wait_until="commit")


def test_opened_by_a_link(
    running: Service, bird: Canary, links: dict[str, str], open_page: OpenPage, tmp_path: Path
) -> None:
    visit = open_page(running.url, profile=tmp_path / "profile")
    _read(visit)
    opened: list[tuple[File, Page]] = []
    for file in FILES:
        page = visit.context.new_page()
        _open(page, file, links[file.name])
        opened.append((file, page))
    _nothing_happened(visit, running, bird)
    for file, page in opened:
        if file.shows_title:
            assert (page.url, page.title()) == (links[file.name], TITLE)
            assert page.evaluate(_KEPT) == "SecurityError", file.name
        else:
            assert page.title() not in (TITLE, RAN), file.name
    # None of them has opened another, and the context came with one, and the visit with one.
    assert len(visit.context.pages) == len(FILES) + 2


@pytest.mark.parametrize("running", ["local"], indirect=True)
def test_opened_by_name_with_a_token(
    running: Service, bird: Canary, links: dict[str, str], open_page: OpenPage, tmp_path: Path
) -> None:
    """As by an extension of somebody's that adds the header: it is no other answer."""
    visit = open_page(running.url, profile=tmp_path / "profile")
    _read(visit)
    visit.context.set_extra_http_headers({"X-Auth-Token": running.token})
    some = FILES[:: rounds(4, 1)]
    for file in some:
        page = visit.context.new_page()
        _open(page, file, f"{running.files}/{file.name}")
        assert (page.title() == TITLE) == file.shows_title, file.name
    _nothing_happened(visit, running, bird)
    assert len(visit.context.pages) == len(some) + 2
    assert links


@pytest.mark.parametrize("running", ["local"], indirect=True)
def test_saved_by_a_link(
    running: Service, bird: Canary, links: dict[str, str], open_page: OpenPage, tmp_path: Path
) -> None:
    """Whatever the type: none of them is shown."""
    visit = open_page(running.url, profile=tmp_path / "profile")
    visit.allow("^request: ")
    for file in FILES:
        with visit.page.expect_download() as saved, contextlib.suppress(Error):
            visit.page.goto(f"{links[file.name]}?download", wait_until="commit")
        assert saved.value.path().read_bytes() == aimed(file, bird.url, f"{running.url}/health")
        assert visit.page.url == "about:blank", file.name
    _nothing_happened(visit, running, bird)


@pytest.mark.parametrize("running", ["local"], indirect=True)
def test_a_script_in_a_pdf_reaches_nothing(
    running: Service, bird: Canary, open_page: OpenPage, tmp_path: Path
) -> None:
    """The browser's viewer runs it, in no page and for no origin: it can say something, no more."""
    data = aimed(PDF, bird.url, f"{running.url}/health")
    link = shared(running, PDF.name, data, PDF.content_type)
    visit = open_page(running.url, profile=tmp_path / "profile")
    visit.allow("^request: (chrome|chrome-extension)://")
    visit.allow("^console ")
    visit.expect(f"^dialog: alert '{RAN}'")
    visit.page.goto(link, wait_until="commit")
    visit.until(lambda: bool(visit.complaints() == []), "its dialog")
    _nothing_happened(visit, running, bird)
    assert visit.page.url == link
    assert len(visit.context.pages) == 2


@pytest.mark.parametrize(
    "element",
    [
        '<iframe src="{url}"></iframe>',
        f'<iframe sandbox="{_FREE}" src="{{url}}"></iframe>',
        '<img src="{url}"><link rel="stylesheet" href="{url}">',
        '<object data="{url}"></object><embed src="{url}">',
    ],
    ids=["frame", "sandbox", "image", "object"],
)
def test_inside_a_page_of_another_origin(
    running: Service,
    bird: Canary,
    links: dict[str, str],
    element: str,
    open_page: OpenPage,
    tmp_path: Path,
) -> None:
    elements = "".join(element.format(url=escape(url)) for url in links.values())
    with stranger(f"<!doctype html><title>{TITLE}</title>{elements}") as url:
        visit = open_page(running.url, url, profile=tmp_path / "profile")
        visit.allow("^violation: ")
        visit.allow("^console (error|warning): ")
        visit.allow("^request: ")
        visit.page.goto(url, wait_until="commit")
        _nothing_happened(visit, running, bird)
        assert (visit.page.url, visit.page.title()) == (url, TITLE)


_AS_WORKERS = """async url => {
    const tried = async start => {
        try { await start(); return 'done' } catch (error) { return error.name }
    };
    return {
        worker: await tried(() => new Worker(url)),
        shared: await tried(() => new SharedWorker(url)),
        service: await tried(() => navigator.serviceWorker.register(url)),
        module: await tried(() => import(url)),
    };
}"""


def test_a_script_is_no_worker_and_no_module_of_another_origin(
    running: Service, open_page: OpenPage, tmp_path: Path
) -> None:
    """As a plain script it can be loaded, as any file of any origin, and has the page's origin."""
    link = shared(running, SCRIPT.name, SCRIPT.text.encode(), SCRIPT.content_type)
    with stranger(f'<!doctype html><title>{TITLE}</title><script src="{link}"></script>') as url:
        visit = open_page(running.url, url, profile=tmp_path / "profile")
        visit.expect("^console error: .*CORS policy")
        visit.allow(r"^console error: Failed to load resource: net::ERR_FAILED")
        visit.page.goto(url)
        assert visit.page.evaluate("self.seen") == url.rstrip("/")
        outcome: dict[str, Any] = visit.page.evaluate(_AS_WORKERS, link)
        assert outcome == {
            "worker": "SecurityError",
            "shared": "SecurityError",
            "service": "SecurityError",
            "module": "TypeError",
        }


def test_text_is_no_script_of_another_origin(
    running: Service, open_page: OpenPage, tmp_path: Path
) -> None:
    link = shared(running, "script.txt", SCRIPT.text.encode(), "text/plain")
    with stranger(f'<!doctype html><title>{TITLE}</title><script src="{link}"></script>') as url:
        visit = open_page(running.url, url, profile=tmp_path / "profile")
        visit.page.goto(url)
        assert link in visit.requests
        assert visit.page.evaluate("self.seen ?? null") is None
