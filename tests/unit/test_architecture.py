"""What `lint-imports` cannot see: SQL outside of the index, and imports made up at run time.

Which module may import which stands in pyproject.toml, and `make lint` looks.
"""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "file_uploader"
SQL = re.compile(
    r"\s*(SELECT .* FROM|INSERT (OR \w+ )?INTO|UPDATE \w+ SET|DELETE FROM|CREATE TABLE)\b",
    re.DOTALL,
)
KNOWS_SQL = ("storage/local/index/", "storage/local/upkeep/audit.py")
IMPORTS = {"__import__", "import_module", "importlib.import_module"}


def violations(path: str, source: str) -> Iterator[str]:
    """What a module of the package, at a path below it, may not hold."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            if SQL.match(node.value) and not path.startswith(KNOWS_SQL):
                yield f"SQL: {node.value!r}"
        elif isinstance(node, ast.Call) and ast.unparse(node.func) in IMPORTS:
            yield f"an import made up at run time: {ast.unparse(node)}"


def sizes(path: str, source: str) -> Iterator[str]:
    """What is too long to be read."""
    if (lines := len(source.splitlines())) > 350:
        yield f"{path}: {lines} lines"
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or 0) - node.lineno + 1
            if lines > 50:
                yield f"{path}: {node.name} has {lines} lines"
        elif isinstance(node, ast.Try) and len(node.handlers) > 4:
            yield f"{path}:{node.lineno}: {len(node.handlers)} branches of except"


def test_folders_modules_and_functions_are_small() -> None:
    paths = sorted(PACKAGE.rglob("*.py"))
    assert [said for path in paths for said in sizes(path.name, path.read_text())] == []
    folders = Counter(path.parent for path in paths if path.name != "__init__.py")
    assert {folder: count for folder, count in folders.items() if count > 13} == {}


@pytest.mark.parametrize(
    "source",
    [
        "a = 1\n" * 351,
        "def f():\n" + "    a = 1\n" * 50,
        "try:\n    f()\n" + "".join(f"except E{n}:\n    f()\n" for n in range(5)),
    ],
)
def test_what_is_too_long_is_noticed(source: str) -> None:
    assert len(list(sizes("a.py", source))) == 1


def test_what_caches_and_browsers_are_told_is_said_in_one_module() -> None:
    said = re.compile(
        r"[\"']([Cc]ache-[Cc]ontrol|[Vv]ary|[Xx]-[Cc]ontent-[Tt]ype-[Oo]ptions)[\"']:?"
    )
    written = {
        path.relative_to(PACKAGE).as_posix()
        for path in PACKAGE.rglob("*.py")
        for line in path.read_text().splitlines()
        if said.search(line) and "pop(" not in line
    }
    # A file's own Cache-Control is kept with it, by the name that S3 has for it.
    assert written == {"http/caching.py", "model/files.py"}


def test_every_module_keeps_the_rules() -> None:
    for path in PACKAGE.rglob("*.py"):
        within = path.relative_to(PACKAGE).as_posix()
        assert list(violations(within, path.read_text())) == [], within


@pytest.mark.parametrize(
    ("path", "source", "kept"),
    [
        ("http/files/content.py", 'QUERY = "SELECT name FROM files"', False),
        ("storage/local/store.py", 'QUERY = "DELETE FROM files"', False),
        ("storage/local/index/reads.py", 'QUERY = "SELECT name FROM files"', True),
        ("http/files/content.py", 'TEXT = "Select a file from the list."', True),
        ("http/app.py", 'import importlib\nimportlib.import_module("x")', False),
        ("http/app.py", '__import__("x")', False),
    ],
)
def test_a_broken_rule_is_noticed(path: str, source: str, *, kept: bool) -> None:
    assert (not list(violations(path, source))) == kept
