"""What the suites have made of the mutants, as Markdown."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from .drawing import Mutant
from .suites import Suite
from .verdicts import NOT_THERE, TIMEOUT, Verdicts

AREAS = {
    "file_uploader/http/": "HTTP",
    "file_uploader/storage/local/": "embedded store",
    "file_uploader/storage/s3/": "S3 store",
    "file_uploader/cli/": "commands",
    "": "uploads, and what all share",
}
"""The parts of the package by what the paths of their files begin with; the first match counts."""

LIVING, UNDECIDED = "living", "undecided"


def markdown(mutants: Sequence[Mutant], suites: Sequence[Suite], verdicts: Verdicts) -> str:
    """A table of which suite, in this order, was the first to kill how many; then the living."""
    ends = {mutant.id: _end(mutant, suites, verdicts) for mutant in mutants}
    columns = [*(suite.name for suite in suites), LIVING]
    titles = [*(f"killed by {suite.title}" for suite in suites), LIVING]
    if UNDECIDED in ends.values():
        columns.append(UNDECIDED)
        titles.append(UNDECIDED)
    counts = {area: Counter[str]() for area in AREAS.values()}
    for mutant in mutants:
        counts[_area(mutant)][ends[mutant.id]] += 1
    counts["**all**"] = sum(counts.values(), Counter())
    rows = [
        ["", "drawn", *titles],
        ["---", *["---:"] * (len(titles) + 1)],
        *(
            [area, str(count.total()), *(str(count[column]) for column in columns)]
            for area, count in counts.items()
        ),
    ]
    table = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    living = [mutant for mutant in mutants if ends[mutant.id] in {LIVING, UNDECIDED}]
    return "\n\n".join([table, *_remarks(mutants, suites, verdicts), *map(_shown, living)]) + "\n"


def _end(mutant: Mutant, suites: Iterable[Suite], verdicts: Verdicts) -> str:
    for suite in suites:
        if verdicts.is_killed(mutant.id, suite.name):
            return suite.name
        there = verdicts.last(mutant.id, suite.name) is None
        if there and not verdicts.lives(mutant.id, suite.name, (run.name for run in suite.runs)):
            return UNDECIDED
    return LIVING


def _area(mutant: Mutant) -> str:
    return next(area for start, area in AREAS.items() if mutant.file.startswith(start))


def _remarks(mutants: Sequence[Mutant], suites: Sequence[Suite], verdicts: Verdicts) -> list[str]:
    """What the table does not tell: which were killed by a limit of time, and which not tried."""
    found = {
        (outcome, suite.title): [
            mutant.id
            for mutant in mutants
            if (verdict := verdicts.last(mutant.id, suite.name)) and verdict.outcome == outcome
        ]
        for suite in suites
        for outcome in (TIMEOUT, NOT_THERE)
    }
    words = {TIMEOUT: "Something hung in {}: {}.", NOT_THERE: "Not in the tree of {}: {}."}
    return [
        words[outcome].format(title, ", ".join(ids))
        for (outcome, title), ids in found.items()
        if ids
    ]


def _shown(mutant: Mutant) -> str:
    before = [f"-{line}" for line in mutant.before.split("\n")]
    # What only keeps the number of lines shows nothing.
    after = [f"+{line}" for line in mutant.after.split("\n") if line.strip(" \\")]
    diff = "\n".join([*before, *after])
    return f"`{mutant.file}:{mutant.line}` ({mutant.operator}, {mutant.id})\n\n```diff\n{diff}\n```"
