"""Trying again: what is worth it, and the pauses in between, in one place."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Backoff:
    """Pauses that double, each of them random up to its full length: nobody keeps step.

    ``tries`` is how often it is tried in all; ``first`` and ``longest`` are seconds.
    """

    tries: int
    first: float
    longest: float

    def __iter__(self) -> Iterator[float]:
        for number in range(self.tries - 1):
            yield random.uniform(0, min(self.longest, self.first * 2**number))  # noqa: S311


FAILING = Backoff(tries=8, first=0.2, longest=8.0)
"""For a request that S3 does not answer, or answers with what passes by itself."""

CONTENDED = Backoff(tries=11, first=0.05, longest=1.6)
"""For what somebody else writes at the same time."""

GARBLED = (0.3, 0.3)
"""For what is no answer of S3's: something on the way may have failed."""

UNSETTLED = (0.0, 0.0, 0.0)
"""For an answer that may have been to an attempt before."""

READ_BACK = (0.0, 0.0, 0.0, 0.0)
"""For what is written and read back, whoever was first."""

APPEARING = (0.2, 0.5, 1.0)
"""For what was made just now, and is not known everywhere at once."""

LATE = (0.2, 1.0, 5.0)
"""For what somebody who was superseded may still write over."""

FOLLOWING = (0.1, 0.4, 1.5)
"""For what somebody else has done and is about to note."""


async def retry(
    attempt: Callable[[], Awaitable[T]],
    *,
    on: type[Exception] | tuple[type[Exception], ...],
    pauses: Iterable[float],
) -> T:
    """Make an attempt, and after each pause again as long as it ends with such an error."""
    for pause in pauses:
        try:
            return await attempt()
        except on:
            await asyncio.sleep(pause)
    return await attempt()
