"""Which arguments the functions of the package can be called without."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterable

_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


class Signatures:
    """What all functions and classes of some modules need, by their bare names."""

    def __init__(self, modules: Iterable[ast.Module]) -> None:
        self._needed: dict[str, set[str]] = defaultdict(set)
        for module in modules:
            for node in ast.walk(module):
                if isinstance(node, _FUNCTIONS):
                    self._needed[node.name] |= _without_default(node.args)
                elif isinstance(node, ast.ClassDef):
                    self._needed[node.name] |= _needed_by_class(node)

    def may_be_left_out(self, call: ast.Call, keyword: str) -> bool:
        """Whether a keyword argument has a default, as far as one can know it."""
        match call.func:
            case ast.Name(id=name) | ast.Attribute(attr=name):
                return keyword not in self._needed.get(name, ())
        return True


def _without_default(arguments: ast.arguments) -> set[str]:
    positional = [*arguments.posonlyargs, *arguments.args]
    needed = positional[: len(positional) - len(arguments.defaults)]
    only = zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
    return {one.arg for one in needed} | {one.arg for one, default in only if default is None}


def _needed_by_class(node: ast.ClassDef) -> set[str]:
    for inner in node.body:
        if isinstance(inner, _FUNCTIONS) and inner.name == "__init__":
            return _without_default(inner.args)
    return {
        inner.target.id
        for inner in node.body
        if isinstance(inner, ast.AnnAssign)
        and isinstance(inner.target, ast.Name)
        and inner.value is None
    }
