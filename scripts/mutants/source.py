"""A module's text and its syntax tree: what of it is code, and how it is edited."""

from __future__ import annotations

import ast
import bisect
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

_LOGGERS = {"log", "_log", "logger", "_logger"}
_DECLARES = {"cast", "TypeVar", "NewType", "ContextVar", "getLogger", "dataclass", "overload"}
"""Callables whose arguments name or shape something, and never decide what is done."""

_LISTS_NAMES = {"__all__", "__slots__", "__match_args__"}
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


@dataclass(frozen=True)
class Edit:
    """``text`` takes the place of the bytes from ``start`` to ``end``, with as many line ends."""

    start: int
    end: int
    text: str


class Source:
    """One module. Lines count from 1; offsets are in bytes, as those of `ast` are."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.lines = data.decode().split("\n")
        self.tree = ast.parse(data)
        self._starts = [0]
        for line in data.split(b"\n"):
            self._starts.append(self._starts[-1] + len(line) + 1)

    @cached_property
    def dump(self) -> str:
        """The syntax tree as text, for comparing."""
        return ast.dump(self.tree)

    def span(self, first: ast.AST, last: ast.AST | None = None) -> tuple[int, int]:
        """Where the text of a node is, or that from one node to another."""
        begin: ast.expr = first  # type: ignore[assignment]
        end: ast.expr = last or first  # type: ignore[assignment]
        assert end.end_lineno is not None
        assert end.end_col_offset is not None
        return (
            self._starts[begin.lineno - 1] + begin.col_offset,
            self._starts[end.end_lineno - 1] + end.end_col_offset,
        )

    def text(self, node: ast.AST) -> str:
        """The text of a node."""
        start, end = self.span(node)
        return self.data[start:end].decode()

    def line(self, offset: int) -> int:
        """The line in which this byte is."""
        return bisect.bisect_right(self._starts, offset)

    def between(self, start: int, end: int, pattern: str, text: str) -> Iterator[Edit]:
        """Replace what the pattern finds first between two offsets, if it is there."""
        found = re.search(pattern.encode(), self.data[start:end])
        if found:
            yield Edit(start + found.start(), start + found.end(), text)

    def instead(self, node: ast.AST, text: str) -> Edit:
        """Replace an expression."""
        start, end = self.span(node)
        return self.padded(start, end, text, " \\\n")

    def removed(self, first: ast.stmt, last: ast.stmt | None = None) -> Edit:
        """Replace statements that follow each other by ``pass``."""
        start, end = self.span(first, last)
        return self.padded(start, end, "pass", "\n")

    def padded(self, start: int, end: int, text: str, line_end: str) -> Edit:
        """Replace this, and let the text have as many lines."""
        missing = self.data.count(b"\n", start, end) - text.count("\n")
        return Edit(start, end, text + line_end * missing)

    def edited(self, edit: Edit) -> bytes:
        """The whole text after an edit."""
        return self.data[: edit.start] + edit.text.encode() + self.data[edit.end :]

    def code(self) -> Iterator[tuple[ast.AST, ast.AST]]:
        """All nodes that decide what the program does, each with the node that it is in.

        Left out are imports, annotations, docstrings, lists of names, the texts of log lines, what
        only declares, and what is inside of f-strings: its place is not known before Python 3.12.
        """
        yield from _code_below(self.tree)

    def scope(self, line: int) -> str:
        """The innermost function around a line, by its path; outside of any, the line itself."""
        found = f"line {line}"
        for path, node in _functions(self.tree, ""):
            assert node.end_lineno is not None
            if node.lineno <= line <= node.end_lineno:
                found = path
        return found

    def statement(self, line: int) -> range:
        """The lines of the innermost statement around a line; of a block, its head alone."""
        found = range(line, line + 1)
        for node in ast.walk(self.tree):
            if isinstance(node, ast.stmt) and node.end_lineno is not None:
                body: list[ast.stmt] = getattr(node, "body", [])
                end = body[0].lineno if body else node.end_lineno + 1
                if node.lineno <= line < max(end, node.lineno + 1):
                    found = range(node.lineno, max(end, node.lineno + 1))
        return found


def _code_below(parent: ast.AST) -> Iterator[tuple[ast.AST, ast.AST]]:
    for field, value in ast.iter_fields(parent):
        if field in {"annotation", "returns"}:
            continue
        for node in value if isinstance(value, list) else [value]:
            if isinstance(node, ast.AST) and not _is_no_code(node, parent):
                yield node, parent
                yield from _code_below(node)


def _is_no_code(node: ast.AST, parent: ast.AST) -> bool:
    match node:
        case (
            ast.Import()
            | ast.ImportFrom()
            | ast.JoinedStr()
            | ast.Expr(value=ast.Constant())
            | ast.If(test=ast.Name(id="TYPE_CHECKING"))
        ):
            return True
        case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
            return name in _LISTS_NAMES
        case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name)):
            return name in _DECLARES
        case ast.Constant(value=str()):
            return isinstance(parent, ast.Call) and _is_log(parent)
    return False


def _is_log(call: ast.Call) -> bool:
    match call.func:
        case ast.Attribute(value=ast.Name(id=name)) | ast.Attribute(value=ast.Attribute(attr=name)):
            return name in _LOGGERS
    return False


def _functions(node: ast.AST, path: str) -> Iterator[tuple[str, ast.stmt]]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, (*_FUNCTIONS, ast.ClassDef)):
            inner = f"{path}.{child.name}".lstrip(".")
            if isinstance(child, _FUNCTIONS):
                yield inner, child
            yield from _functions(child, inner)
        else:
            yield from _functions(child, path)
