"""Drawing mutants, and what is made of what the tests say of them."""

from __future__ import annotations

import dataclasses
import json
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import pytest

from scripts.mutants import drawing, report, suites
from scripts.mutants.coverage_map import CoverageMap
from scripts.mutants.drawing import Mutant
from scripts.mutants.operators import OPERATORS
from scripts.mutants.running import Outcome
from scripts.mutants.signatures import Signatures
from scripts.mutants.source import Edit, Source
from scripts.mutants.suites import ROOT, Run, Suite
from scripts.mutants.trees import NotThereError, replaced
from scripts.mutants.trial import Trial
from scripts.mutants.verdicts import COVERING, KILLED, LIVES, NOT_THERE, TIMEOUT, Verdict, Verdicts

# Never the package itself: these tests are run on mutants of it as well, and say nothing of them.
CODE = "bench"
RUN = Run((), ("tests",))
SUITE = Suite("suite", "all tests", ROOT, {}, (RUN,))


def edits(text: str, operator: str) -> list[str]:
    source = Source(text.encode())
    lines = drawing.possible(source, Signatures([source.tree]))
    return [
        source.edited(edit).decode()
        for line in sorted(lines)
        for edit in lines[line].get(operator, [])
        if drawing.is_mutant(source, edit)
    ]


def mutant(number: int, file: str = "a.py", scope: str | None = None, line: int = 0) -> Mutant:
    line = line or number
    return Mutant(
        id=f"1-{number:03}",
        file=file,
        line=line,
        first=line,
        last=line,
        scope=f"f{number}" if scope is None else scope,
        operator="constant",
        before="x = 1",
        after="x = 2",
        digest="",
    )


@pytest.mark.parametrize(
    ("operator", "before", "after"),
    [
        ("comparison", "a < b <= c\n", ["a <= b <= c\n", "a < b < c\n"]),
        ("comparison", "a is not b\n", ["a is b\n"]),
        ("comparison", "a not in (b)\n", ["a in (b)\n"]),
        ("boolean", "a and (b or c)\n", ["a or (b or c)\n", "a and (b and c)\n"]),
        ("negation", "x = not a\n", ["x = a\n"]),
        ("negation", "x = a if b else c\n", ["x = a if not (b) else c\n"]),
        ("condition", "if a:\n    b\n", ["if False:\n    b\n", "if True:\n    b\n"]),
        ("condition", "while a:\n    b\n", ["while False:\n    b\n"]),
        ("condition", "if (a := b):\n    a\n", []),
        (
            "condition",
            "if a(\n  b\n):\n    c\n",
            [f"if {x} \\\n \\\n:\n    c\n" for x in (False, True)],
        ),
        ("arithmetic", "a + b\n", ["a - b\n"]),
        ("arithmetic", "a //= b\n", ["a *= b\n"]),
        ("arithmetic", "a + 'b'\n", []),
        ("constant", "x = 1_000\n", ["x = 1001\n"]),
        ("constant", "x = True\n", ["x = False\n"]),
        ("statement", "a(\n    b,\n)\n", ["pass\n\n\n"]),
        ("statement", "a.b = c\n", ["pass\n"]),
        ("statement", "class A:\n  def __init__(self):\n    self.a = 0\n", []),
        ("await", "async def f():\n    await a()\n", ["async def f():\n    pass\n"]),
        ("return", "def f():\n    return a\n", ["def f():\n    return None\n"]),
        (
            "return",
            "def f():\n    return a or b\n",
            ["def f():\n    return None\n", "def f():\n    return not (a or b)\n"],
        ),
        ("raise", "if a:\n    raise B('c d') from None\n", ["if a:\n    pass\n"]),
        (
            "except",
            "try:\n    a\nexcept (B, C):\n    d\n",
            [
                "try:\n    a\nexcept (C, ):\n    d\n",
                "try:\n    a\nexcept (B, ):\n    d\n",
                "try:\n    a\nexcept (B, C):\n    pass\n",
            ],
        ),
        ("cleanup", "try:\n    a\nfinally:\n    b\n", ["try:\n    a\nfinally:\n    pass\n"]),
        ("cleanup", "with a():\n    b\n", ["if True:\n    b\n"]),
        ("cleanup", "with (\n    a()\n):\n    b\n", ["if True \\\n \\\n:\n    b\n"]),
        ("cleanup", "with a() as b:\n    b\n", []),
        ("cleanup", "with a() as b, c():\n    b\n", ["with a() as b:\n    b\n"]),
        (
            "cleanup",
            "with (\n    a(),\n    b() as c,\n    d(),\n):\n    c\n",
            [
                "with (\n     \\\nb() as c,\n    d(),\n):\n    c\n",
                "with (\n    a(),\n    b() as c \\\n,\n):\n    c\n",
            ],
        ),
        ("argument", "a(b, c=d, e=f)\n", ["a(b, e=f)\n", "a(b, c=d, )\n"]),
        ("argument", "def a(*, b, c=0):\n    a(b=1, c=2)\n", ["def a(*, b, c=0):\n    a(b=1, )\n"]),
        ("slice", "a[b:c]\n", ["a[(b) + 1:c]\n", "a[b:(c) + 1]\n"]),
        ("loop", "for a in b:\n    break\n", ["for a in b:\n    continue\n"]),
        ("key", "a['Content-Type']\n", ["a['Content-Typex']\n"]),
        ("key", "x = b'if-range'\n", ["x = b'if-rangex'\n"]),
        ("key", "a.get('size')\n", ["a.get('sizex')\n"]),
        ("key", "x = 'size'\n", []),
        ("key", "x = a.encode('utf-8')\n", []),
    ],
)
def test_each_operator(operator: str, before: str, after: list[str]) -> None:
    assert edits(before, operator) == after


def test_every_operator_makes_other_python_with_the_same_lines() -> None:
    found: dict[str, list[tuple[Source, Edit]]] = defaultdict(list)
    for path in sorted((ROOT / CODE).rglob("*.py")):
        source = Source(path.read_bytes())
        for choices in drawing.possible(source, Signatures([source.tree])).values():
            for operator, edits_of_it in choices.items():
                found[operator] += [(source, edit) for edit in edits_of_it]
    assert len(found) > len(OPERATORS) / 2
    for of_one in found.values():
        # All of them would take a minute.
        for source, edit in of_one[:: len(of_one) // 5 + 1]:
            assert drawing.is_mutant(source, edit)
            assert source.edited(edit).count(b"\n") == source.data.count(b"\n")


NO_CODE = '''\
"""Not 1 and not 2."""
from a import b
__all__ = ["Content-Type"]
if TYPE_CHECKING:
    c = 1
X = TypeVar("X-Y", bound=1)


@dataclass(frozen=True)
class D:
    """Not 3."""

    e: Literal[1]
    """Not 4."""

    async def f(self, g: Annotated[int, 1 < 2]) -> Literal[1]:
        """Not 5 if 6 < 7."""
        # not 8
        h = f"{1 + 1}"
'''


def test_what_is_no_code_is_not_drawn() -> None:
    source = Source(NO_CODE.encode())
    assert drawing.possible(source, Signatures([source.tree])) == {}


def test_texts_of_log_lines_are_not_drawn_but_whether_they_are_written() -> None:
    source = Source(b"_log.warning('not-there %s', 'some-header')\n")
    assert drawing.possible(source, Signatures([source.tree]))[1].keys() == {"statement"}


def test_drawing_again_draws_the_same(tmp_path: Path) -> None:
    first = drawing.draw(ROOT, CODE, 20, 1)
    assert drawing.draw(ROOT, CODE, 20, 1) == first
    assert drawing.draw(ROOT, CODE, 20, 2) != first
    assert len({(one.file, one.line) for one in first}) == 20
    drawing.save(first, tmp_path / "mutants")
    assert drawing.load(tmp_path / "mutants") == first
    with pytest.raises(ValueError, match="only"):
        drawing.draw(tmp_path, ".", 1, 1)


def test_mutants_are_put_where_they_were_drawn() -> None:
    for one in drawing.draw(ROOT, CODE, 10, 1):
        text = (ROOT / one.file).read_text()
        assert one.first <= one.line <= one.last
        lines, changed = text.split("\n"), replaced(text, one).split("\n")
        assert len(lines) == len(changed)
        differ = [
            n for n, pair in enumerate(zip(lines, changed, strict=True), 1) if len({*pair}) > 1
        ]
        assert differ[0] >= one.line
        assert differ[-1] <= one.line + one.before.count("\n")


def test_a_mutant_is_found_where_its_lines_have_moved_to() -> None:
    one = mutant(1)
    assert replaced("x = 1\nx = 1", one) == "x = 2\nx = 1"
    assert replaced("\n\nx = 1\n", one) == "\n\nx = 2\n"
    for text in ("\nx = 1\nx = 1", "x = 3"):
        with pytest.raises(NotThereError):
            replaced(text, one)


def test_groups_have_one_mutant_of_a_function() -> None:
    of_f = [mutant(1, scope="f"), mutant(2, scope="f"), mutant(3, scope="g")]
    within = dataclasses.replace(mutant(4, line=1), before="x\n\n\n\n")
    elsewhere = mutant(5, file="b.py", scope="f")
    assert drawing.separate([*of_f, within, elsewhere]) == [
        [of_f[0], of_f[2], elsewhere],
        [of_f[1]],
        [within],
    ]


class Seeing:
    """Tests that each see some mutants, in place of real ones; notes what is run."""

    def __init__(self, seen: dict[str, set[int]], *, flaky: int = 0) -> None:
        self._seen = seen
        self._flaky = flaky
        self.runs: list[tuple[int, int | None]] = []

    def has(self, one: Mutant) -> bool:
        return one.scope != "gone"

    def covering(self, one: Mutant) -> list[str]:
        return [test for test in self._seen if test.startswith("unit")]

    def run(
        self, mutants: Sequence[Mutant], run: Run, tests: Sequence[str] | None, failures: int
    ) -> Outcome:
        self.runs.append((len(mutants), None if tests is None else len(tests)))
        if tests is None and self._flaky:
            self._flaky -= 1
            return Outcome(False, 1.0, failed=("flaky",))
        numbers = {int(one.id[2:]) for one in mutants}
        failed = [test for test in (tests or self._seen) if self._seen.get(test, set()) & numbers]
        return Outcome(not failed, 1.0, "hangs" in failed, tuple(failed[:failures]))


def tried(
    tests: Seeing, mutants: Sequence[Mutant], path: Path, *, covering: bool = False
) -> Verdicts:
    verdicts = Verdicts(path)
    trial = Trial(SUITE, tests, verdicts, lambda _: None)
    for one in mutants:
        if covering:
            trial.on_covering(one)
    for group in trial.groups(mutants, RUN):
        trial.on_all(RUN, group)
    return verdicts


def living(verdicts: Verdicts, mutants: Sequence[Mutant]) -> list[int]:
    return [int(one.id[2:]) for one in mutants if verdicts.lives(one.id, "suite", [RUN.name])]


def test_those_that_live_are_decided_by_one_run(tmp_path: Path) -> None:
    mutants = [mutant(number) for number in range(1, 33)]
    tests = Seeing({})
    assert len(living(tried(tests, mutants, tmp_path / "v"), mutants)) == 32
    assert tests.runs == [(32, None)]


def test_a_killed_one_is_found_by_the_tests_that_have_failed(tmp_path: Path) -> None:
    mutants = [mutant(number) for number in range(1, 9)]
    tests = Seeing({"a": {3}, "b": {7}, "hangs": {8}})
    verdicts = tried(tests, mutants, tmp_path / "v")
    assert living(verdicts, mutants) == [1, 2, 4, 5, 6]
    assert verdicts.last("1-003", "suite") == Verdict("1-003", "suite", "tests", KILLED, ("a",))
    assert verdicts.last("1-008", "suite") == Verdict(
        "1-008", "suite", "tests", TIMEOUT, ("hangs",)
    )
    whole = [size for size, count in tests.runs if count is None]
    assert whole == [8, 5]


def test_what_fails_only_with_all_tests_is_found_by_halves(tmp_path: Path) -> None:
    class NotStarting(Seeing):
        def run(
            self, mutants: Sequence[Mutant], run: Run, tests: Sequence[str] | None, failures: int
        ) -> Outcome:
            outcome = super().run(mutants, run, tests, failures)
            return dataclasses.replace(outcome, failed=())

    mutants = [mutant(number) for number in range(1, 9)]
    verdicts = tried(NotStarting({"a": {3, 8}}), mutants, tmp_path / "v")
    assert living(verdicts, mutants) == [1, 2, 4, 5, 6, 7]


def test_a_test_that_fails_now_and_then_kills_nothing(tmp_path: Path) -> None:
    mutants = [mutant(number) for number in range(1, 4)]
    assert living(tried(Seeing({}, flaky=1), mutants, tmp_path / "v"), mutants) == [1, 2, 3]
    alone = [mutant(1)]
    assert living(tried(Seeing({}, flaky=1), alone, tmp_path / "w"), alone) == [1]


def test_what_covering_tests_kill_is_not_tried_again(tmp_path: Path) -> None:
    mutants = [mutant(number) for number in range(1, 5)]
    tests = Seeing({"unit": {1, 2}, "other": {3}})
    verdicts = tried(tests, mutants, tmp_path / "v", covering=True)
    assert living(verdicts, mutants) == [4]
    assert [size for size, count in tests.runs if count is None] == [2, 1]
    last = verdicts.last("1-002", "suite")
    assert last is not None
    assert last.run == COVERING


def test_decided_mutants_are_not_tried_again(tmp_path: Path) -> None:
    mutants = [mutant(number) for number in range(1, 5)]
    seen = {"unit": {1}, "other": {2}}
    tried(Seeing(seen), mutants[:3], tmp_path / "v", covering=True)
    again = Seeing(seen)
    verdicts = tried(again, mutants, tmp_path / "v", covering=True)
    assert again.runs == [(1, 1), (1, None)]
    assert living(verdicts, mutants) == [3, 4]


def test_a_tree_without_the_lines_decides_nothing(tmp_path: Path) -> None:
    mutants = [mutant(1), mutant(2, scope="gone")]
    verdicts = tried(Seeing({"unit": {2}}), mutants, tmp_path / "v", covering=True)
    last = verdicts.last("1-002", "suite")
    assert last is not None
    assert last.outcome == NOT_THERE
    assert not verdicts.is_killed("1-002", "suite")


def test_the_suites_name_tests_that_are_there() -> None:
    known = suites.load()
    assert [*known] == ["check", "test", "s3", "ci"]
    for suite in known.values():
        for run in suite.runs:
            assert all((suite.tree / path).is_dir() for path in run.paths)
    parallel = known["check"].runs[0]
    assert parallel.serial.options == (*parallel.options, "-n", "0")
    assert known["ci"].runs[-1].serial is known["ci"].runs[-1]


def test_the_map_names_tests_of_a_line_quickest_first(tmp_path: Path) -> None:
    said = {
        "tests": ["", "a", "b", "c"],
        "seconds": {"a": 30.0, "b": 20.0, "c": 20.0},
        "lines": {"a.py": {"1": [0], "2": [1, 2], "3": [1, 2, 3], "4": [3]}},
    }
    assert CoverageMap(tmp_path, "suite").tests(mutant(2)) == []
    CoverageMap.path(tmp_path, "suite").write_text(json.dumps(said))
    known = CoverageMap(tmp_path, "suite")
    assert known.tests(mutant(2)) == ["b", "a"]
    assert known.tests(mutant(3)) == ["b", "c"]
    assert known.tests(mutant(1)) == ["b", "c"]
    assert known.tests(mutant(5)) == []
    assert known.tests(dataclasses.replace(mutant(4), last=5)) == ["c"]


def test_the_report_counts_by_the_first_suite_that_kills(tmp_path: Path) -> None:
    verdicts = Verdicts(tmp_path / "v")
    later = dataclasses.replace(SUITE, name="later", title="more tests")
    mutants = [mutant(number, f"file_uploader/http/{number}.py") for number in range(1, 4)]
    mutants.append(mutant(4, "file_uploader/uploads/rules.py"))
    verdicts.add(Verdict("1-001", "suite", "tests", KILLED))
    verdicts.add(Verdict("1-002", "suite", "tests", LIVES))
    verdicts.add(Verdict("1-002", "later", "tests", TIMEOUT))
    for suite in ("suite", "later"):
        verdicts.add(Verdict("1-003", suite, "tests", LIVES))
    verdicts.add(Verdict("1-004", "suite", "tests", LIVES))
    text = report.markdown(mutants, [SUITE, later], verdicts)
    assert "| HTTP | 3 | 1 | 1 | 1 | 0 |\n" in text
    assert "| uploads, and what all share | 1 | 0 | 0 | 0 | 1 |\n" in text
    assert "| **all** | 4 | 1 | 1 | 1 | 1 |\n" in text
    assert "Something hung in more tests: 1-002." in text
    assert "`file_uploader/http/3.py:3` (constant, 1-003)\n\n```diff\n-x = 1\n+x = 2\n```" in text
    assert "2.py:2" not in text
