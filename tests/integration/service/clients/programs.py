"""The clients: programs that others wrote, driven by a few lines of ours, as processes."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.support import streams

HERE = Path(__file__).parent
MIB = 2**20
_PATIENCE = 120.0


@dataclass(frozen=True)
class Client:
    """How to call one. ``piece`` in bytes is the most that it puts into one request; 0: any."""

    name: str
    program: str
    piece: int
    further: tuple[str, ...] = ()

    @property
    def needs_node(self) -> bool:
        return self.program.endswith(".mjs")

    def upload(self, url: str, token: str, name: str, path: Path, modules: Path | None) -> None:
        """Upload the file and return once the client says that it is done; fail if it gives up.

        ``modules`` is where `install` put what the JavaScript client needs.
        """
        if self.needs_node:
            assert modules is not None
            interpreter, script = "node", modules / self.program
        else:
            interpreter, script = sys.executable, HERE / self.program
        arguments = (url, token, name, str(path), str(self.piece), *self.further)
        done = subprocess.run(
            [interpreter, str(script), *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_PATIENCE,
            check=False,
        )
        assert done.returncode == 0, f"{self.name} gave up: {done.stdout}{done.stderr}"[-4000:]


TUSPY = Client("tuspy", "with_tuspy.py", 32 * MIB)
TUSPY_CHECKSUM = Client("tuspy-checksum", "with_tuspy.py", 8 * MIB, ("checksum",))
AIOTUS = Client("aiotus", "with_aiotus.py", 12 * MIB)
AIOTUS_PARALLEL = Client("aiotus-parallel", "with_aiotus.py", 12 * MIB, ("parallel",))
TUS_JS = Client("tus-js", "with_tus_js.mjs", 0, ("tus-v1",))
TUS_JS_WITH_DATA = Client("tus-js-with-data", "with_tus_js.mjs", 2 * MIB, ("tus-v1", "with-data"))
TUS_JS_IETF = Client("tus-js-ietf", "with_tus_js.mjs", 0, ("ietf-draft-05",))
TUS_JS_IETF_PIECES = Client("tus-js-ietf-pieces", "with_tus_js.mjs", 7 * MIB, ("ietf-draft-05",))

CLIENTS = [TUSPY, AIOTUS, TUS_JS, TUS_JS_IETF]
"""One way to use each client and protocol."""
VARIANTS = [TUSPY_CHECKSUM, AIOTUS_PARALLEL, TUS_JS_WITH_DATA, TUS_JS_IETF_PIECES]
"""Other ways to use them."""


def source(directory: Path, size: int) -> Path:
    """The file that `streams.blocks` makes of this size; made once in this directory."""
    path = directory / str(size)
    if not path.exists():
        with path.open("wb") as file:
            file.writelines(streams.blocks(size))
    return path


class MissingNodeError(Exception):
    """The machine lacks Node.js or npm; the message says how to get them."""


def install(directory: Path) -> Path:
    """Install the JavaScript client, as locked, into an empty directory.

    Raises `MissingNodeError`.
    """
    if missing := [name for name in ("node", "npm") if shutil.which(name) is None]:
        raise MissingNodeError(f"{' and '.join(missing)} not found: apt-get install nodejs npm")
    for name in ("package.json", "package-lock.json", TUS_JS.program):
        shutil.copy(HERE / name, directory)
    done = subprocess.run(
        ["npm", "ci", "--no-audit", "--no-fund"],
        cwd=directory,
        env={**os.environ, "npm_config_update_notifier": "false"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"npm ci failed: {done.stdout}{done.stderr}"[-4000:]
    return directory
