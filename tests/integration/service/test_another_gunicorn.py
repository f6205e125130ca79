"""A start with a gunicorn that is not the one the server was made for."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import gunicorn
import pytest

from tests.support.service import ROOT


@pytest.fixture
def another(tmp_path: Path) -> Path:
    """A directory with a later gunicorn in it, which calls one of its inner names otherwise."""
    copy = tmp_path / "site" / "gunicorn"
    shutil.copytree(Path(gunicorn.__file__).parent, copy)
    _replace(copy / "asgi" / "protocol.py", "_safe_write", "_write_safely")
    _replace(copy / "__init__.py", "(27, 0, ", "(27, 1, ")
    return copy.parent


def _replace(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


@pytest.mark.parametrize("command", ["gunicorn app:app", "file_uploader serve"])
def test_it_ends_with_one_line(command: str, another: Path, tmp_path: Path) -> None:
    for name in ("app.py", "gunicorn.conf.py"):
        (tmp_path / name).symlink_to(ROOT / name)
    done = subprocess.run(
        [sys.executable, "-m", *command.split()],
        cwd=tmp_path,
        # Nobody's address: what starts all the same does not get far.
        env={"HOST": "192.0.2.1", "PATH": os.environ["PATH"], "PYTHONPATH": f"{another}:{ROOT}"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    version = gunicorn.__version__.replace("27.0.", "27.1.")
    line = (
        f"file-uploader: gunicorn {version} lacks asgi.protocol.ASGIProtocol._safe_write;"
        " file-uploader needs 27.0\n"
    )
    assert (done.returncode, done.stdout, done.stderr) == (1, "", line)
    assert not (tmp_path / "data").exists()
