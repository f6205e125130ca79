"""What a ring runs, seen from outside: no socket in the first, and always a real S3 in CI."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.support.service import ROOT

CONTRACT = "tests/contract/test_key.py"
OPENS_A_SOCKET = """
import socket

def test_it() -> None:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
"""


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """pytest in a process of its own, as a developer or, with ``CI``, as CI starts it."""
    alone = {name: value for name, value in os.environ.items() if name != "CI"}
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments],
        cwd=ROOT,
        env={**alone, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_without_ceph_ci_fails(tmp_path: Path) -> None:
    # On this path nothing is installed.
    ci = run("--ring=ci", "-k", "ceph", CONTRACT, PATH=str(tmp_path), CI="true")
    assert ci.returncode == 1
    assert "needs Ceph" in ci.stdout
    assert "passed" not in ci.stdout
    assert "skipped" not in ci.stdout


def test_ci_runs_every_promise_of_a_store_on_ceph() -> None:
    listed = run("--collect-only", "--ring=ci", "tests/contract").stdout.splitlines()
    local, ceph = (
        {line.replace(store, "") for line in listed if f"[{store}" in line}
        for store in ("local", "ceph")
    )
    assert len(local) > 150
    assert len(local - ceph) < 10


def test_what_needs_a_socket_is_not_checked(tmp_path: Path) -> None:
    path = tmp_path / "test_it.py"
    path.write_text(OPENS_A_SOCKET)
    configured = ("-c", str(ROOT / "pyproject.toml"), "-p", "tests.conftest")
    assert "make check" in run("--ring=check", *configured, str(path)).stdout
