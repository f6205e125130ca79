"""The list of gunicorn's inner names: nothing that the server takes is left out, and no more."""

from __future__ import annotations

import ast
import inspect
import pkgutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from file_uploader.server import inner_names

PACKAGE = Path(inner_names.__file__).parent
SOURCES = {
    path.stem: text
    for path in PACKAGE.glob("*.py")
    if "\nfrom gunicorn" in (text := path.read_text())
}
LISTED = {(owner, name) for owner, names in inner_names.NAMES.items() for name in names.split()}

Taken = tuple[str | None, str]
"""The module or class of gunicorn's, None where the source does not tell, and the name in it."""


def taken(source: str) -> set[Taken]:
    """The names of gunicorn's that a module imports, overrides, reads, sets or calls."""
    tree = ast.parse(source)
    imported = dict(_imported(tree))
    found = {_split(path) for path in imported.values() if not inspect.ismodule(_found(path))}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            found |= _of_attribute(node, imported)
        elif isinstance(node, ast.ClassDef):
            for base in node.bases:
                if (path := _path(base, imported)) is not None:
                    found |= {(path, name) for name in _inherited(node, path)}
    return found


def _imported(tree: ast.AST) -> Iterator[tuple[str, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "gunicorn":
            for alias in node.names:
                yield alias.name, f"{node.module}.{alias.name}".removeprefix("gunicorn.")


def _path(expression: ast.expr, imported: dict[str, str]) -> str | None:
    """What ``gasgi.ASGIWorker`` is in gunicorn, for example; None for what is not of it."""
    first, dot, rest = ast.unparse(expression).partition(".")
    return f"{imported[first]}{dot}{rest}" if first in imported else None


def _split(path: str) -> Taken:
    owner, _, name = path.rpartition(".")
    return owner, name


def _found(path: str) -> object:
    return pkgutil.resolve_name(f"gunicorn.{path}")


def _of_attribute(node: ast.Attribute, imported: dict[str, str]) -> set[Taken]:
    if (path := _path(node.value, imported)) is not None:
        of_gunicorn = inspect.ismodule(_found(path)) or inspect.isclass(_found(path))
        return {(path, node.attr)} if of_gunicorn else set()
    is_private = node.attr.startswith("_") and not node.attr.startswith("__")
    return {(None, node.attr)} if is_private and not _is_own(node) else set()


def _is_own(node: ast.Attribute) -> bool:
    return ast.unparse(node.value) in {"self", "super()"}


def _inherited(defined: ast.ClassDef, path: str) -> Iterator[str]:
    """What the class has from that one of gunicorn's, and not from Python's."""
    bases = inspect.getmro(_found(path))  # type: ignore[arg-type]
    pythons = {name for base in bases if "gunicorn" not in base.__module__ for name in dir(base)}
    for node in ast.walk(defined):
        match node:
            case ast.Attribute(attr=name) if _is_own(node):
                pass
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                pass
            case _:
                continue
        if name not in pythons and inner_names.has(path, name):
            yield name


def unlisted(source: str) -> set[Taken]:
    """What a module takes and the list lacks."""
    return taken(source) - LISTED - {(None, name) for _, name in LISTED}


def test_the_gunicorn_that_is_installed_has_them_all() -> None:
    assert inner_names.complaint() is None


def test_its_version_is_the_one_that_is_required() -> None:
    required = (PACKAGE.parents[1] / "pyproject.toml").read_text()
    assert f'"gunicorn=={inner_names.VERSION}.*"' in required


def test_the_modules_that_take_some_are_looked_at() -> None:
    assert {"protocol", "sending", "body_receiver", "worker", "logs"} <= SOURCES.keys()


@pytest.mark.parametrize("module", SOURCES)
def test_all_that_is_taken_is_listed(module: str) -> None:
    assert unlisted(SOURCES[module]) == set()


def test_all_that_is_listed_is_taken() -> None:
    sources = [*SOURCES.values(), (PACKAGE / "configuration.py").read_text()]
    nodes = [vars(node) for source in sources for node in ast.walk(ast.parse(source))]
    said = {node.get("attr", node.get("name")) for node in nodes}
    assert {name for _, name in LISTED if name not in said} == set()


IMPORTS = """
from gunicorn.asgi import protocol
from gunicorn.asgi.protocol import ASGIProtocol
from gunicorn.workers import gasgi
"""
PROTOCOL, WORKER = "asgi.protocol.ASGIProtocol", "workers.gasgi.ASGIWorker"


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("from gunicorn.asgi.parser import ParseError", ("asgi.parser", "ParseError")),
        ("protocol._CHUNK_PREFIXES.clear()", ("asgi.protocol", "_CHUNK_PREFIXES")),
        ("protocol.FlowControl = Ours", ("asgi.protocol", "FlowControl")),
        ("protocol.ASGIProtocol._h1c_available", (PROTOCOL, "_h1c_available")),
        ("class Ours(ASGIProtocol):\n    def _will_close(self): ...", (PROTOCOL, "_will_close")),
        ("class Ours(ASGIProtocol):\n    def ours(self): self._h2_tasks", (PROTOCOL, "_h2_tasks")),
        ("class Ours(ASGIProtocol):\n    def ours(self): self.req_count", (PROTOCOL, "req_count")),
        ("class Ours(gasgi.ASGIWorker):\n    def run(self): ...", (WORKER, "run")),
        ("def ours(request): request._headers", (None, "_headers")),
    ],
)
def test_what_is_new_is_noticed(source: str, expected: Taken) -> None:
    assert unlisted(IMPORTS + source) == {expected}


def test_what_python_itself_has_is_let_through() -> None:
    ours = "class Ours(ASGIProtocol):\n    def eof_received(self): self._ours = self.ours()"
    assert unlisted(IMPORTS + ours) == set()


@pytest.mark.parametrize(
    ("owner", "name"),
    [
        ("asgi.protocol", "no_such_name"),
        ("asgi.protocol.NoSuchClass", "name"),
        ("no.such.module", "name"),
        (PROTOCOL, "_no_such_name"),
    ],
)
def test_what_is_not_there_is_named(owner: str, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(inner_names.NAMES, owner, name)
    said = inner_names.complaint()
    assert said is not None
    assert said.startswith("gunicorn 27.0.")
    assert said.endswith(f" lacks {owner}.{name}; file-uploader needs 27.0")
