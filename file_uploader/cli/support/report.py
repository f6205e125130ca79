"""What a command says: findings and a sum on standard output, progress on standard error."""

from __future__ import annotations

import json
import sys
from argparse import Namespace
from collections.abc import Iterable, Mapping
from contextlib import nullcontext
from typing import Any

from file_uploader.storage.upkeep import Flaw, Swept

WRONG = 1
"""The exit status where something is wrong with what is stored."""

_STEP = 1024


class Report:
    """For people, or with ``--json`` in lines of JSON.

    A command that has ``--progress`` shows a bar of bytes where standard error is a terminal, and
    with that anywhere; it is to be closed.
    """

    def __init__(self, options: Namespace) -> None:
        self.as_json: bool = options.json
        self.told = 0
        """Findings so far."""
        self._bar: Any = None
        if "progress" in options and (options.progress or sys.stderr.isatty()):
            from tqdm import tqdm  # noqa: PLC0415 (slow to import)

            self._bar = tqdm(
                total=0, unit="B", unit_scale=True, unit_divisor=_STEP, file=sys.stderr
            )

    @property
    def shows_progress(self) -> bool:
        """Whether anybody sees how far it has come."""
        return self._bar is not None

    def expect(self, size: int) -> None:
        """So many bytes more are to be done; in any thread."""
        if self._bar is not None:
            self._bar.total += size
            self._bar.refresh()

    def advance(self, size: int) -> None:
        """So many more are done; in any thread."""
        if self._bar is not None:
            self._bar.update(size)

    def tell(self, flaw: Flaw) -> None:
        """Print a finding at once, the bar aside: for people as it says itself."""
        self.told += 1
        line = json.dumps(_members(flaw)) if self.as_json else str(flaw)
        with nullcontext() if self._bar is None else self._bar.external_write_mode(sys.stdout):
            print(line, flush=True)

    def sum_up(self, figures: Mapping[str, Any], lines: Iterable[str], *, wrong: int) -> int:
        """Print the figures, or lines for people. Returns the exit status: whether any is wrong."""
        self.close()
        print(json.dumps(figures) if self.as_json else "\n".join(lines))
        return WRONG if wrong else 0

    def close(self) -> None:
        """Leave the bar as it is."""
        if self._bar is not None:
            self._bar.close()


def _members(flaw: Flaw) -> dict[str, str]:
    kind = "wrong" if not flaw.harmless else "unproven" if flaw.name else "harmless"
    said = {
        "container": flaw.container.name if flaw.container else None,
        "file": flaw.name,
        "upload": flaw.upload_id,
        "key": flaw.key,
        kind: flaw.what,
    }
    return {key: value for key, value in said.items() if value is not None}


def size(count: int) -> str:
    """A number of bytes for people."""
    if count < _STEP:
        return f"{count} B"
    amount = float(count)
    for unit in ("KiB", "MiB", "GiB", "TiB"):
        amount /= _STEP
        if amount < _STEP:
            return f"{amount:.1f} {unit}"
    return f"{amount / _STEP:.1f} PiB"


def swept(found: Swept) -> dict[str, dict[str, int]]:
    """What a sweep removes, for JSON."""
    return {
        str(kind): {"count": amount.count, "bytes": amount.size}
        for kind, amount in found.amounts.items()
    }
