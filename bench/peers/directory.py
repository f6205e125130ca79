"""What servers of a plain directory have in common: names are those of its files."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from pathlib import Path

from bench.peers import Listing, nth_name


def made(directory: Path) -> Path:
    """The directory that is served; whoever the server runs as may write there."""
    directory.chmod(0o755)
    files = directory / "files"
    files.mkdir()
    files.chmod(0o777)
    return files


def clean(files: Path) -> None:
    """Remove all files, but no folder."""
    with os.scandir(files) as found:
        for entry in found:
            if entry.is_file():
                Path(entry.path).unlink()


def listing(files: Path, url: str, query: str = "") -> Callable[[int], Listing]:
    """Lists of folders that are filled when they are first asked for."""

    @functools.cache
    def fill(count: int) -> Listing:
        folder = files / f"list-{count}"
        folder.mkdir(exist_ok=True)
        for number in range(count):
            (folder / nth_name(number)).touch()
        return Listing((f"{url}/{folder.name}/{query}",))

    return fill
