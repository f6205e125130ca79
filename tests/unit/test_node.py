"""The Node.js that is asked for, and the one that the page's packages take."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
LOCK: dict[str, Any] = json.loads((ROOT / "web/package-lock.json").read_text(encoding="utf-8"))
_BOUND = re.compile(r"(>=|>|\^)\s*(\d+)(?:\.(\d+))?(?:\.(\d+))?")

Version = tuple[int, ...]


def _bounds(ranges: str) -> list[tuple[str, Version]]:
    """The alternatives of npm's notation, each of one lower bound."""
    found = [_BOUND.fullmatch(one.strip()) for one in ranges.split("||")]
    assert all(found), f"{ranges} is not understood here"
    return [
        (each[1], tuple(int(part or 0) for part in each.groups()[1:])) for each in found if each
    ]


def takes(ranges: str, version: Version) -> bool:
    """Whether one of the alternatives does."""
    return any(
        version > least
        if sign == ">"
        else version >= least and (sign == ">=" or version[0] == least[0])
        for sign, least in _bounds(ranges)
    )


def least_of(wanted: set[str]) -> str:
    """The lowest version that all take, without its patch level where that is 0."""
    bounds = {version for ranges in wanted for _, version in _bounds(ranges)}
    least = min(each for each in bounds if all(takes(ranges, each) for ranges in wanted))
    return ".".join(map(str, least)).removesuffix(".0")


# What is optional is left out where it does not fit.
WANTED = {
    package["engines"]["node"]
    for name, package in LOCK["packages"].items()
    if name and "engines" in package and not package.get("optional")
}


@pytest.mark.parametrize(
    ("place", "asked"),
    [
        ("README.md", "Node.js {} or newer"),
        ("CONTRIBUTING.md", "Node.js {} or newer"),
        ("Makefile", "NODE = Node.js {} or newer\n"),
        ("web/package.json", '"node": ">={}"'),
    ],
)
def test_it_is_the_least_that_all_of_them_take(place: str, asked: str) -> None:
    text = (ROOT / place).read_text(encoding="utf-8")
    assert asked.format(least_of(WANTED)) in text
    assert text.count(asked.partition("{}")[0]) == 1


def test_the_lock_says_so_too() -> None:
    assert LOCK["packages"][""]["engines"] == {"node": f">={least_of(WANTED)}"}


@pytest.mark.parametrize(
    ("wanted", "least"),
    [
        ({">=20"}, "20.0"),
        ({">=20", ">= 21.3.1"}, "21.3.1"),
        ({"^20.19.0 || >=22.12.0", ">18.0.0"}, "20.19"),
        ({"^20.19.0 || >=22.12.0", ">=22"}, "22.12"),
        ({"^20 || ^22 || >=24", ">=22.1 || ^20.7"}, "20.7"),
        ({"^20 || ^24", ">=21"}, "24.0"),
    ],
)
def test_the_least_is_found(wanted: set[str], least: str) -> None:
    assert least_of(wanted) == least
