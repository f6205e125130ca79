"""A client that a public generator makes from the contract works with the real server."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from file_uploader.http.pages.contract import WRITTEN
from tests.integration.openapi import with_generated_client
from tests.support.service import ROOT
from tests.support.services import Lend


def _run(command: Sequence[str]) -> str:
    done = subprocess.run(
        [sys.executable, "-W", "error", *command],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_a_generated_client_works(tmp_path: Path, shared_service: Lend) -> None:
    said = _run(
        [
            *("-m", "openapi_python_client", "generate", "--path", str(WRITTEN)),
            *("--config", str(Path(__file__).with_name("client.yaml"))),
            *("--meta", "none", "--output-path", str(tmp_path / "generated")),
            # What it cannot make of the contract is a failure, too.
            "--fail-on-warning",
        ]
    )
    assert "WARNING" not in said
    running = shared_service("local")
    _run([with_generated_client.__file__, str(tmp_path), running.url, running.token])
