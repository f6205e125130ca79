"""The page as a person uses it, by what is written on it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Locator, Page, expect

from tests.support.browser import Visit
from tests.support.service import Service

TOKEN = "file-uploader.token"


class UploaderPage:
    """An open page."""

    def __init__(self, visit: Visit, url: str, page: Page | None = None) -> None:
        self.visit = visit
        self.page = page or visit.page
        self.url = url
        # Limits to the network last as long as the session that has set them.
        self._devtools = visit.context.new_cdp_session(self.page)

    def tab(self) -> UploaderPage:
        """The page once more, in another tab of the same browser."""
        other = UploaderPage(self.visit, self.url, self.visit.context.new_page())
        other.open()
        return other

    def open(self, folder: str = "") -> None:
        """Load the page, at one of its folders."""
        self.page.goto(f"{self.url}/#{folder}")

    def sign_up(self) -> str:
        """Make a token and return it."""
        self.button("Make a new token").click()
        expect(self.heading("Upload")).to_be_visible()
        return self.token()

    def forget(self) -> None:
        """Forget the token."""
        self.button("Forget the token").click()
        self.button("Forget the token", self.dialog).click()
        expect(self.button("Make a new token")).to_be_visible()

    def sign_in(self, token: str) -> None:
        """Paste a token."""
        self.page.get_by_label("I have a token").fill(token)
        self.button("Use this token").click()
        expect(self.heading("Upload")).to_be_visible()

    def token(self) -> str:
        """The token that is kept, for this tab or on the device."""
        stores = "[sessionStorage, localStorage]"
        kept: str = self.page.evaluate(
            f"{stores}.map(each => each.getItem({TOKEN!r})).find(each => each)"
        )
        return kept

    def choose(self, files: Sequence[Path], button: str = "browse files") -> None:
        """Choose files, or a folder, to be uploaded."""
        with self.page.expect_file_chooser() as chooser:
            self.page.get_by_role("button", name=re.compile(button)).first.click()
        chooser.value.set_files(list(files))

    def drop(self, paths: Sequence[Path]) -> None:
        """Drop files and folders from outside of the browser onto the middle of the page."""
        data: dict[str, Any] = {
            "items": [],
            "files": [str(path) for path in paths],
            "dragOperationsMask": 1,
        }
        for kind in ("dragEnter", "dragOver", "drop"):
            event = {"type": kind, "x": 400, "y": 600, "data": data}
            self._devtools.send("Input.dispatchDragEvent", event)

    def throttle(self, rate: int, *, offline: bool = False) -> None:
        """Let the browser send so many bytes a second, 0: as many as it can, or nothing at all."""
        limits = {"latency": 0, "downloadThroughput": -1, "uploadThroughput": rate or -1}
        self._devtools.send("Network.enable")
        self._devtools.send("Network.emulateNetworkConditions", {"offline": offline, **limits})

    def button(self, name: str, within: Locator | None = None) -> Locator:
        """A button by its whole name."""
        return (within or self.page).get_by_role("button", name=name, exact=True)

    def heading(self, name: str) -> Locator:
        """A heading by its whole text."""
        return self.page.get_by_role("heading", name=name, exact=True)

    def row(self, name: str) -> Locator:
        """The row of a file or a folder of the list."""
        return self.page.get_by_role("row").filter(has=self.opener(name))

    def opener(self, name: str) -> Locator:
        """What opens a file or a folder of the list."""
        return self.button(f"Open {name}")

    def expect_listed(self, *names: str, seconds: float = 15) -> None:
        """Wait until all of these are in the list."""
        for name in names:
            expect(self.opener(name)).to_be_attached(timeout=seconds * 1000)

    @property
    def notices(self) -> Locator:
        """What the page has told last."""
        return self.page.locator(".notices")

    @property
    def dialog(self) -> Locator:
        """The dialog that is open."""
        return self.page.get_by_role("dialog").last

    @contextmanager
    def opened(self, name: str) -> Iterator[Locator]:
        """The dialog of a file."""
        self.opener(name).click()
        expect(self.dialog).to_be_visible()
        yield self.dialog
        self.page.keyboard.press("Escape")
        expect(self.page.get_by_role("dialog")).to_have_count(0)

    def uploaded(self) -> float:
        """How much of all uploads is done, in percent."""
        bar = self.page.locator(".uppy-StatusBar [role=progressbar]")
        return float(bar.get_attribute("aria-valuenow") or 0) if bar.count() else 0.0

    def wait_until_uploaded(self, percent: float) -> None:
        """Wait until so much of all uploads is done."""
        while self.uploaded() < percent:
            self.page.wait_for_timeout(50)


def page_of(visit: Visit, running: Service) -> UploaderPage:
    """The page of a service, loaded."""
    page = UploaderPage(visit, running.url)
    page.open()
    return page
