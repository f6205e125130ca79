"""Where a long run runs: a clone of the commit, so that work goes on in the checkout meanwhile."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path

from tests.support.service import ROOT


class Room:
    """A directory for a clone, and for all that is temporary."""

    def __init__(self) -> None:
        # Not below the checkout: the paths of sockets have to be short.
        self.path = Path(tempfile.mkdtemp(prefix="soak-"))
        self.checkout = self.path / "checkout"
        self.temporary = self.path / "tmp"

    def furnish(self, commit: str) -> None:
        """Clone the commit, and build its page where there is npm.

        Raises `RuntimeError` with what was printed if that fails.
        """
        self.temporary.mkdir()
        _run(self.path, "git", "clone", "--quiet", "--shared", "--no-checkout", ROOT, self.checkout)
        _run(self.checkout, "git", "checkout", "--quiet", "--detach", commit)
        for installed in (".venv", "web/node_modules"):
            (self.checkout / installed).symlink_to(ROOT / installed)
        if shutil.which("npm") is not None:
            _run(self.checkout / "web", "npm", "run", "build")

    def clear(self) -> None:
        """Remove what a campaign has left."""
        shutil.rmtree(self.temporary)
        self.temporary.mkdir()


def commit() -> str:
    """What is checked out."""
    done = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def _run(directory: Path, *command: str | Path) -> None:
    done = subprocess.run(command, cwd=directory, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(map(str, command))}: {done.stdout}{done.stderr}")
