"""What long runs have shown, from the journal, as Markdown."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from tests.soak.campaigns import Campaign
from tests.soak.journal import Began, Entry, Item
from tests.soak.standing import Standing, newest, standing

_COUNT = re.compile(r"(?:^|[,;:] )(\d[\d,]*) (?!(?:ms|s|[KMG]iB)\b)([a-z][a-z ]*)(?=[,;:.]|$)")
"""What tests print of what they have done, as "12 kills" and "3,400 acknowledged writes"."""


def table(entries: Sequence[Entry], campaigns: Iterable[Campaign]) -> str:
    """A row for each campaign that has ever begun, with the commit on which it did."""
    rows = ["| what | what came of it | took | commit |", "| --- | --- | ---: | --- |"]
    for campaign in campaigns:
        if found := newest(entries, campaign.name):
            commit, how = found
            day = f"`{short(commit)}`, {how.last:%Y-%m-%d}"
            rows.append(f"| {campaign.about} | {_result(how)} | {_took(how.seconds)} | {day} |")
    return "\n".join(rows)


def report(entries: Sequence[Entry], campaigns: Sequence[Campaign], commit: str) -> str:
    """All that is known: of the last run, of each campaign, of each test and each failure."""
    shown = [
        (each, *found) for each in campaigns if (found := newest(entries, each.name)) is not None
    ]
    failures = [text for _, with_commit, how in shown for text in _failures(with_commit, how)]
    parts = [
        f"# Long runs, up to commit {short(commit)}",
        *_last_run(entries),
        f"To do with this commit: {', '.join(_todo(entries, campaigns, commit)) or 'nothing'}.",
        table(entries, campaigns),
        "## What has failed",
        *(failures or ["Nothing."]),
        "## What was tried",
        *(_tried(*each) for each in shown),
    ]
    return "\n\n".join(parts) + "\n"


def has_failed(entries: Sequence[Entry], campaigns: Iterable[Campaign], commit: str) -> bool:
    """Whether anything has failed with a commit, ever, or could not be tried."""
    return any(
        how.failures or (how.end is not None and how.end.outcome == "broken")
        for how in (standing(entries, each.name, commit) for each in campaigns)
    )


def short(commit: str) -> str:
    """A commit as people write it."""
    return commit[:10]


def _last_run(entries: Sequence[Entry]) -> Iterator[str]:
    for entry in reversed(entries):
        if isinstance(entry.what, Began):
            yield f"The last run began {entry.at:%Y-%m-%d %H:%M} UTC, for {entry.what.hours:g} h."
            yield "\n".join(f"* {name}: {value}" for name, value in entry.what.machine.items())
            return


def _todo(entries: Sequence[Entry], campaigns: Iterable[Campaign], commit: str) -> Iterator[str]:
    for campaign in campaigns:
        if not standing(entries, campaign.name, commit).is_done(campaign):
            lacking = campaign.lacking()
            yield f"{campaign.name} (needs {', '.join(lacking)})" if lacking else campaign.name


def _result(how: Standing) -> str:
    outcomes = Counter(item.outcome for item in how.latest.values())
    told = [f"{outcomes[each]:,} {each}" for each in ("passed", "skipped") if outcomes[each]]
    if how.failures:
        told.append(f"**{len(how.failures)} failed**")
    if how.end is not None and how.end.outcome == "broken":
        told.append("**broken off**")
    elif not how.complete:
        told.append("not to its end")
    return ": ".join(filter(None, [", ".join(told), _sums(how.latest.values())]))


def _sums(items: Iterable[Item]) -> str:
    sums: Counter[str] = Counter()
    for item in items:
        for line in item.said.splitlines():
            for number, what in _COUNT.findall(line):
                sums[what] += int(number.replace(",", ""))
    return ", ".join(f"{number:,} {what}" for what, number in sums.items())


def _took(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def _failures(commit: str, how: Standing) -> Iterator[str]:
    for item in how.failures:
        yield f"### {item.name}, {short(commit)}\n\n{_quoted(item.failure)}"
    if how.end is not None and how.end.log:
        yield f"### {how.end.campaign}, {short(commit)}: broken off\n\n{_quoted(how.end.log)}"


def _quoted(text: str) -> str:
    return "\n".join(f"    {line}" for line in text.splitlines())


def _tried(campaign: Campaign, commit: str, how: Standing) -> str:
    lines = [f"### {campaign.name}, {short(commit)}", ""]
    for item in how.items:
        seed = f", seed {item.seed}" if item.seed else ""
        lines.append(f"* {item.name}: {item.outcome}, {_took(item.seconds)}{seed}")
        lines += [f"  * {line}" for line in item.said.splitlines()]
    return "\n".join(lines)
