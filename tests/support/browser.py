"""Debian's Chromium, driven by Playwright, and all that a page did that it should not have done.

A name that is not this machine's own does not resolve in it, so nothing leaves the machine.
"""

from __future__ import annotations

import contextlib
import re
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import (
    BrowserContext,
    ConsoleMessage,
    Dialog,
    Page,
    Playwright,
    Request,
    WebError,
    WebSocket,
    sync_playwright,
)

INSTALL = "apt-get install --no-install-recommends chromium"
_ARGUMENTS = (
    "--no-sandbox",  # which root cannot have
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--no-pings",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-domain-reliability",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
)
_PATIENCE = 15_000.0
"""Milliseconds."""


class MissingChromiumError(RuntimeError):
    """The machine has no Chromium; the message says what to install."""


class Chromium:
    """A running browser, and what starts another."""

    def __init__(self, playwright: Playwright, program: str) -> None:
        self._type = playwright.chromium
        self._program = program
        self._browser = self._type.launch(executable_path=program, args=_ARGUMENTS)

    def context(self, **options: Any) -> BrowserContext:
        """A new profile that nothing is kept of: one as in a private window."""
        return self._browser.new_context(**options)

    def user(self, directory: Path, **options: Any) -> BrowserContext:
        """A browser of its own with an ordinary profile in a directory.

        Unlike private windows it connects ahead to where a page hints that it will go.
        """
        return self._type.launch_persistent_context(
            directory,
            executable_path=self._program,
            args=_ARGUMENTS,
            **options,
        )

    def close(self) -> None:
        """End the browser that all contexts share."""
        self._browser.close()


@contextlib.contextmanager
def chromium() -> Iterator[Chromium]:
    """A running browser. Raises `MissingChromiumError` where it is not installed.

    As long as it runs, this thread cannot run another event loop.
    """
    program = shutil.which("chromium")
    if program is None:
        raise MissingChromiumError(f"chromium not found: {INSTALL}")
    with sync_playwright() as playwright:
        running = Chromium(playwright, program)
        try:
            yield running
        finally:
            running.close()


class Visit:
    """A page in a profile of its own, and what there is to complain of.

    That is every error and warning on the console, every exception that nobody caught, every
    violation of a content security policy, every dialog, and every request that went to none of
    the origins that were named. What a test provokes, it declares with `allow` or `expect`.
    """

    def __init__(self, context: BrowserContext, origins: tuple[str, ...]) -> None:
        self._origins = {origin_of(origin) for origin in origins}
        self._allowed: list[str] = []
        self._expected: list[str] = []
        self._found: list[str] = []
        self._foreign: list[Request] = []
        self.asked = 0
        """How often it was asked whether to leave a page."""
        self.console: list[str] = []
        self.requests: list[str] = []
        self.context = context
        context.set_default_timeout(_PATIENCE)
        context.on("console", self._said)
        context.on("weberror", self._failed)
        context.on("dialog", self._asked)
        context.on("request", self._requested)
        context.on("page", self._opened)
        self.page: Page = context.new_page()

    def allow(self, pattern: str) -> None:
        """Do not complain of what this is found in."""
        self._allowed.append(pattern)

    def expect(self, pattern: str) -> None:
        """The same, but complain if there is no such thing in the end."""
        self._expected.append(pattern)

    def until(self, condition: Callable[[], bool], what: str) -> None:
        """Wait until the condition holds, also where the page itself may run no script."""
        deadline = time.monotonic() + _PATIENCE / 1000
        while not condition():
            assert time.monotonic() < deadline, f"waited in vain: {what}"
            self.page.wait_for_timeout(50)

    def complaints(self) -> list[str]:
        """What there is to complain of up to now."""
        self.context.cookies()  # answered after all that was reported before
        known = [*self._allowed, *self._expected]
        found = [*self._found, *map(_request, filter(_went_out, self._foreign))]
        wrong = [one for one in found if not any(re.search(each, one) for each in known)]
        missing = [
            f"missing: {each}"
            for each in self._expected
            if not any(re.search(each, one) for one in found)
        ]
        return wrong + missing

    def _said(self, message: ConsoleMessage) -> None:
        text = f"console {message.type}: {message.text} ({message.location['url']})"
        self.console.append(text)
        if message.type in ("error", "warning", "assert"):
            self._found.append(text)

    def _failed(self, error: WebError) -> None:
        self._found.append(f"exception: {error.error}")

    def _asked(self, dialog: Dialog) -> None:
        self._found.append(f"dialog: {dialog.type} {dialog.message!r}")
        if dialog.type == "beforeunload":
            self.asked += 1
            dialog.accept()
        else:
            dialog.dismiss()

    def _requested(self, request: Request) -> None:
        self.requests.append(request.url)
        if not self._is_own(request.url):
            self._foreign.append(request)

    def _connected(self, socket: WebSocket) -> None:
        self._found.append(f"request: {socket.url}")

    def _is_own(self, url: str) -> bool:
        return url.startswith(("data:", "blob:")) or origin_of(url) in self._origins

    def _opened(self, page: Page) -> None:
        page.on("websocket", self._connected)
        # The browser itself reports violations, also of documents that may run no script of ours.
        devtools = self.context.new_cdp_session(page)
        devtools.on("Audits.issueAdded", self._audited)
        devtools.send("Audits.enable")

    def _audited(self, found: dict[str, Any]) -> None:
        issue = found["issue"]
        if issue["code"] == "ContentSecurityPolicyIssue":
            details = issue["details"]["contentSecurityPolicyIssueDetails"]
            blocked = details.get("blockedURL") or details["contentSecurityPolicyViolationType"]
            self._found.append(f"violation: {details['violatedDirective']} by {blocked}")


def origin_of(url: str) -> str:
    """Scheme, host and port."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def _request(request: Request) -> str:
    return f"request: {request.url}"


def _went_out(request: Request) -> bool:
    """Whether no policy stopped it: those that one did are announced too."""
    return request.failure != "csp"
