"""A run as tables in Markdown."""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from bench.figures import Entrant, Figures, Run
from bench.loads import memory
from bench.page import inserted
from bench.suites import US

MIB = 2**20

_Cell = Callable[[Figures, Figures], str]
"""Makes a cell of the figures of a peer, and of ours of the same step."""


def write(page: Path, run: Run) -> None:
    """Replace what is between the marks ``figures`` of a page."""
    page.write_text(inserted(page.read_text(encoding="utf-8"), "figures", markdown(run)))


def markdown(run: Run) -> str:
    """All tables, below headings of the second level and the third."""
    machine = [[name, value] for name, value in run.machine.items()]
    lines = ["## The machine", "", *_table(["", ""], machine)]
    for suite, found in itertools.groupby(run.figures, lambda one: one.suite):
        lines += ["", f"## {suite}", ""]
        lines += _entrants([one for one in run.entrants if one.suite == suite])
        for group, figures in itertools.groupby(found, lambda one: one.group):
            lines += ["", f"### {suite}: {group.lower()}", "", *_group(group, list(figures))]
    if run.failures:
        lines += ["", "Left out:", "", *(f"* {failure}" for failure in run.failures)]
    return "\n".join(lines) + "\n"


def _entrants(entrants: Sequence[Entrant]) -> list[str]:
    columns: dict[str, Callable[[Entrant], bool]] = {
        "on disk before it answers": lambda one: one.durable,
        "SHA-256": lambda one: one.digest,
        "clients kept apart": lambda one: one.private,
    }
    told = {title: kept for title, kept in columns.items() if any(map(kept, entrants))}
    rows = [
        [
            *(one.name, one.version, one.setup),
            *("yes" if kept(one) else "no" for kept in told.values()),
        ]
        for one in entrants
    ]
    return _table(["", "version", "set up", *told], rows)


def _group(group: str, figures: Sequence[Figures]) -> list[str]:
    """One table, its steps below each other."""
    columns = _columns(group, figures[0])
    rows = []
    for step, found in itertools.groupby(figures, lambda one: one.step):
        peers = [one for one in found if _values(one, "rate")]
        if not peers:
            continue
        ours = next((one for one in peers if one.peer == US), peers[0])
        names = [step] + [""] * (len(peers) - 1)
        rows += [
            [name, it.peer, *(cell(it, ours) for cell in columns.values())]
            for name, it in zip(names, peers, strict=True)
        ]
    used = [place for place in range(len(columns) + 2) if any(row[place] for row in rows)]
    head = ["", "", *columns]
    return _table([head[place] for place in used], [[row[place] for place in used] for row in rows])


def _columns(group: str, first: Figures) -> dict[str, _Cell]:
    """By title; one that stays empty is left out."""
    if group == memory.GROUP:
        return {
            "idle MiB": lambda it, _: _most(it, "idle"),
            "of which one process MiB": lambda it, _: _most(it, "largest"),
            "peak MiB": lambda it, _: _most(it, "peak"),
            "errors": lambda it, _: _errors(it),
        }
    return {
        first.unit: lambda it, _: _spread(_values(it, "rate"), 0),
        "we : it": lambda it, our: _ratio(our, it, "rate"),
        "p50 ms": lambda it, _: _middle(it, "p50"),
        "p99 ms": lambda it, _: _middle(it, "p99"),
        "first byte ms": lambda it, _: _middle(it, "first"),
        "page of 1,000 ms": lambda it, _: _middle(it, "page"),
        f"CPU s per {first.per}": lambda it, _: _middle(it, "cpu"),
        "CPU, we : it": lambda it, our: _ratio(our, it, "cpu"),
        "before MiB": lambda it, _: _most(it, "idle"),
        "peak MiB": lambda it, _: _most(it, "peak"),
        "errors": lambda it, _: _errors(it),
    }


def _values(it: Figures, name: str) -> list[float]:
    return [values[name] for values in it.rounds if values and name in values]


def _spread(values: Sequence[float], digits: int) -> str:
    """The median, and the lowest and the highest."""
    middle, low, high = (
        f"{value:,.{digits}f}" for value in (statistics.median(values), min(values), max(values))
    )
    return f"{middle} ({low} to {high})" if len(values) > 1 else middle


def _ratio(ours: Figures, it: Figures, name: str) -> str:
    """Of both in the same round each."""
    if ours is it:
        return ""
    pairs = [(a[name], b[name]) for a, b in zip(ours.rounds, it.rounds, strict=True) if a and b]
    ratios = [our / its for our, its in pairs if its]
    return _spread(ratios, 2) if ratios else ""


def _middle(it: Figures, name: str) -> str:
    values = _values(it, name)
    return f"{statistics.median(values):,.2f}" if values else ""


def _most(it: Figures, name: str) -> str:
    return f"{max(_values(it, name)) / MIB:,.0f}"


def _errors(it: Figures) -> str:
    count = sum(_values(it, "errors"))
    return f"{count:,.0f}" if count else ""


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    lines = [head, ["---"] * len(head), *rows]
    return [f"| {' | '.join(cells)} |" for cells in lines]
