"""The kinds of faults that mutants have: each turns a node of the syntax tree into edits.

They are those that mutation tests use since Offutt et al., "An Experimental Determination of
Sufficient Mutant Operators" (1996), and those of the language and of what is served here: awaited
calls, handlers, context managers, keyword arguments and the keys of protocols.
"""

from __future__ import annotations

import ast
import itertools
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from .signatures import Signatures
from .source import Edit, Source


@dataclass(frozen=True)
class Place:
    """A node, what it is in, and what is known about the package around it."""

    node: ast.AST
    parent: ast.AST
    source: Source
    signatures: Signatures


_COMPARISONS: dict[type[ast.cmpop], tuple[str, str]] = {
    ast.Lt: ("<", "<="),
    ast.LtE: ("<=", "<"),
    ast.Gt: (">", ">="),
    ast.GtE: (">=", ">"),
    ast.Eq: ("==", "!="),
    ast.NotEq: ("!=", "=="),
    ast.Is: (r"\bis\b", "is not"),
    ast.IsNot: (r"\bis\s+not\b", "is"),
    ast.In: (r"\bin\b", "not in"),
    ast.NotIn: (r"\bnot\s+in\b", "in"),
}
_ARITHMETIC: dict[type[ast.operator], tuple[str, str]] = {
    ast.Add: (r"\+", "-"),
    ast.Sub: ("-", "+"),
    ast.Mult: (r"\*", "//"),
    ast.FloorDiv: ("//", "*"),
    ast.Div: ("/", "*"),
    ast.Mod: ("%", "*"),
    ast.LShift: ("<<", ">>"),
    ast.RShift: (">>", "<<"),
    ast.BitAnd: ("&", "|"),
    ast.BitOr: (r"\|", "&"),
}
_HEADER = re.compile(r"[A-Za-z][A-Za-z0-9]*(-[A-Za-z0-9]+)+")
_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_-]+")
_ENCODINGS = {"utf-8", "latin-1", "iso-8859-1"}


def comparison(place: Place) -> Iterator[Edit]:
    """A comparison with its boundary moved, or the other way round."""
    if isinstance(place.node, ast.Compare):
        sides = [place.node.left, *place.node.comparators]
        for left, operator, right in zip(sides, place.node.ops, sides[1:], strict=False):
            yield from _between(place.source, left, right, *_COMPARISONS[type(operator)])


def boolean(place: Place) -> Iterator[Edit]:
    """``and`` for ``or``, and the reverse."""
    if isinstance(place.node, ast.BoolOp):
        swap = ("and", "or") if isinstance(place.node.op, ast.And) else ("or", "and")
        values = place.node.values
        for left, right in itertools.pairwise(values):
            yield from _between(place.source, left, right, rf"\b{swap[0]}\b", swap[1])


def negation(place: Place) -> Iterator[Edit]:
    """A ``not`` too few, or one too many in a condition."""
    if isinstance(place.node, ast.UnaryOp) and isinstance(place.node.op, ast.Not):
        start, end = place.source.span(place.node)
        yield from place.source.between(start, end, r"not\s*", "")
    elif _is_condition(place):
        yield _wrapped(place.source, place.node, "not ({})")


def condition(place: Place) -> Iterator[Edit]:
    """A condition that is always or never met. No loop becomes endless."""
    # Who uses a name that the condition binds would only find that it is missing.
    if _is_condition(place) and not any(isinstance(n, ast.NamedExpr) for n in ast.walk(place.node)):
        yield place.source.instead(place.node, "False")
        if not isinstance(place.parent, ast.While):
            yield place.source.instead(place.node, "True")


def arithmetic(place: Place) -> Iterator[Edit]:
    """Another operator between two numbers, or in an augmented assignment."""
    match place.node:
        case ast.BinOp(left=left, op=op, right=right) if not (_is_text(left) or _is_text(right)):
            if type(op) in _ARITHMETIC and not (isinstance(op, ast.BitOr) and _is_type(right)):
                yield from _between(place.source, left, right, *_ARITHMETIC[type(op)])
        case ast.AugAssign(target=left, op=op, value=right) if type(op) in _ARITHMETIC:
            if not _is_text(right):
                yield from _between(place.source, left, right, *_ARITHMETIC[type(op)])


def constant(place: Place) -> Iterator[Edit]:
    """A number that is one more, or the other truth."""
    match place.node:
        case ast.Constant(value=bool(value)):
            yield place.source.instead(place.node, str(not value))
        case ast.Constant(value=int(number) | float(number)):
            yield place.source.instead(place.node, repr(number + 1))


def statement(place: Place) -> Iterator[Edit]:
    """A call, a change or an early return that is not done.

    Attributes that a constructor sets are declared by that: without one, everything fails.
    """
    is_constructor = isinstance(place.parent, ast.FunctionDef) and place.parent.name == "__init__"
    match place.node:
        case ast.Assign() | ast.AnnAssign() if is_constructor:
            pass
        case (
            ast.Expr(value=ast.Call())
            | ast.AugAssign()
            | ast.Delete()
            | ast.Assert()
            | ast.Return(value=None)
            | ast.Assign(targets=[ast.Attribute() | ast.Subscript(), *_])
            | ast.AnnAssign(target=ast.Attribute() | ast.Subscript(), value=ast.expr())
        ) as found:
            yield place.source.removed(found)


def awaited(place: Place) -> Iterator[Edit]:
    """A coroutine that is not waited for, since it is not called."""
    match place.node:
        case ast.Expr(value=ast.Await()) as found:
            yield place.source.removed(found)


def result(place: Place) -> Iterator[Edit]:
    """None is returned, or the other truth."""
    match place.node:
        case ast.Return(value=ast.Constant(value=None | bool())):
            pass
        case ast.Return(value=ast.expr() as value):
            yield place.source.instead(value, "None")
            if isinstance(value, ast.Compare | ast.BoolOp):
                yield _wrapped(place.source, value, "not ({})")


def raised(place: Place) -> Iterator[Edit]:
    """An error that is not raised."""
    if isinstance(place.node, ast.Raise):
        yield place.source.removed(place.node)


def handler(place: Place) -> Iterator[Edit]:
    """Errors of fewer types are handled, or nothing is done about them."""
    if not isinstance(place.node, ast.ExceptHandler):
        return
    match place.node.type:
        case ast.Tuple(elts=types) as caught:
            for left_out in types:
                kept = [place.source.text(one) for one in types if one is not left_out]
                yield place.source.instead(caught, f"({''.join(f'{one}, ' for one in kept)})")
        case ast.expr() as caught:
            yield place.source.instead(caught, "()")
    yield from _emptied(place.source, place.node.body)


def cleanup(place: Place) -> Iterator[Edit]:
    """A ``finally`` that does nothing, or a block without one of its context managers."""
    match place.node:
        case ast.Try(finalbody=[_, *_] as body):
            yield from _emptied(place.source, body)
        case ast.With(items=[ast.withitem(optional_vars=None) as only]) as block:
            yield from _unmanaged(place.source, block, only)
        case ast.AsyncWith(items=[ast.withitem(optional_vars=None) as only]) as block:
            yield from _unmanaged(place.source, block, only)
        case ast.With(items=items) | ast.AsyncWith(items=items):
            for before, item, after in zip(
                [None, *items[:-1]], items, [*items[1:], None], strict=True
            ):
                # What a manager gives a name to would only be found missing.
                if item.optional_vars is None:
                    start, end = place.source.span(item.context_expr)
                    if after is not None:
                        end, _ = place.source.span(after.context_expr)
                    elif before is not None:
                        _, start = place.source.span(before.optional_vars or before.context_expr)
                    yield place.source.padded(start, end, "", " \\\n")


def argument(place: Place) -> Iterator[Edit]:
    """A keyword argument that is left to its default."""
    if isinstance(place.node, ast.Call):
        for keyword in place.node.keywords:
            if keyword.arg and place.signatures.may_be_left_out(place.node, keyword.arg):
                start, end = place.source.span(keyword)
                after = re.compile(rb" *,? *").match(place.source.data, end)
                end = after.end() if after else end
                yield place.source.padded(start, end, "", "\n")


def bounds(place: Place) -> Iterator[Edit]:
    """A slice that begins or ends one further."""
    if isinstance(place.node, ast.Slice):
        for bound in (place.node.lower, place.node.upper):
            if bound is not None and not isinstance(bound, ast.Constant):
                yield _wrapped(place.source, bound, "({}) + 1")


def loop(place: Place) -> Iterator[Edit]:
    """``break`` for ``continue``, and the reverse."""
    match place.node:
        case ast.Break():
            yield place.source.instead(place.node, "continue")
        case ast.Continue():
            yield place.source.instead(place.node, "break")


def key(place: Place) -> Iterator[Edit]:
    """The name of a header or of a member, with a letter too many."""
    match place.node:
        case ast.Constant(value=str(name)):
            pass
        case ast.Constant(value=bytes(raw)):
            name = raw.decode("latin-1")
        case _:
            return
    is_header = _HEADER.fullmatch(name) is not None and name.lower() not in _ENCODINGS
    if is_header or (_KEY.fullmatch(name) and _looks_up(place)):
        text = place.source.text(place.node)
        if re.fullmatch(rf"""b?(["']){re.escape(name)}\1""", text):
            yield place.source.instead(place.node, f"{text[:-1]}x{text[-1]}")


OPERATORS: dict[str, Callable[[Place], Iterator[Edit]]] = {
    "comparison": comparison,
    "boolean": boolean,
    "negation": negation,
    "condition": condition,
    "arithmetic": arithmetic,
    "constant": constant,
    "statement": statement,
    "await": awaited,
    "return": result,
    "raise": raised,
    "except": handler,
    "cleanup": cleanup,
    "argument": argument,
    "slice": bounds,
    "loop": loop,
    "key": key,
}


def _between(
    source: Source, left: ast.AST, right: ast.AST, pattern: str, text: str
) -> Iterator[Edit]:
    yield from source.between(source.span(left)[1], source.span(right)[0], pattern, text)


def _wrapped(source: Source, node: ast.AST, form: str) -> Edit:
    return source.instead(node, form.format(source.text(node)))


def _emptied(source: Source, body: list[ast.stmt]) -> Iterator[Edit]:
    if not isinstance(body[0], ast.Pass):
        yield source.removed(body[0], body[-1])


def _unmanaged(source: Source, block: ast.stmt, item: ast.withitem) -> Iterator[Edit]:
    start, _ = source.span(block)
    head = re.compile(rb"[\s,)]*(?=:)").match(source.data, source.span(item.context_expr)[1])
    if head:
        yield source.padded(start, head.end(), "if True", " \\\n")


def _is_condition(place: Place) -> bool:
    match place.parent:
        case ast.If(test=test) | ast.While(test=test) | ast.IfExp(test=test):
            # A constant is the business of its own operator.
            return test is place.node and not isinstance(test, ast.Constant)
        case ast.comprehension(ifs=tests):
            return place.node in tests
    return False


def _is_text(node: ast.expr) -> bool:
    match node:
        case ast.JoinedStr() | ast.Constant(value=str() | bytes()):
            return True
    return False


def _is_type(node: ast.expr) -> bool:
    match node:
        case ast.Constant(value=None):
            return True
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name[:1].isupper() and not name.isupper()
    return False


def _looks_up(place: Place) -> bool:
    match place.parent:
        case ast.Dict(keys=keys):
            return place.node in keys
        case ast.Subscript(value=ast.Name(id=name), slice=index):
            return index is place.node and not name[:1].isupper()
        case ast.Subscript(slice=index):
            return index is place.node
        case ast.Call(func=ast.Attribute(attr="get" | "pop"), args=[first, *_]):
            return first is place.node
    return False
