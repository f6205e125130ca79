"""The rows of `bench.growth` as Markdown."""

from __future__ import annotations

from collections.abc import Sequence

from .growth import Row


def table(rows: Sequence[Row]) -> str:
    """A line for each figure, and a column for each row: the first figure is what grows."""
    lines = [
        f"| {name} | {' | '.join(told(row[name]) for row in rows)} |" for name in next(iter(rows))
    ]
    rule = f"| --- |{' ---: |' * len(rows)}"
    return "\n".join([lines[0], rule, *lines[1:]])


def told(value: float) -> str:
    """A figure with two digits at least."""
    if value >= 10 or value == int(value):
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 1 else f"{value:.2f}"
