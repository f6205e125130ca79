"""What `lint-imports` cannot see: SQL outside of the index, and imports made up at run time.

Which module may import which stands in pyproject.toml, and `make lint` looks.
"""

from __future__ import annotations

import ast
import re
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
