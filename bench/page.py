"""A page whose prose is written by hand, and what is made by programs between its marks."""

from __future__ import annotations

import re


def inserted(page: str, mark: str, content: str) -> str:
    """The page with ``content`` as all that is between the marks of this name.

    They are comments: ``<!-- NAME:begin -->`` and ``<!-- NAME:end -->``, a line each. Raises
    `ValueError` if the page has no such marks.
    """
    begin, end = f"<!-- {mark}:begin -->\n", f"<!-- {mark}:end -->"
    found = re.search(rf"(?<={re.escape(begin)}).*?(?={re.escape(end)})", page, re.DOTALL)
    if found is None:
        raise ValueError(f"no marks for {mark}")
    return f"{page[: found.start()]}\n{content.strip()}\n\n{page[found.end() :]}"
