"""A browser for all tests here, and pages that are held to what they may do."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import pytest

from tests.support.browser import Chromium, MissingChromiumError, Visit, chromium


class OpenPage(Protocol):
    """Opens an empty page that may send requests to these origins.

    ``profile`` is for a browser with an ordinary profile of its own, kept in that directory.
    ``options`` are those of Playwright's ``new_context``: ``locale``, ``color_scheme``,
    ``viewport`` and so on.
    """

    def __call__(self, *origins: str, profile: Path | None = None, **options: Any) -> Visit: ...


@pytest.fixture(scope="package")
def browser() -> Iterator[Chromium]:
    """A running Chromium. Skips where it is not installed, but fails if ``CI`` is set.

    It ends with the last test here, since no test with an event loop can run beside it.
    """
    with contextlib.ExitStack() as running:
        try:
            yield running.enter_context(chromium())
        except MissingChromiumError as error:
            if os.environ.get("CI"):
                pytest.fail(f"needs Chromium: {error}")
            pytest.skip(f"needs Chromium: {error}")


@pytest.fixture
def open_page(browser: Chromium) -> Iterator[OpenPage]:
    """Pages, each in a profile of its own; the test fails if there is any complaint of one."""
    visits: list[Visit] = []

    def opened(*origins: str, profile: Path | None = None, **options: Any) -> Visit:
        options = {"locale": "en-US", **options}
        context = browser.user(profile, **options) if profile else browser.context(**options)
        visits.append(Visit(context, origins))
        return visits[-1]

    yield opened
    complaints = [one for visit in visits for one in visit.complaints()]
    for visit in visits:
        visit.context.close()
    assert complaints == []
