"""Imports run one way, and what belongs to one place is in that place only; read from the code.

::

    http -> uploads, links, storage.base -> body -> model -> errors
            storage.local, storage.s3 -> storage.base

Only what puts the parts together knows the settings and which stores there are.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "file_uploader"

_CORE = {"errors", "model", "storable", "body", "hashing", "stage", "metrics", "tracing"}
_STORAGE = {"storage.base", "storage.passes", "storage.records", "storage.upkeep"}
_BELOW_HTTP = {*_CORE, "storage.base", "uploads", "links", "owned", "root_path"}
_STORES = {"settings", "storage.local", "storage.s3"}
_EVERYTHING = {*_BELOW_HTTP, *_STORES, "stores", "http", "http.app", ""}

MAY_IMPORT: dict[str, set[str]] = {
    "": set(),
    "errors": set(),
    "metrics": set(),
    "root_path": set(),
    "tracing": {"errors"},
    "model": {"errors"},
    "storable": {"errors", "model"},
    "stage": set(),
    "hashing": {"stage"},
    "body": {"errors", "model", "hashing"},
    "storage": set(),
    "storage.base": {*_CORE, "storage.upkeep"},
    "owned": {"errors"},
    "storage.records": _CORE,
    "storage.passes": {"errors"},
    "storage.watched": {*_CORE, "storage.base", "storage.upkeep"},
    "storage.upkeep": {"model"},
    "storage.local": {*_CORE, *_STORAGE, "owned"},
    "storage.s3": {*_CORE, *_STORAGE, "owned"},
    "appends": _CORE,
    "uploads": {*_CORE, "storage.base", "owned", "appends"},
    "links": {*_CORE, "storage.base"},
    "settings": {"errors", "model", "root_path"},
    "stores": {*_BELOW_HTTP, *_STORES},
    "http": _BELOW_HTTP | {""},
    "http.app": {
        *(_BELOW_HTTP | {"settings", "stores", "http", ""}),
        *("storage.upkeep", "storage.watched"),
    },
    "http.asgi": _EVERYTHING,
    "http.gunicorn_conf": _EVERYTHING,
    "cli": {*_EVERYTHING, "storage.passes", "storage.upkeep"},
    "__main__": {"cli"},
}
"""What each area may import besides itself; an area is everything below its name.

The empty name is ``file_uploader/__init__.py``, which is imported for the version.
"""

BELONGS_TO: dict[str, tuple[str, ...]] = {
    "starlette": ("http",),
    "gunicorn": ("http", "cli"),
    "uvloop": ("http",),
    "apsw": ("storage.local",),
    "sqlite3": (),
    "aiobotocore": ("storage.s3",),
    "botocore": ("storage.s3",),
    "boto3": (),
    "aiohttp": ("storage.s3",),
    "prometheus_client": ("metrics", "http"),
    "opentelemetry": ("tracing",),
    "pydantic": ("settings",),
    "pydantic_settings": ("settings",),
    "shtab": ("cli",),
    "tqdm": ("cli",),
}
"""The only areas that may import a library."""

SQL = re.compile(
    r"\s*(SELECT .* FROM|INSERT (OR \w+ )?INTO|UPDATE \w+ SET|DELETE FROM|CREATE TABLE)\b",
    re.DOTALL,
)
SQL_MODULES = {f"storage.local.{name}" for name in ("audit", "index", "rows", "writer")}


def area_of(module: str, areas: set[str]) -> str | None:
    """The longest of the areas that the module lies in; for ``file_uploader`` itself that is ""."""
    found = [area for area in areas if module == area or (area and module.startswith(f"{area}."))]
    return max(found, key=len, default=None)


def imported(tree: ast.AST, module: str, *, is_package: bool) -> Iterator[str]:
    """The full names of everything imported anywhere in a module, in functions too."""
    path = ["file_uploader", *module.split(".")] if module else ["file_uploader"]
    package = path if is_package else path[:-1]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else []
            origin = ".".join([*above, *([node.module] if node.module else [])])
            yield from (f"{origin}.{alias.name}" for alias in node.names)
        elif (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name | ast.Attribute)
            and ast.unparse(node.func) in {"__import__", "import_module", "importlib.import_module"}
        ):
            yield "a name made up at run time"


def violations(source: str, module: str, *, is_package: bool = False) -> list[str]:
    """Everything that the module, named without its ``file_uploader.``, is not allowed."""
    tree = ast.parse(source)
    area = area_of(module, set(MAY_IMPORT))
    if area is None:
        return [f"{module} has no place in the table of areas"]
    found = [
        problem
        for name in imported(tree, module, is_package=is_package)
        if (problem := _refused(name, area))
    ]
    if module not in SQL_MODULES:
        found += [
            f"SQL: {node.value!r}"
            for node in ast.walk(tree)
            if isinstance(node, ast.Constant) and isinstance(node.value, str)
            if SQL.match(node.value)
        ]
    return [f"{module or '__init__'}: {problem}" for problem in found]


def _refused(name: str, area: str) -> str | None:
    top, _, rest = name.partition(".")
    if " " in name:
        return f"imports {name}"
    if top != "file_uploader":
        owners = BELONGS_TO.get(top)
        if owners is None or any(area_of(area, {owner}) for owner in owners):
            return None
        return f"imports {name}, which only {' and '.join(owners) or 'nobody'} may"
    # What is not below an area is a name in __init__.py.
    other = area_of(rest, set(MAY_IMPORT)) or ""
    if other == area or other in MAY_IMPORT[area]:
        return None
    return f"imports {name}"


def modules() -> dict[str, Path]:
    """All modules of the package by name."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = list(path.relative_to(PACKAGE).with_suffix("").parts)
        if parts[-1] == "__init__":
            parts.pop()
        found[".".join(parts)] = path
    return found


def test_every_module_keeps_the_rules() -> None:
    for module, path in modules().items():
        is_package = path.name == "__init__.py"
        assert violations(path.read_text(), module, is_package=is_package) == []


def test_all_modules_are_looked_at() -> None:
    assert {"", "errors", "body", "storage.base", "http.app", "storage.local.store"} <= set(
        modules()
    )


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("errors", "from .model import FileName"),
        ("errors", "import file_uploader.model"),
        ("model", "from file_uploader.body import ClientBody"),
        ("model", "from . import body"),
        ("body", "from .storage.base import Storage"),
        ("body", "def late():\n    from file_uploader.storage import base"),
        ("body", "if TYPE_CHECKING:\n    from file_uploader import settings"),
        ("storage.base", "from .local import LocalStorage"),
        ("storage.base", "from . import s3"),
        ("storage.base", "from ..http import problems"),
        ("storage.local.store", "from file_uploader.storage.s3 import S3Storage"),
        ("storage.local.store", "from file_uploader.storage import s3"),
        ("storage.local.store", "from ..s3.room import Room"),
        ("storage.s3.store", "from ..local.threads import Threads"),
        ("storage.s3.store", "import file_uploader.http.problems"),
        ("storage.s3.store", "from file_uploader.settings import Settings"),
        ("storage.s3.store", "from file_uploader.uploads import Upload"),
        ("storage.s3.store", "import starlette"),
        ("storage.s3.store", "import apsw"),
        ("storage.local.store", "from botocore.exceptions import ClientError"),
        ("storage.local.store", "import sqlite3"),
        ("uploads", "from file_uploader.storage.local import LocalStorage"),
        ("uploads", "from starlette.requests import Request"),
        ("uploads", "from .http import headers"),
        ("http.files", "from file_uploader.storage.local import LocalStorage"),
        ("http.files", "from file_uploader.storage.s3.keys import key"),
        ("http.files", "from file_uploader.settings import Settings"),
        ("http.files", "from file_uploader import settings"),
        ("http.files", "from .app import create_app"),
        ("http.files", "from . import app"),
        ("http.files", "import pydantic"),
        ("http.files", 'import importlib\nimportlib.import_module("x")'),
        ("http.files", 'QUERY = "SELECT name FROM files"'),
        ("storage.local.store", 'QUERY = "DELETE FROM files"'),
        ("settings", "from .http import headers"),
        ("somewhere_else", ""),
    ],
)
def test_the_rules_are_noticed_when_broken(module: str, source: str) -> None:
    assert violations(source, module) != []


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("model", "from .errors import InvalidName"),
        ("storage.base", "from file_uploader.body import ClientBody"),
        ("storage.local.store", "from . import listing\nfrom .index import Index\nimport apsw"),
        ("storage.local.store", "from file_uploader.storage.base import Content"),
        ("storage.s3.client", "from botocore.exceptions import ClientError"),
        ("http.files", "from . import target\nfrom .headers import single\nimport starlette"),
        ("http.files", "from file_uploader.uploads import Upload"),
        ("stores", "from file_uploader.storage.s3 import S3Storage"),
        ("http.app", "from file_uploader.settings import Settings"),
        ("http.gunicorn_conf", "from file_uploader.stores import try_storage"),
        ("storage.local.index", 'QUERY = "SELECT name FROM files"'),
        ("http.files", 'TEXT = "Select a file from the list."'),
    ],
)
def test_what_keeps_the_rules_is_let_through(module: str, source: str) -> None:
    assert violations(source, module) == []


def test_a_package_is_not_its_own_parent() -> None:
    """In ``__init__.py`` one dot means the package itself."""
    source = "from .store import LocalStorage"
    assert violations(source, "storage.local", is_package=True) == []
    assert violations("from ..s3 import S3Storage", "storage.local", is_package=True) != []
