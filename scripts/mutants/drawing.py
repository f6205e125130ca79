"""Drawing mutants: each line of code that can have a fault has the same chance."""

from __future__ import annotations

import ast
import dataclasses
import hashlib
import json
import random
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from .operators import OPERATORS, Place
from .signatures import Signatures
from .source import Edit, Source

Choices = dict[str, list[Edit]]
"""The edits that are possible at a line, by operator."""


@dataclass(frozen=True)
class Mutant:
    """Some lines of a file, ``before`` and ``after``: equally many, the first is ``line``.

    They belong to the statement from the line ``first`` to ``last``, in the function ``scope``.
    ``digest`` is that of the whole file without the mutant.
    """

    id: str
    file: str
    line: int
    first: int
    last: int
    scope: str
    operator: str
    before: str
    after: str
    digest: str


def draw(root: Path, package: str, number: int, seed: int) -> list[Mutant]:
    """Draw so many mutants from the package below ``root``; the same ones for the same seed.

    They are in different lines. Raises `ValueError` if there are not so many.
    """
    files = sorted((root / package).rglob("*.py"))
    sources = {str(path.relative_to(root)): Source(path.read_bytes()) for path in files}
    signatures = Signatures(source.tree for source in sources.values())
    lines = [
        (file, line, choices)
        for file, source in sources.items()
        for line, choices in sorted(possible(source, signatures).items())
    ]
    chance = random.Random(seed)
    chance.shuffle(lines)
    drawn: list[Mutant] = []
    for file, _, choices in lines:
        if len(drawn) == number:
            break
        if found := _one_of(choices, sources[file], chance):
            name = f"{seed}-{len(drawn) + 1:03}"
            drawn.append(_mutant(name, file, sources[file], *found))
    if len(drawn) < number:
        raise ValueError(f"only {len(drawn)} lines can have a mutant")
    return drawn


def possible(source: Source, signatures: Signatures) -> dict[int, Choices]:
    """What can be done to each line of a module, before it is known whether it is Python then."""
    lines: dict[int, Choices] = defaultdict(lambda: defaultdict(list))
    for node, parent in source.code():
        place = Place(node, parent, source, signatures)
        for name, operator in OPERATORS.items():
            for edit in operator(place):
                lines[source.line(edit.start)][name].append(edit)
    return lines


def is_mutant(source: Source, edit: Edit) -> bool:
    """Whether an edit yields Python that says something else."""
    try:
        tree = ast.parse(source.edited(edit))
        # What only compiling finds is refused as well, such as ``break`` outside of a loop.
        compile(tree, "", "exec", dont_inherit=True)
    except SyntaxError:
        return False
    return ast.dump(tree) != source.dump


def save(mutants: Iterable[Mutant], path: Path) -> None:
    """Write mutants, one JSON object to a line."""
    path.write_text("".join(f"{json.dumps(dataclasses.asdict(one))}\n" for one in mutants))


def load(path: Path) -> list[Mutant]:
    """Read what `save` has written."""
    return [Mutant(**json.loads(line)) for line in path.read_text().splitlines()]


def separate(mutants: Iterable[Mutant]) -> list[list[Mutant]]:
    """Groups that can be in one tree at once: no two of a group are in one function."""
    groups: list[list[Mutant]] = []
    for mutant in mutants:
        for group in groups:
            if not any(_clash(mutant, other) for other in group):
                group.append(mutant)
                break
        else:
            groups.append([mutant])
    return groups


def _clash(one: Mutant, other: Mutant) -> bool:
    apart = one.line + one.before.count("\n") < other.line
    apart = apart or other.line + other.before.count("\n") < one.line
    return one.file == other.file and (one.scope == other.scope or not apart)


def _one_of(choices: Choices, source: Source, chance: random.Random) -> tuple[str, Edit] | None:
    names = sorted(choices)
    chance.shuffle(names)
    for name in names:
        edits = list(choices[name])
        chance.shuffle(edits)
        for edit in edits:
            if is_mutant(source, edit):
                return name, edit
    return None


def _mutant(name: str, file: str, source: Source, operator: str, edit: Edit) -> Mutant:
    first, last = source.line(edit.start), source.line(edit.end)
    statement = source.statement(first)
    after = source.edited(edit).decode().split("\n")
    return Mutant(
        id=name,
        file=file,
        line=first,
        first=statement[0],
        last=statement[-1],
        scope=source.scope(first),
        operator=operator,
        before="\n".join(source.lines[first - 1 : last]),
        after="\n".join(after[first - 1 : last]),
        digest=hashlib.sha256(source.data).hexdigest(),
    )
