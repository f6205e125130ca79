"""The command ``file-uploader`` as a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.service import ROOT


@dataclass(frozen=True)
class Done:
    """How it ended."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> list[Any]:
        """The lines of JSON that it printed."""
        return [json.loads(line) for line in self.out.splitlines()]


def command(
    *arguments: str | Path, settings: Mapping[str, str], cwd: Path, patience: float = 150
) -> Done:
    """Run it to its end."""
    process = started(arguments, settings=settings, cwd=cwd)
    try:
        out, err = process.communicate(timeout=patience)
    except subprocess.TimeoutExpired:
        process.kill()
        raise
    return Done(process.returncode, out, err)


def started(
    arguments: Sequence[str | Path], *, settings: Mapping[str, str], cwd: Path
) -> subprocess.Popen[str]:
    """Start it; what it prints can be read. Its settings are these alone."""
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": os.environ.get("HOME", "/"),
        "PYTHONPATH": str(ROOT),
        **settings,
    }
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-m", "file_uploader", *map(str, arguments)],
        cwd=cwd,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
