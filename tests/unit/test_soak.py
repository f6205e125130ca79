"""A long run that is stopped goes on with what is missing, and reports what ran on which commit."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

import pytest

from tests.soak import report
from tests.soak.campaigns import CAMPAIGNS, NEEDS, TORTURE, Campaign
from tests.soak.journal import Began, Chapter, Ended, Entered, Entry, Item, Journal, What
from tests.soak.standing import newest, plan, standing
from tests.support.service import ROOT

NEW, OLD = "a" * 40, "b" * 40
SHORT = Campaign("short", "short ones", 1, "tests")
LONG = Campaign("long", "long ones", 60, "tests")


def item(
    name: str,
    outcome: Literal["passed", "skipped", "failed"] = "passed",
    campaign: Campaign = SHORT,
    seconds: float = 1,
    said: str = "",
) -> Item:
    return Item(campaign=campaign.name, name=name, outcome=outcome, seconds=seconds, said=said)


def entered(campaign: Campaign = SHORT) -> Entered:
    return Entered(campaign=campaign.name)


def ended(
    campaign: Campaign = SHORT, outcome: Literal["complete", "stopped", "broken"] = "complete"
) -> Ended:
    return Ended(campaign=campaign.name, outcome=outcome, log="its log")


def entries(*whats: What, commit: str = NEW, hour: int = 0) -> list[Entry]:
    """One thing a minute, from an hour of some day."""
    begin = datetime(2026, 1, 1, hour, tzinfo=UTC)
    return [
        Entry(commit, what, begin + timedelta(minutes=minute)) for minute, what in enumerate(whats)
    ]


def test_what_is_noted_is_read_again(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal")
    assert journal.entries() == []
    whats = (
        Began(hours=0.5, machine={"cores": "2"}, room="/somewhere"),
        entered(),
        item("a", "failed", said="1 line\nand \u2028 another"),
        ended(),
    )
    for entry in entries(*whats):
        journal.note(entry)
    assert journal.entries() == entries(*whats)


def test_a_torn_line_spoils_no_other(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal")
    before, torn, after = entries(item("a"), item("b"), item("c"))
    journal.note(before)
    journal.note(torn)
    journal.path.write_bytes(journal.path.read_bytes()[:-5])
    journal.note(after)
    assert journal.entries() == [before, after]


def test_lines_of_other_versions_are_left_alone(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal")
    [entry] = entries(item("a"))
    for line in (
        entry.line().replace('"Item"', '"Other"'),
        entry.line().replace('"name"', '"called"'),
        "[]",
    ):
        journal.path.write_text(line)
        journal.note(entry)
        assert journal.entries() == [entry], line


def test_another_process_is_told_of_the_chapter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chapter = Chapter(Journal(tmp_path / "journal"), NEW, "short")
    for name, value in chapter.environment().items():
        monkeypatch.setenv(name, value)
    Chapter.from_environment().note(item("a"))
    [entry] = chapter.journal.entries()
    assert (entry.commit, entry.what) == (NEW, item("a"))


def test_what_has_passed_is_not_tried_again() -> None:
    found = entries(
        entered(), item("a"), item("b", "failed"), item("c", "skipped"), item("d", "failed"),
        item("b"),
    )  # fmt: skip
    how = standing(found, "short", NEW)
    assert how.passed == ["a", "b"]
    assert [each.name for each in how.failures] == ["b", "d"]


def test_what_comes_while_it_is_stopped_does_not_count() -> None:
    found = entries(
        entered(), item("a"), ended(outcome="stopped"), item("b", "failed"),
        ended(outcome="stopped"), entered(), item("c"),
    )  # fmt: skip
    how = standing(found, "short", NEW)
    assert [each.name for each in how.items] == ["a", "c"]
    assert how.seconds == 3 * 60
    assert how.end is None


@pytest.mark.parametrize(
    ("whats", "done"),
    [
        ([], False),
        ([entered(), item("a")], False),
        ([entered(), item("a"), ended(outcome="stopped")], False),
        ([entered(), item("a"), ended(outcome="broken")], False),
        ([entered(), item("a"), ended()], True),
        ([entered(), item("a", "skipped"), ended()], True),
        ([entered(), item("a", "failed"), ended()], False),
        ([entered(), item("a", "failed"), ended(), entered(), item("a"), ended()], True),
    ],
)
def test_what_is_done_is_left_out(whats: Sequence[What], done: bool) -> None:
    assert plan(entries(*whats), [SHORT], NEW) == ([] if done else [SHORT])
    assert plan(entries(*whats, commit=OLD), [SHORT], NEW) == [SHORT]


def test_torture_is_done_when_it_took_long_enough() -> None:
    whats = [item(str(number), campaign=TORTURE, seconds=600) for number in range(6)]
    some = entries(entered(TORTURE), *whats[:5], ended(TORTURE, "stopped"))
    assert standing(some, "torture", NEW).missing(TORTURE) == 600
    assert standing(some, "torture", OLD).missing(TORTURE) == 3600
    assert plan(some, [TORTURE], NEW) == [TORTURE]
    assert plan(entries(*whats), [TORTURE], NEW) == []


def test_what_has_waited_longest_comes_first_and_then_what_is_short() -> None:
    assert plan([], [LONG, SHORT], NEW) == [SHORT, LONG]
    short_ran = entries(entered(), item("a"), commit=OLD, hour=1)
    assert plan(short_ran, [SHORT, LONG], NEW) == [LONG, SHORT]
    both_ran = entries(entered(LONG), ended(LONG, "stopped"), hour=2)
    assert plan([*short_ran, *both_ran], [LONG, SHORT], NEW) == [SHORT, LONG]


def test_only_what_is_known_to_have_run_counts_as_time() -> None:
    killed = entries(entered(), item("a"), item("b"))
    again = entries(entered(), item("c"), ended(), hour=5)
    assert standing([*killed, *again], "short", NEW).seconds == 4 * 60


def test_a_row_is_of_the_commit_that_completed_it_last() -> None:
    first = entries(entered(), item("a"), ended(), commit=OLD, hour=1)
    then = entries(entered(), item("a"), ended(outcome="stopped"), hour=2)
    for found, commit in ((first, OLD), ([*first, *then], OLD), (then, NEW)):
        row = newest(found, "short")
        assert row is not None
        assert row[0] == commit
    assert newest(first, "long") is None


def test_the_table_sums_what_the_tests_have_counted() -> None:
    found = entries(
        entered(),
        item("a", said="1,000 kills, 13,604 acknowledged writes, slowest start 0.52"),
        item("b", said="x: 22 calls: open, write\n5 kills, 20 ms, 280 MiB, back after 1.00 s"),
        ended(),
    )
    [row] = report.table(found, [SHORT, LONG]).splitlines()[2:]
    assert row == (
        "| short ones | 2 passed: 1,005 kills, 13,604 acknowledged writes, 22 calls | 3 min"
        f" | `{NEW[:10]}`, 2026-01-01 |"
    )


@pytest.mark.parametrize(
    ("whats", "result"),
    [
        ([item("a"), item("b", "skipped"), ended()], "1 passed, 1 skipped"),
        ([item("a"), ended(outcome="stopped")], "1 passed, not to its end"),
        ([item("a")], "1 passed, not to its end"),
        ([ended(outcome="broken")], "**broken off**"),
        ([item("a", "failed"), ended(), entered(), item("a")], "1 passed, **1 failed**"),
    ],
)
def test_the_table_tells_what_did_not_go_well(whats: Sequence[What], result: str) -> None:
    assert f"| short ones | {result} |" in report.table(entries(entered(), *whats), [SHORT])


@pytest.mark.parametrize(
    ("whats", "failed"),
    [
        ([item("a"), ended()], False),
        ([item("a"), ended(outcome="stopped")], False),
        ([item("a", "failed"), ended(), entered(), item("a"), ended()], True),
        ([item("a"), ended(outcome="broken")], True),
        ([ended(outcome="broken"), entered(), item("a"), ended()], False),
    ],
)
def test_what_has_failed_once_has_failed(whats: Sequence[What], failed: bool) -> None:
    assert report.has_failed(entries(*whats), [SHORT], NEW) == failed
    assert not report.has_failed(entries(*whats), [SHORT], OLD)


def test_the_report_shows_failures_and_what_is_to_be_done() -> None:
    failure = Item(
        campaign="short", name="a::b", outcome="failed", seconds=1, seed="77", failure="x\ny"
    )
    began = Began(hours=0.5, machine={"file system": "ext4"}, room="")
    found = entries(began, entered(), failure, ended(outcome="broken"))
    text = report.report(found, [SHORT, LONG], NEW)
    for part in (
        "The last run began 2026-01-01 00:00 UTC, for 0.5 h.\n\n* file system: ext4\n",
        "To do with this commit: short, long.\n",
        f"### a::b, {NEW[:10]}\n\n    x\n    y\n",
        "    its log\n",
        "* a::b: failed, 1 s, seed 77\n",
    ):
        assert part in text
    assert "Nothing." in report.report(entries(entered(), item("a")), [SHORT], NEW)


def test_the_campaigns_are_of_tests_that_exist() -> None:
    assert len({campaign.name for campaign in CAMPAIGNS}) == len(CAMPAIGNS)
    for campaign in CAMPAIGNS:
        paths = [each for each in campaign.tests.split() if not each.startswith("-")]
        assert [path for path in paths if not (ROOT / path).exists()] == [], campaign.name
        assert set(campaign.needs) <= NEEDS.keys()
