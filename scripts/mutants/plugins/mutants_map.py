"""A plugin of pytest: notes which test executes which lines of a package, and how long it takes.

Only what happens in this process is seen. What is executed for several tests, such as a fixture
of a session, is noted for the first of them; what is executed by no test, for the empty name. The
parameters of a test are left out of its name.
"""

from __future__ import annotations

import json
import os
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import coverage
import pytest


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> None:
    """Begin before anything of the package is imported."""
    early_config.pluginmanager.register(_Map(early_config.rootpath))


class _Map:
    def __init__(self, root: Path) -> None:
        self._root = root
        self._seconds: dict[str, float] = defaultdict(float)
        self._coverage = coverage.Coverage(
            data_file=None,
            config_file=False,
            include=[f"{root / os.environ['MUTANTS_PACKAGE']}/*"],
        )
        self._coverage.start()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        self._coverage.switch_context(_function(item.nodeid))
        yield
        self._coverage.switch_context("")

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._seconds[_function(report.nodeid)] += report.duration

    def pytest_sessionfinish(self) -> None:
        self._coverage.stop()
        data = self._coverage.get_data()
        names = ["", *sorted(self._seconds)]
        # Numbers for names: a line may be executed by a thousand tests.
        numbers = {name: number for number, name in enumerate(names)}
        lines = {
            str(Path(file).relative_to(self._root)): {
                line: [numbers[name] for name in executing]
                for line, executing in data.contexts_by_lineno(file).items()
            }
            for file in data.measured_files()
        }
        found = {"tests": names, "seconds": self._seconds, "lines": lines}
        Path(os.environ["MUTANTS_MAP"]).write_text(json.dumps(found))


def _function(nodeid: str) -> str:
    return nodeid.partition("[")[0]
