"""The rows of `bench.growth` as Markdown, between the markers of a page and nowhere else."""

from __future__ import annotations

import re
from collections.abc import Sequence

from .growth import Row


def inserted(page: str, part: str, content: str) -> str:
    """The page with ``content`` as all that is between the markers of this part.

    Raises `ValueError` if the page has no such markers.
    """
    begin, end = f"<!-- growth:begin {part} -->\n", "<!-- growth:end -->"
    found = re.search(rf"(?<={re.escape(begin)}).*?(?={re.escape(end)})", page, re.DOTALL)
    if found is None:
        raise ValueError(f"no markers for {part}")
    return f"{page[: found.start()]}\n{content}\n\n{page[found.end() :]}"


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
