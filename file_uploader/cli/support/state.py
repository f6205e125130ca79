"""How far a verification has come, in a file that survives whatever ends it."""

from __future__ import annotations

import json
import os
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

from file_uploader.errors import ConfigurationError

from .walk import Place

_INTERVAL = 2.0
"""Seconds between two notes."""


@dataclass
class Checked:
    """What has been looked at in ``store``: everything up to ``place``."""

    store: str
    examined: bool = False
    """Whether that is done which is no file's content."""
    place: Place | None = None
    files: int = 0
    size: int = 0
    wrong: int = 0
    unproven: int = 0
    harmless: int = 0
    """What is nobody's, and only takes room."""


@dataclass
class StateFile:
    """Keeps a `Checked`, if there is a path to keep it at."""

    path: Path | None
    _noted: float = field(default=0.0, init=False)

    def load(self, store: str) -> Checked:
        """What was kept, or a beginning. Raises `ConfigurationError` for a file of another kind."""
        if self.path is None or not self.path.exists():
            return Checked(store)
        try:
            said = json.loads(self.path.read_text(encoding="utf-8"))
            place = said.pop("place")
            checked = Checked(**said, place=None if place is None else Place(*place))
        except (ValueError, TypeError, KeyError, AttributeError):
            raise ConfigurationError(f"{self.path} is no state of a verification.") from None
        if checked.store != store:
            raise ConfigurationError(f"{self.path} is of another store: {checked.store}.")
        return checked

    def note(self, checked: Checked) -> None:
        """`keep`, every now and then."""
        if time.monotonic() - self._noted > _INTERVAL:
            self.keep(checked)

    def keep(self, checked: Checked) -> None:
        """Write it down, durably and at once."""
        if self.path is None:
            return
        new = self.path.with_name(f"{self.path.name}.new")
        with new.open("w", encoding="utf-8") as file:
            json.dump(asdict(checked), file)
            file.flush()
            os.fsync(file.fileno())
        new.rename(self.path)
        self._noted = time.monotonic()

    def forget(self) -> None:
        """Remove it: the next verification begins at the beginning."""
        if self.path is not None:
            self.path.unlink(missing_ok=True)
