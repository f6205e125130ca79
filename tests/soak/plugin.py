"""Notes in the journal what came of each test, and leaves out what has passed before.

``pytest -p tests.soak.plugin`` in the environment of a `Chapter`.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection
from typing import Any, Literal

import pytest

from tests.soak.journal import Chapter, Item
from tests.soak.standing import standing

_LINES = 3
"""How much is kept of what a test prints."""
_LONGEST = 500
_SEED = re.compile(r"^seed[ =](\w+)", re.MULTILINE | re.IGNORECASE)


def pytest_configure(config: pytest.Config) -> None:
    # A process of pytest-xdist has its work from the first process, which notes everything.
    worker: dict[str, Any] | None = getattr(config, "workerinput", None)
    if worker is not None:
        config.pluginmanager.register(LeaveOut(worker["soak_passed"]))
        return
    chapter = Chapter.from_environment()
    passed = standing(chapter.journal.entries(), chapter.campaign, chapter.commit).passed
    config.pluginmanager.register(LeaveOut(passed))
    config.pluginmanager.register(Note(chapter, passed))


class LeaveOut:
    """Selects only what has not passed."""

    def __init__(self, passed: Collection[str]) -> None:
        self._passed = frozenset(passed)

    def pytest_collection_modifyitems(
        self, config: pytest.Config, items: list[pytest.Item]
    ) -> None:
        left_out = [item for item in items if item.nodeid in self._passed]
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item.nodeid not in self._passed]


class Note:
    """Notes each test when it has ended."""

    def __init__(self, chapter: Chapter, passed: Collection[str]) -> None:
        self._chapter = chapter
        self._passed = list(passed)
        self._reports: defaultdict[str, list[pytest.TestReport]] = defaultdict(list)

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:
        # All processes have to select the same, also one that replaces a crashed one later.
        node.workerinput["soak_passed"] = self._passed

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._reports[report.nodeid].append(report)
        if report.when not in ("setup", "call"):
            self._chapter.note(self._item(report.nodeid))

    def _item(self, name: str) -> Item:
        reports = self._reports.pop(name)
        printed = reports[-1].capstdout
        seed = _SEED.search(printed)
        lines = [line for line in printed.splitlines() if not _SEED.match(line)]
        lines += [report.longrepr[2] for report in reports if isinstance(report.longrepr, tuple)]
        return Item(
            campaign=self._chapter.campaign,
            name=name,
            outcome=_outcome(reports),
            seconds=sum(report.duration for report in reports),
            seed=seed[1] if seed else "",
            said="\n".join(line[:_LONGEST] for line in lines[-_LINES:]),
            failure="\n".join(_told(report) for report in reports if report.failed),
        )


def _outcome(reports: Collection[pytest.TestReport]) -> Literal["passed", "skipped", "failed"]:
    if any(report.failed for report in reports):
        return "failed"
    return "skipped" if any(report.skipped for report in reports) else "passed"


def _told(report: pytest.TestReport) -> str:
    sections = (f"--- {title} ---\n{text}" for title, text in report.sections)
    return "\n".join([report.longreprtext, *sections])
