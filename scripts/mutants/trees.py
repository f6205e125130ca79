"""Trees that mutants are put into: clones of a checkout, that nobody else uses."""

from __future__ import annotations

import contextlib
import hashlib
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

from .drawing import Mutant

_LINKED = (".venv", "web/node_modules")
_COPIED = ("file_uploader/http/pages/static",)
"""What tests need that is installed or built, and so in no commit."""


class NotThereError(Exception):
    """The lines of a mutant are not in this tree."""


class Tree:
    """A clone of ``checkout`` at ``path``. Raises `ValueError` if not all there is committed."""

    def __init__(self, checkout: Path, path: Path) -> None:
        if _git(checkout, "status", "--porcelain", "--untracked-files=no"):
            raise ValueError(f"{checkout} has changes that are not committed")
        self.path = path
        self.commit = _git(checkout, "rev-parse", "HEAD").strip()
        _git(checkout, "clone", "--quiet", "--shared", ".", str(path))
        for name in _LINKED:
            if (checkout / name).exists():
                (path / name).symlink_to((checkout / name).resolve())
        for name in _COPIED:
            if (checkout / name).exists():
                shutil.copytree(checkout / name, path / name)
        with (path / ".git/info/exclude").open("a") as excluded:
            excluded.writelines(f"/{name}\n" for name in _LINKED)

    @contextlib.contextmanager
    def mutated(self, mutants: Sequence[Mutant]) -> Iterator[None]:
        """Have these mutants in the tree, in this block. Raises `NotThereError`."""
        before = {mutant.file: self.text(mutant.file) for mutant in mutants}
        after = dict(before)
        for mutant in mutants:
            after[mutant.file] = replaced(after[mutant.file], mutant)
        try:
            self._write(after)
            yield
        finally:
            self._write(before)
            # Examples that one mutant has failed would be tried first on the next ones.
            shutil.rmtree(self.path / ".hypothesis", ignore_errors=True)

    def text(self, file: str) -> str:
        """The text of a file without mutants, empty if there is none."""
        if not (self.path / file).exists():
            return ""
        return _git(self.path, "show", f"HEAD:{file}")

    def is_as_drawn(self, mutant: Mutant) -> bool:
        """Whether this tree has the very file that the mutant was drawn from."""
        return hashlib.sha256(self.text(mutant.file).encode()).hexdigest() == mutant.digest

    def _write(self, texts: dict[str, str]) -> None:
        for file, text in texts.items():
            path = self.path / file
            path.write_bytes(text.encode())
            # Python knows what it has compiled by size and second, which may both be the same.
            for compiled in (path.parent / "__pycache__").glob(f"{path.stem}.*.pyc"):
                compiled.unlink()


def replaced(text: str, mutant: Mutant) -> str:
    """A file's text with a mutant in it, in its line or in the only place that looks like it.

    Raises `NotThereError` if there is no such place, or more than one.
    """
    lines, before = text.split("\n"), mutant.before.split("\n")
    places = [at for at in range(len(lines)) if lines[at : at + len(before)] == before]
    if mutant.line - 1 in places:
        places = [mutant.line - 1]
    if len(places) != 1:
        raise NotThereError(f"{mutant.id}: {mutant.file} has {len(places)} such places")
    return "\n".join(
        [*lines[: places[0]], *mutant.after.split("\n"), *lines[places[0] + len(before) :]]
    )


def _git(directory: Path, *arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=directory, check=True, capture_output=True)
    return done.stdout.decode()
