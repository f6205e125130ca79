"""Makes the pictures of the docs: ``python -m tests.system.browser.screenshots DIRECTORY``."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from playwright.sync_api import expect

from tests.support.browser import Visit, chromium
from tests.support.service import LocalBackend, service
from tests.support.stored import put
from tests.system.browser.page import UploaderPage

FILES = {
    "budget.csv": ("text/csv", b"month,amount\n" + b"2026-01,1200\n" * 12),
    "notes.md": ("text/markdown", b"# Notes\n\n* call back on Monday\n* send the photos\n"),
    "photos/2026/beach.jpg": ("image/jpeg", b"\xff\xd8" * 400_000),
    "report.pdf": ("application/pdf", b"%PDF" * 600_000),
    "talk.mp4": ("video/mp4", b"\0" * 9_000_000),
}


def main(target: Path) -> None:
    """Make all pictures."""
    target.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as name, chromium() as browser:
        directory = Path(name)
        with service(LocalBackend(directory / "data"), directory / "log") as running:
            context = browser.context(viewport={"width": 1000, "height": 1100}, locale="en-US")
            page = UploaderPage(Visit(context, (running.url,)), running.url)
            page.open()
            running.token = page.sign_up()
            page.button("I have saved it").click()
            put(running, FILES)
            page.button("Reload the list").click()
            page.expect_listed("notes.md")
            holiday = directory / "holiday.mov"
            holiday.write_bytes(bytes(60_000_000))
            page.throttle(10_000_000)
            page.choose([holiday])
            page.wait_until_uploaded(55)
            page.page.screenshot(path=target / "files.png")
            page.throttle(0)
            page.expect_listed("holiday.mov")
            page.opener("notes.md").click()
            expect(page.dialog.get_by_role("region", name="Preview")).to_be_visible()
            page.button("Make a link").click()
            expect(page.dialog.get_by_label("Link", exact=True)).to_be_visible()
            page.page.screenshot(path=target / "share.png")
            context.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
