"""The main job on real input: the files of Python's standard library, there and back by curl."""

from __future__ import annotations

import hashlib
import json
import random
import subprocess
import sysconfig
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.support.rounds import rounds
from tests.support.service import Service

CURLS = 6
"""curl processes at once."""
FEW = {"local": 600, "ceph": 1200}
"""Files where every change is checked; on S3 more than one of its pages of a list."""


@pytest.fixture(scope="module")
def tree() -> dict[str, Path]:
    """Every file of the standard library by the name it gets, that is, its path from the root."""
    root = Path(sysconfig.get_path("stdlib"))
    found = {
        path.relative_to(root).as_posix(): path
        for path in root.rglob("*")
        if path.is_file()
        and not path.is_symlink()
        and not {"site-packages", "__pycache__"}.intersection(path.relative_to(root).parts)
    }
    assert len(found) > 1000, "this Python has no standard library worth the name"
    return found


@pytest.mark.smoke
def test_every_file_there_and_back(running: Service, tmp_path: Path, tree: dict[str, Path]) -> None:
    before = set(running.backend.leftovers())
    names = random.Random(5).sample(list(tree), rounds(FEW[running.backend.name], len(tree)))
    assert names != sorted(names, key=str.encode), "the list's order is to be the server's doing"
    curl_all(running, tmp_path, names, lambda name: [f'upload-file = "{tree[name]}"'], "204")

    listed = json.loads(curl(running, "", "--fail"))
    assert listed == sorted(names, key=str.encode)

    back = tmp_path / "back"
    curl_all(running, tmp_path, names, lambda name: [f'output = "{back / name}"'], "200")
    for name in names:
        assert sha256(back / name) == sha256(tree[name]), name

    for name in random.Random(6).sample(names, rounds(10, 50)):
        check_ranges(running, name, tree[name].read_bytes())

    curl_all(running, tmp_path, names, lambda _name: ['request = "DELETE"'], "204")
    assert json.loads(curl(running, "", "--fail")) == []
    assert set(running.backend.leftovers()) <= before


def check_ranges(running: Service, name: str, content: bytes) -> None:
    """Fetch the first byte, the middle and the end by range."""
    if not content:
        return
    middle = len(content) // 2
    for wanted, expected in (
        ("0-0", content[:1]),
        (f"{middle}-{middle + 9_999}", content[middle : middle + 10_000]),
        ("-5", content[-5:]),
        (f"{middle}-", content[middle:]),
    ):
        assert curl(running, name, "--fail", "--range", wanted) == expected


def curl(running: Service, name: str, *options: str) -> bytes:
    """Run one curl on a file, or on the list, and return what it got."""
    done = subprocess.run(
        ["curl", "-sS", "-H", f"X-Auth-Token: {running.token}", *options, url(running, name)],
        capture_output=True,
        timeout=60,
        check=True,
    )
    return done.stdout


def curl_all(
    running: Service, directory: Path, names: list[str], options: object, status: str
) -> None:
    """Run several curl processes at once, each with its share of the names; all must succeed."""
    assert callable(options)

    def run(share: int) -> list[str]:
        lines: list[str] = []
        for name in names[share::CURLS]:
            lines += [f'url = "{url(running, name)}"', *options(name)]
            lines += ["create-dirs", f'header = "X-Auth-Token: {running.token}"']
            lines += ['write-out = "\\n%{http_code}\\n"', "silent", "show-error", "next"]
        config = directory / f"curl-{share}.conf"
        config.write_text("\n".join(lines[:-1]))
        done = subprocess.run(
            ["curl", "--config", str(config)],
            capture_output=True,
            text=True,
            timeout=300,
            check=True,
        )
        return done.stdout.split()

    with ThreadPoolExecutor(CURLS) as pool:
        statuses = [status for share in pool.map(run, range(CURLS)) for status in share]
    assert statuses == [status] * len(names)


def url(running: Service, name: str) -> str:
    """The URL of a file, or of the list."""
    return f"{running.files}/{quote(name)}" if name else running.files


def sha256(path: Path) -> str:
    """The SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
