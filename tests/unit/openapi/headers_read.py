"""Which request headers the code reads, found in its source."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

import file_uploader

PACKAGE = Path(file_uploader.__file__).parent
WINGS = (PACKAGE / "http", PACKAGE / "model")

_READERS = {
    *("single", "combined", "bytes_number", "integer", "boolean"),
    *("announced_by", "_visible", "_date", "_entity_tags"),
}
"""Functions that are told the name of a header."""
_NAMES = {"HEADER", "CUSTOM", "WANTED", "completeness", "STANDARD", "_OF_READ", "_OF_WRITE"}
"""What names of headers are called, or collected in."""
_HEADER = re.compile(r"[A-Za-z]+(-[A-Za-z0-9]+)*-?")


def headers_read() -> set[str]:
    """Their names in lower case; one that ends in ``-`` stands for all that begin so."""
    found = {
        name
        for wing in WINGS
        for path in wing.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        for name in _of(node)
    }
    of_traces = TraceContextTextMapPropagator().fields
    return of_traces | {name.lower() for name in found if _HEADER.fullmatch(name)}


def _of(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Call):
        method = node.func.attr if isinstance(node.func, ast.Attribute) else None
        of_headers = isinstance(node.func, ast.Attribute) and _are_headers(node.func.value)
        called = method or ast.unparse(node.func)
        if called in _READERS or (called in ("get", "getlist") and of_headers):
            yield from _texts(node.args)
    elif isinstance(node, ast.Compare):
        if _are_headers(node.comparators[0]) and isinstance(node.left, ast.Constant):
            yield from _texts([node.left])
        elif ast.unparse(node.left) == "name":
            yield from _texts(node.comparators, bytes)
    elif isinstance(node, ast.Assign | ast.AnnAssign | ast.keyword) and node.value is not None:
        if isinstance(node, ast.keyword):
            name = node.arg
        else:
            name = ast.unparse(node.target if isinstance(node, ast.AnnAssign) else node.targets[0])
        if name in _NAMES:
            keys = node.value.keys if isinstance(node.value, ast.Dict) else [node.value]
            yield from _texts(filter(None, keys))


def _are_headers(node: ast.expr) -> bool:
    return ast.unparse(node).endswith("headers")


def _texts(nodes: Iterable[ast.AST], kind: type[str] | type[bytes] | None = None) -> Iterator[str]:
    for node in (inner for outer in nodes for inner in ast.walk(outer)):
        value = node.value if isinstance(node, ast.Constant) else None
        if isinstance(value, str) and kind is not bytes:
            yield value
        elif isinstance(value, bytes):
            yield value.decode("latin-1")
