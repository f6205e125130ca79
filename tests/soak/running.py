"""Runs campaigns, one at a time, each as long as it may take."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.soak.campaigns import Campaign
from tests.soak.journal import Chapter, Ended, Entered, Journal
from tests.soak.room import Room
from tests.soak.standing import standing

_SLACK = 1800.0
_TIMES = 4
"""A campaign hangs that takes so much longer than it should, and so many seconds more."""

_PYTEST_RAN = {pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED, pytest.ExitCode.NO_TESTS_COLLECTED}
"""With none collected, all of these have passed before."""

_TAIL = 20_000
"""Bytes of what a program has printed that are enough to see why it ended."""


@dataclass(frozen=True)
class Runner:
    """Runs what is in a room, and notes it. Time is over at ``deadline``, on the monotonic clock.

    ``lock`` is a file descriptor that is kept open until nothing runs any more.
    """

    journal: Journal
    commit: str
    room: Room
    logs: Path
    deadline: float
    lock: int

    @property
    def left(self) -> float:
        """Seconds."""
        return self.deadline - time.monotonic()

    def run(self, campaign: Campaign, torture: float | None = None) -> Ended:
        """Run a campaign, or go on with it, and note how it ended.

        Torture takes what is missing, or so many seconds. Raises `KeyboardInterrupt` when it was
        asked to, and then notes as well that the campaign was stopped.
        """
        chapter = Chapter(self.journal, self.commit, campaign.name)
        chapter.note(Entered(campaign=campaign.name))
        ended = Ended(campaign=campaign.name, outcome="stopped")
        try:
            ended = self._run_all(campaign, chapter, torture)
        finally:
            chapter.note(ended)
            self.room.clear()
        return ended

    def _run_all(self, campaign: Campaign, chapter: Chapter, torture: float | None) -> Ended:
        log = self.logs / f"{campaign.name}.log"
        limit = time.monotonic() + (torture or campaign.minutes * 60) * _TIMES + _SLACK
        begin = log.stat().st_size if log.exists() else 0
        good = {0} if campaign.is_torture else _PYTEST_RAN
        for command in self._commands(campaign, torture):
            status = self._run_one(command, log, chapter, min(limit, self.deadline))
            if status is None and self.left <= 0:
                return Ended(campaign=campaign.name, outcome="stopped")
            if status not in good:
                break
        else:
            if standing(self.journal.entries(), campaign.name, self.commit).items:
                return Ended(campaign=campaign.name, outcome="complete")
        said = log.read_bytes()[begin:][-_TAIL:].decode(errors="replace")
        return Ended(campaign=campaign.name, outcome="broken", log=said)

    def _commands(self, campaign: Campaign, torture: float | None) -> Iterator[Sequence[str]]:
        python = (sys.executable, "-m")
        if campaign.is_torture:
            how = standing(self.journal.entries(), campaign.name, self.commit)
            yield (*python, "tests.soak.tortured", str(torture or how.missing(campaign)))
            return
        tested = (
            *python,
            "pytest",
            "-v",
            "-p",
            "tests.soak.plugin",
            "-p",
            "no:cacheprovider",
            "--ring=soak",
        )
        tests = campaign.tests.split()
        yield (*tested, "-m", "not alone", "-n", "2", "--dist", "worksteal", *tests)
        yield (*tested, "-m", "alone", *tests)

    def _run_one(
        self, command: Sequence[str], log: Path, chapter: Chapter, until: float
    ) -> int | None:
        """Return the status of a program, or nothing if it was stopped because time was over."""
        with log.open("ab") as output:
            process = subprocess.Popen(
                # The kernel tells it if this process is killed.
                [
                    "setpriv",
                    "--pdeathsig",
                    "TERM",
                    sys.executable,
                    "-m",
                    "tests.soak.keeper",
                    *command,
                ],
                cwd=self.room.checkout,
                env=self._environment(chapter),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                pass_fds=(self.lock,),
            )
        try:
            return process.wait(until - time.monotonic())
        except subprocess.TimeoutExpired:
            return None
        finally:
            process.terminate()
            process.wait()

    def _environment(self, chapter: Chapter) -> dict[str, str]:
        # In what calls itself a CI, Hypothesis tries the same examples each time.
        kept = {name: value for name, value in os.environ.items() if name != "CI"}
        temporary = {"TMPDIR": str(self.room.temporary)}
        return {**kept, **temporary, "FAULTS": "long", **chapter.environment()}
