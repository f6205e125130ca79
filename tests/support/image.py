"""The Dockerfile as it is written: its instructions, and what of the repository its build gets."""

from __future__ import annotations

import fnmatch
import json
import re
import shlex
from dataclasses import dataclass


@dataclass(frozen=True)
class Instruction:
    """One instruction of a Dockerfile, its continuation lines joined."""

    keyword: str
    value: str

    @property
    def arguments(self) -> list[str]:
        """The words of the value; of an exec form, its elements."""
        if self.value.startswith("["):
            return [str(one) for one in json.loads(self.value)]
        return shlex.split(self.value)


def parse(dockerfile: str) -> list[Instruction]:
    """The instructions in their order."""
    lines = [line for line in dockerfile.splitlines() if not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n\s*", " ", "\n".join(lines))
    pairs = (line.split(maxsplit=1) for line in joined.splitlines() if line.strip())
    return [Instruction(keyword.upper(), value) for keyword, value in pairs]


def in_context(ignore: str, name: str) -> bool:
    """Whether ``.dockerignore`` lets this file into the build: the last pattern that fits decides.

    A pattern fits a file if it fits it or a directory that it is in.
    """
    parts = name.split("/")
    ways = ["/".join(parts[:end]) for end in range(1, len(parts) + 1)]
    included = True
    for line in ignore.splitlines():
        pattern = line.strip()
        if not pattern or pattern.startswith("#"):
            continue
        negated, pattern = pattern.startswith("!"), pattern.removeprefix("!")
        if any(_fits(way, pattern) for way in ways):
            included = negated
    return included


def _fits(path: str, pattern: str) -> bool:
    if pattern.startswith("**/"):
        return fnmatch.fnmatchcase(path.rpartition("/")[2], pattern[3:])
    if "/" not in pattern and "/" in path:
        return False  # a star does not cross a slash
    return fnmatch.fnmatchcase(path, pattern)
