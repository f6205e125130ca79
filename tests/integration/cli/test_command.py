"""The command itself: what it says of itself, and what it imports."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from file_uploader import __version__
from file_uploader.cli.parser import SHELLS, make_parser
from tests.support.command import command, started
from tests.support.service import ROOT

COMMANDS = sorted(
    name
    for action in make_parser()._actions
    if isinstance(action.choices, dict)
    for name in action.choices
)
SLOW = {"apsw", "aiobotocore", "tqdm", "shtab", "pydantic", "gunicorn"}
"""What takes long to import."""


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_explains_itself(name: str, tmp_path: Path) -> None:
    done = command(name, "--help", settings={}, cwd=tmp_path)
    assert (done.status, done.err) == (0, "")
    assert done.out.startswith(f"usage: file-uploader {name} ")
    assert f"Exit status: {'gunicorn' if name == 'serve' else '0 done'}" in done.out
    documented = (ROOT / "docs" / "command-line.md").read_text()
    assert f"`{name}" in documented


def test_all_commands_are_there(tmp_path: Path) -> None:
    expected = [
        *("backup", "completion", "container", "migrate", "restore", "serve", "sweep"),
        *("usage", "verify"),
    ]
    assert expected == COMMANDS
    done = command("--help", settings={}, cwd=tmp_path)
    assert all(f"    {name}" in done.out for name in COMMANDS)


@pytest.mark.parametrize("arguments", [("--version",), ("serve", "--version"), ("serve", "-v")])
def test_it_tells_its_version(arguments: tuple[str, ...], tmp_path: Path) -> None:
    done = command(*arguments, settings={}, cwd=tmp_path)
    assert (done.status, done.out, done.err) == (0, f"file-uploader {__version__}\n", "")


@pytest.mark.parametrize(
    ("arguments", "unwanted"),
    [
        ("['serve', '--nonsense']", {"apsw", "aiobotocore", "tqdm", "shtab"}),
        ("['serve', '--help']", SLOW),
        ("['--help']", SLOW),
        ("['--version']", SLOW),
        ("['usage']", {"aiobotocore", "gunicorn", "tqdm", "shtab"}),
    ],
)
def test_a_command_imports_what_it_needs(
    arguments: str, unwanted: set[str], tmp_path: Path
) -> None:
    code = f"""
import sys
from file_uploader.cli import main
try:
    main({arguments})
except SystemExit:
    pass
print(sorted(set(sys.modules) & {unwanted}), file=sys.stderr)
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": str(ROOT)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stderr.splitlines()[-1] == "[]"


def test_nobody_who_reads_on_is_no_error(tmp_path: Path) -> None:
    process = started(("completion", "bash"), settings={}, cwd=tmp_path)
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    assert process.wait(60) == 141
    assert process.stderr.read() == ""
    process.stderr.close()


@pytest.mark.parametrize("shell", SHELLS)
def test_a_shell_takes_the_script(shell: str, tmp_path: Path) -> None:
    """Every shell reads it without a complaint; bash also completes by it."""
    script = tmp_path / "completion"
    done = command("completion", shell, settings={}, cwd=tmp_path)
    assert (done.status, done.err) == (0, "")
    script.write_text(done.out)
    assert all(name in done.out for name in COMMANDS)
    program = shutil.which(shell)
    if program is None:
        reason = f"needs {shell}: apt-get install {shell}"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    read = subprocess.run(
        [program, "-n", str(script)], capture_output=True, text=True, timeout=60, check=False
    )
    assert (read.returncode, read.stderr) == (0, "")


def test_bash_completes(tmp_path: Path) -> None:
    script = tmp_path / "completion"
    script.write_text(command("completion", "bash", settings={}, cwd=tmp_path).out)
    (tmp_path / "backups").mkdir()
    ask = f"""
source {script}
completes=$(complete -p file-uploader | sed 's/.*-F \\([^ ]*\\) .*/\\1/')
ask() {{
    COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMPREPLY=()
    $completes file-uploader "${{@: -1}}" "${{@: -2:1}}"
    echo "${{COMPREPLY[@]}}"
}}
ask file-uploader mig
ask file-uploader migrate to-
ask file-uploader verify --st
ask file-uploader backup back
ask file-uploader serve --work
ask file-uploader serve --certfile back
"""
    done = subprocess.run(
        ["bash", "-c", ask], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )
    expected = ["migrate", "to-s3 to-disk", "--state", "backups/", "--workers", "backups/"]
    found = [line.rstrip("/") for line in done.stdout.splitlines()]
    assert found == [each.rstrip("/") for each in expected], done.stderr
