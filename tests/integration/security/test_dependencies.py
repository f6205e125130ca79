"""What the service is made of: exact versions, all of them and no others."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parents[3]
RUNTIME, TEST, BENCH = (f"requirements{part}.txt" for part in ("-runtime", "", "-bench"))
LOCKS = sorted(
    path
    for path in ROOT.rglob("package-lock.json")
    if not {"node_modules", ".venv"} & set(path.relative_to(ROOT).parts)
)
BROUGHT_BY_PYTHON = {"pip", "setuptools", "wheel"}
OPTIONAL = {"gunicorn-h1c"}
"""What `pyproject.toml` offers and no requirements file holds."""

FIXED_IN = {
    "aiohttp": ("3.14.3", "CVE-2026-69244 and those before it"),
    "gunicorn": ("22.0.0", "CVE-2024-1135, CVE-2024-6827"),
    "idna": ("3.15", "CVE-2026-45409"),
    "python-dotenv": ("1.2.2", "CVE-2026-28684"),
    "starlette": ("0.49.1", "CVE-2025-62727"),
    "urllib3": ("2.7.0", "CVE-2026-44432, CVE-2026-21441, CVE-2025-66471"),
}
"""Advisories that were known when the pins were last looked at, so that none of them comes back."""


def _pins(name: str) -> list[Requirement]:
    """The pins of a requirements file that hold for this Python."""
    lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
    found = [Requirement(line) for line in lines if line and line[0] not in "#-"]
    return [each for each in found if each.marker is None or each.marker.evaluate()]


def _versions(*names: str) -> dict[str, str]:
    return {
        canonicalize_name(pin.name): next(iter(pin.specifier)).version
        for name in names
        for pin in _pins(name)
    }


@pytest.mark.parametrize("name", [RUNTIME, TEST, BENCH])
def test_every_requirement_is_one_version(name: str) -> None:
    """No range, no address, no option that changes where packages come from, and none twice."""
    lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
    assert all(re.fullmatch(r"#.*|-r requirements[a-z-]*\.txt|[^\s-].*", line) for line in lines)
    pins = _pins(name)
    for pin in pins:
        assert pin.url is None, pin
        assert re.fullmatch(r"==[0-9][0-9A-Za-z.]*", str(pin.specifier)), pin
    assert len({canonicalize_name(pin.name) for pin in pins}) == len(pins)


def _installed() -> dict[str, str]:
    return {canonicalize_name(each.metadata["Name"]): each.version for each in distributions()}


def test_what_is_installed_is_what_is_pinned() -> None:
    """Nothing is missing, nothing is another version, and nothing came from elsewhere."""
    pinned, installed = _versions(RUNTIME, TEST), _installed()
    allowed = {**_versions(BENCH), **pinned}
    assert {name: installed.get(name) for name in pinned} == pinned
    others = installed.keys() - pinned.keys() - BROUGHT_BY_PYTHON - OPTIONAL
    assert {name: installed[name] for name in others} == {
        name: allowed.get(name) for name in others
    }


def test_the_server_needs_nothing_but_its_own_pins() -> None:
    """Each package's own requirements are among them, in versions that it takes."""
    pinned = _versions(RUNTIME)
    for each in distributions():
        if canonicalize_name(each.metadata["Name"]) in pinned:
            for text in each.requires or ():
                wanted = Requirement(text)
                if wanted.marker is None or wanted.marker.evaluate({"extra": ""}):
                    found = pinned.get(canonicalize_name(wanted.name))
                    assert found is not None, f"{each.metadata['Name']}: {text}"
                    assert found in wanted.specifier, f"{each.metadata['Name']}: {text}"


def test_no_pin_has_an_advisory_that_was_known() -> None:
    pinned = _versions(RUNTIME)
    for name, (fixed, advisories) in FIXED_IN.items():
        assert Version(pinned[name]) >= Version(fixed), advisories


@pytest.mark.parametrize("path", LOCKS, ids=lambda path: str(path.relative_to(ROOT)))
def test_packages_of_the_page_are_locked_by_their_content(path: Path) -> None:
    """Each by a digest and by no address; and none runs a program when it is installed."""
    npmrc = path.with_name(".npmrc")
    may_run = not npmrc.exists() or "ignore-scripts=true" not in npmrc.read_text().splitlines()
    lock: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    assert lock["lockfileVersion"] == 3
    assert not re.search(r"https?:(?!//(opencollective|github)\.com)|git\+|file:", json.dumps(
        [{k: v for k, v in each.items() if k != "funding"} for each in lock["packages"].values()]
    ))  # fmt: skip
    for name, package in lock["packages"].items():
        if name:
            assert re.fullmatch(r"sha512-[A-Za-z0-9+/]{86}==", package["integrity"]), name
            assert "resolved" not in package, name
            if may_run and "darwin" not in package.get("os", ()):
                assert not package.get("hasInstallScript"), name


def test_the_locks_are_found() -> None:
    assert {path.parent.name for path in LOCKS} >= {"web", "node", "clients"}


def test_the_image_is_built_from_the_locks_alone() -> None:
    steps = (ROOT / "docker" / "Dockerfile").read_text(encoding="utf-8")
    assert re.search(
        r"pip install [^\n]*--only-binary=:all: -r /tmp/requirements-runtime\.txt", steps
    )
    assert "npm ci " in steps
    assert "npm install" not in steps


def test_what_starts_the_server_imports_no_tools_of_the_tests() -> None:
    """The server does without what is only pinned for tests, as it has to in its image.

    Some of its libraries use some of that where it is there.
    """
    only_tests = {name.replace("-", "_") for name in _versions(TEST)}
    assert {"pytest", "moto", "schemathesis"} <= only_tests
    done = subprocess.run(
        [sys.executable, "-c", _WITHOUT, *only_tests],
        check=True,
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    loaded = set(done.stdout.split())
    assert {"starlette", "gunicorn", "aiobotocore"} <= loaded
    assert not loaded & only_tests


_WITHOUT = """
import sys

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in sys.argv:
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, Missing())
import file_uploader.http.app, file_uploader.server.configuration, file_uploader.server.worker
import file_uploader.cli, file_uploader.storage.s3, file_uploader.storage.local
print(*{name.partition(".")[0] for name in sys.modules})
"""
