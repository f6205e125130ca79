"""Mutants of a small project, tried on its tests for real."""

from __future__ import annotations

import hashlib
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from scripts.mutants.drawing import Mutant
from scripts.mutants.harness import TreeHarness
from scripts.mutants.running import Limits, Runner, StoppedError
from scripts.mutants.suites import Run, Suite
from scripts.mutants.trees import Tree
from scripts.mutants.trial import Trial
from scripts.mutants.verdicts import COVERING, KILLED, TIMEOUT, Verdicts
from tests.support.waiting import until

CODE = """\
def seen(number):
    return number + 1

def unseen(number):
    return number + 1

def endless(number):
    return number < 0
"""
TESTS = """\
import subprocess
import time
from pathlib import Path
from file_uploader.code import endless, seen, unseen

def test_seen():
    assert seen(1) == 2

def test_unseen():
    unseen(1)

def test_hanging():
    with subprocess.Popen(["sleep", "600"], start_new_session=True) as child:
        Path(__file__).with_name("child").write_text(str(child.pid))
        while endless(1):
            time.sleep(0.01)
        child.kill()
"""
# Loading all plugins takes longer than these tests.
RUN = Run((), ("tests",))
ENVIRONMENT = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}


def mutant(number: int, line: int, scope: str, before: str, after: str) -> Mutant:
    return Mutant(
        id=str(number),
        file="file_uploader/code.py",
        line=line,
        first=line,
        last=line,
        scope=scope,
        operator="arithmetic",
        before=f"    return number {before}",
        after=f"    return number {after}",
        digest=hashlib.sha256(CODE.encode()).hexdigest(),
    )


SEEN = mutant(1, 2, "seen", "+ 1", "- 1")
UNSEEN = mutant(2, 5, "unseen", "+ 1", "- 1")
ENDLESS = mutant(3, 8, "endless", "< 0", ">= 0")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    path = tmp_path / "checkout"
    for directory, text in (("file_uploader", CODE), ("tests", TESTS)):
        (path / directory).mkdir(parents=True)
        name = "code.py" if directory == "file_uploader" else "test_code.py"
        (path / directory / name).write_text(text)
    for command in (
        ["init", "--quiet"],
        ["add", "."],
        ["-c", "user.name=a", "-c", "user.email=a@b", "commit", "--quiet", "-m", "first"],
    ):
        subprocess.run(["git", *command], cwd=path, check=True)
    return path


@pytest.fixture
def runner(tmp_path: Path) -> Iterator[Runner]:
    found = Runner(tmp_path)
    yield found
    found.stop()


@pytest.fixture
def harness(checkout: Path, runner: Runner, tmp_path: Path) -> TreeHarness:
    suite = Suite("suite", "all tests", checkout, ENVIRONMENT, (RUN,))
    tree = Tree(checkout, tmp_path / "tree")
    return TreeHarness(suite, runner, [tree], into=tmp_path, say=print, grace=5)


def has_child(path: Path) -> bool:
    """Whether the program that the hanging test starts is running."""
    child = path / "tree/tests/child"
    pid = child.read_text() if child.exists() else ""
    return pid != "" and Path("/proc", pid).exists()


def test_killed_hanging_and_living(harness: TreeHarness, tmp_path: Path) -> None:
    harness.map()
    harness.measure(RUN)
    verdicts = Verdicts(tmp_path / "verdicts")
    trial = Trial(harness.suite, harness, verdicts, print)
    trial.on_covering(SEEN)
    trial.on_covering(UNSEEN)
    (group,) = trial.groups([SEEN, UNSEEN, ENDLESS], RUN)
    assert group == [UNSEEN, ENDLESS]
    trial.on_all(RUN, group)

    of_seen, of_endless = (verdicts.last(one.id, "suite") for one in (SEEN, ENDLESS))
    assert of_seen is not None
    assert (of_seen.run, of_seen.outcome) == (COVERING, KILLED)
    assert of_seen.by == ("tests/test_code.py::test_seen",)
    assert of_endless is not None
    assert (of_endless.run, of_endless.outcome) == (RUN.name, TIMEOUT)
    assert of_endless.by == ("tests/test_code.py::test_hanging",)
    assert verdicts.lives(UNSEEN.id, "suite", [COVERING, RUN.name])
    until(lambda: not has_child(tmp_path), "what it has started is gone as well")
    assert (tmp_path / "tree/file_uploader/code.py").read_text() == CODE


def test_a_worker_whose_test_hangs_ends_and_others_go_on(
    checkout: Path, runner: Runner, tmp_path: Path
) -> None:
    tree = Tree(checkout, tmp_path / "tree")
    run = Run(("-p", "xdist", "-n", "1"), RUN.paths)
    with tree.mutated([ENDLESS]):
        found = runner.run(
            tree.path, run, limits=Limits(each={"": 2.0}), failures=10, environment=ENVIRONMENT
        )
    assert (found.passed, found.timeout) == (False, False)
    assert found.failed == ("tests/test_code.py::test_hanging",)
    until(lambda: not has_child(tmp_path), "what it has started is gone as well")


def test_what_is_stopped_decides_nothing(
    harness: TreeHarness, runner: Runner, tmp_path: Path
) -> None:
    harness.measure(RUN)
    verdicts = Verdicts(tmp_path / "verdicts")
    trial = Trial(harness.suite, harness, verdicts, print)
    with ThreadPoolExecutor() as pool:
        running = pool.submit(trial.on_all, RUN, [ENDLESS])
        until(lambda: has_child(tmp_path), "the test that hangs")
        runner.stop()
        with pytest.raises(StoppedError):
            running.result()
    until(lambda: not has_child(tmp_path), "what it has started is gone as well")
    assert not verdicts.is_decided(ENDLESS.id, "suite", RUN.name)


def test_a_suite_that_fails_by_itself_says_nothing(harness: TreeHarness, tmp_path: Path) -> None:
    (tmp_path / "tree/tests/test_code.py").write_text("def test_it():\n    assert False\n")
    with pytest.raises(ValueError, match=r"fails without mutants: tests/test_code\.py::test_it"):
        harness.measure(RUN)


def test_changes_that_are_not_committed_are_no_tree(checkout: Path, tmp_path: Path) -> None:
    with (checkout / "tests/test_code.py").open("a") as file:
        file.write("\n")
    with pytest.raises(ValueError, match="not committed"):
        Tree(checkout, tmp_path / "tree")
