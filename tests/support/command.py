"""The command ``file-uploader``, as a process of its own, or within the tests' process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from file_uploader.cli.parser import parse
from file_uploader.cli.run import FAILED, _failed, _work
from file_uploader.errors import FileUploaderError
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


class Here:
    """Commands, in this process: quicker than one of their own, and what they call can be changed.

    They find ``settings`` in the environment.
    """

    def __init__(self, capsys: pytest.CaptureFixture[str], settings: Mapping[str, str]) -> None:
        self._capsys = capsys
        self._settings = settings

    async def __call__(self, *arguments: str | Path) -> Done:
        """Run one to its end."""
        self._capsys.readouterr()
        with pytest.MonkeyPatch.context() as environment:
            for name, value in self._settings.items():
                environment.setenv(name, value)
            try:
                status = await _work(parse([str(each) for each in arguments]))
            except FileUploaderError as error:
                status = _failed(error, FAILED)
        out, err = self._capsys.readouterr()
        return Done(status, out, err)


RunsHere = Callable[[Mapping[str, str]], Here]
"""Makes one of settings."""
