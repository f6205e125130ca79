"""A bar that shows how far something has come."""

from __future__ import annotations

import sys

from tqdm import tqdm


class Progress:
    """Bytes that are done, of those that are expected. Methods may be called in any thread.

    Nothing is shown where standard error is no terminal, unless it is ``wanted`` there too.
    """

    def __init__(self, *, wanted: bool) -> None:
        self.shown = wanted or sys.stderr.isatty()
        self._bar = tqdm(
            total=0,
            unit="B",
            unit_scale=True,
            unit_divisor=1024,
            disable=not self.shown,
            file=sys.stderr,
        )

    def close(self) -> None:
        """Leave the bar as it is."""
        self._bar.close()

    def expect(self, size: int) -> None:
        """So many bytes more are to be done."""
        self._bar.total = (self._bar.total or 0) + size
        self._bar.refresh()

    def advance(self, size: int) -> None:
        """So many more are done."""
        self._bar.update(size)

    def say(self, line: str) -> None:
        """Print a line on standard output, the bar aside."""
        with tqdm.external_write_mode(file=sys.stdout):
            print(line, flush=True)
