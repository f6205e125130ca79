"""Torture that notes its campaigns in the journal: ``python -m tests.soak.tortured SECONDS``.

It runs in the environment of a `Chapter`. A violation is noted, too, and torture goes on with
another seed.
"""

from __future__ import annotations

import random
import sys
import time
import traceback

from tests.soak.journal import Chapter, Item
from tests.system.faults import torture
from tests.system.faults.run import ViolationError


def main() -> None:
    """Torture until the time is over."""
    chapter = Chapter.from_environment()
    deadline = time.monotonic() + float(sys.argv[1])
    while (left := deadline - time.monotonic()) > 0:
        _torture(chapter, random.randrange(2**32), left)


def _torture(chapter: Chapter, seed: int, seconds: float) -> None:
    began = time.monotonic()
    try:
        for done in torture.campaigns(seed, seconds):
            chapter.note(
                Item(
                    campaign=chapter.campaign,
                    name=f"{done.name}, {done.theatre}",
                    outcome="passed",
                    seconds=done.seconds,
                    seed=str(seed),
                    said=done.said,
                )
            )
            began = time.monotonic()
    except ViolationError:
        chapter.note(
            Item(
                campaign=chapter.campaign,
                name=str(seed),
                outcome="failed",
                seconds=time.monotonic() - began,
                seed=str(seed),
                failure=traceback.format_exc(),
            )
        )


if __name__ == "__main__":
    main()
