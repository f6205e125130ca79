"""A plugin of pytest: notes in a file which tests begin and end as it happens; ends what hangs.

Whoever ends a run that hangs, or one that has failed, reads there which tests that concerns. The
plugin is loaded into trees of other commits, so it is on its own: it imports nothing of them.
"""

from __future__ import annotations

import faulthandler
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest


def pytest_configure(config: pytest.Config) -> None:
    """Note what happens in this process, which is also told of its workers' tests."""
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(_Journal(Path(os.environ["MUTANTS_JOURNAL"])))
    elif limits := os.environ.get("MUTANTS_LIMITS"):
        config.pluginmanager.register(_Limits(json.loads(Path(limits).read_text())))


class _Limits:
    """Ends this worker with a test that takes longer than it may: xdist goes on with another."""

    def __init__(self, seconds: dict[str, float]) -> None:
        self._seconds = seconds

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        limit = self._seconds.get(item.nodeid, self._seconds[""])
        faulthandler.dump_traceback_later(limit, exit=True, file=2)
        try:
            return (yield)
        finally:
            faulthandler.cancel_dump_traceback_later()


class _Journal:
    def __init__(self, path: Path) -> None:
        self._file = path.open("a", buffering=1)

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        self._note(test=nodeid, begins=True)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._note(test=report.nodeid, seconds=report.duration, failed=report.failed)

    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        self._note(test=nodeid, ends=True)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self._note(test=report.nodeid, failed=True)

    def _note(self, **said: Any) -> None:
        self._file.write(f"{json.dumps(said)}\n")
