"""Long runs note each test, leave out what has passed, and leave no process behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.soak.campaigns import Campaign
from tests.soak.journal import Chapter, Ended, Journal
from tests.soak.room import Room
from tests.soak.running import Runner
from tests.soak.standing import standing
from tests.support.service import ROOT
from tests.support.waiting import until

COMMIT = "c" * 40
KEEPER = (sys.executable, "-m", "tests.soak.keeper")
ORPHAN = "setsid sleep 1000 & echo $!"
"""It leaves its process group, so that no signal for that finds it."""


@pytest.fixture
def runner(tmp_path: Path) -> Iterator[Runner]:
    """In a room that has the checkout itself in place of a clone."""
    room = Room()
    room.checkout.symlink_to(ROOT)
    room.temporary.mkdir()
    journal = Journal(tmp_path / "journal")
    with (tmp_path / "lock").open("w") as lock:
        deadline = time.monotonic() + 100
        yield Runner(journal, COMMIT, room, tmp_path, deadline, lock.fileno())
    room.temporary.rmdir()
    room.checkout.unlink()
    room.path.rmdir()


@pytest.fixture
def interruptible() -> Iterator[None]:
    """A process of xdist ignores what Ctrl-C sends."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """The file with the tests of the campaign."""
    return tmp_path / "test_it.py"


@pytest.fixture
def campaign(path: Path, monkeypatch: pytest.MonkeyPatch) -> Campaign:
    """Without plugins that it does not need: they take most of the time."""
    (path.parent / "conftest.py").write_text(
        "def pytest_addoption(parser):\n    parser.addoption('--ring')"
    )
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.delenv("PYTEST_XDIST_WORKER", raising=False)
    return Campaign("it", "it", 1, f"{path} -p xdist")


def tries(runner: Runner) -> dict[str, list[str]]:
    """What came of each test, time after time."""
    found: dict[str, list[str]] = {}
    for item in standing(runner.journal.entries(), "it", COMMIT).items:
        found.setdefault(item.name.rpartition("::")[2], []).append(item.outcome)
    return found


TESTS = """
import os, pytest

def test_passes():
    print("seed 77")
    print("1 kill\\n2 kills\\n3 kills\\n4 kills")

def test_fails():
    print("seen")
    assert not {fails}

@pytest.mark.skip("not here")
def test_skipped():
    pass

@pytest.mark.alone
def test_alone():
    assert "PYTEST_XDIST_WORKER" not in os.environ
    assert os.environ["FAULTS"] == "long"
"""


def test_what_has_passed_is_left_out(runner: Runner, campaign: Campaign, path: Path) -> None:
    path.write_text(TESTS.format(fails=True))
    assert runner.run(campaign).outcome == "complete"
    items = standing(runner.journal.entries(), "it", COMMIT).latest
    found = {name.rpartition("::")[2]: item for name, item in items.items()}
    assert (found["test_passes"].seed, found["test_passes"].said) == (
        "77",
        "2 kills\n3 kills\n4 kills",
    )
    assert found["test_skipped"].said == "Skipped: not here"
    assert "assert not True" in found["test_fails"].failure
    assert "seen" in found["test_fails"].failure
    path.write_text(TESTS.format(fails=False))
    assert runner.run(campaign).outcome == "complete"
    assert tries(runner) == {
        "test_passes": ["passed"],
        "test_fails": ["failed", "passed"],
        "test_skipped": ["skipped", "skipped"],
        "test_alone": ["passed"],
    }


HANGS = """
import pathlib, subprocess, time

def test_passes():
    pass

def test_hangs():
    orphan = subprocess.Popen(["sleep", "1000"], start_new_session=True)
    pathlib.Path("{orphan}").write_text(str(orphan.pid))
    time.sleep(1000)
"""


def test_when_time_is_over_it_is_stopped(runner: Runner, campaign: Campaign, path: Path) -> None:
    path.write_text("import time\ntime.sleep(1000)")
    assert replace(runner, deadline=time.monotonic() + 1).run(campaign).outcome == "stopped"


@pytest.mark.usefixtures("interruptible")
def test_who_asks_for_it_stops_it(
    runner: Runner, campaign: Campaign, path: Path, tmp_path: Path
) -> None:
    orphan = tmp_path / "orphan"
    path.write_text(HANGS.format(orphan=orphan))

    def interrupt() -> None:
        until(lambda: orphan.exists() and orphan.read_text() != "", "one hangs", patience=60)
        until(lambda: tries(runner) == {"test_passes": ["passed"]}, "the other passes", patience=60)
        os.kill(os.getpid(), signal.SIGINT)

    asking = threading.Thread(target=interrupt)
    asking.start()
    with pytest.raises(KeyboardInterrupt):
        runner.run(campaign)
    asking.join()
    end = standing(runner.journal.entries(), "it", COMMIT).end
    assert end is not None
    assert end.outcome == "stopped"
    assert is_gone(int(orphan.read_text()))


@pytest.mark.parametrize(
    ("text", "said"),
    [("", "no tests ran"), ("import nothing_of_this_name", "ModuleNotFoundError")],
)
def test_without_tests_it_is_broken(
    runner: Runner, campaign: Campaign, path: Path, text: str, said: str
) -> None:
    path.write_text(text)
    ended = runner.run(campaign)
    assert ended.outcome == "broken"
    assert said in ended.log


@pytest.fixture
def chapter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Chapter:
    """What the keeper is told by its environment."""
    made = Chapter(Journal(tmp_path / "journal"), COMMIT, "it")
    for name, value in made.environment().items():
        monkeypatch.setenv(name, value)
    return made


@pytest.mark.usefixtures("chapter")
def test_the_keeper_ends_what_is_left_behind() -> None:
    with started(*KEEPER, "sh", "-c", f"{ORPHAN}; exit 3") as keeper:
        [orphan] = printed(keeper, 1)
        assert keeper.wait(30) == 3
        assert is_gone(orphan)


def test_the_keeper_kills_what_is_not_interrupted(chapter: Chapter) -> None:
    stubborn = f"trap '' INT; {ORPHAN}; echo $$; while :; do sleep 1000; done"
    with started(*KEEPER, "sh", "-c", stubborn) as keeper:
        pids = printed(keeper, 2)
        keeper.terminate()
        with pytest.raises(subprocess.TimeoutExpired):
            keeper.wait(1)
        # Nothing that happens from here on counts.
        [entry] = chapter.journal.entries()
        assert entry.what == Ended(campaign="it", outcome="stopped")
        keeper.send_signal(signal.SIGALRM)  # As after its patience.
        keeper.wait(30)
        assert all(map(is_gone, pids))


@pytest.mark.usefixtures("chapter")
def test_what_runs_in_the_background_of_a_script_can_be_interrupted() -> None:
    asking = "import signal\nprint(int(signal.getsignal(2) is signal.default_int_handler))"
    script = ("sh", "-c", "trap '' INT; exec \"$@\"", "sh")
    with started(*script, *KEEPER, sys.executable, "-c", asking) as keeper:
        assert printed(keeper, 1) == [1]


@pytest.mark.usefixtures("chapter")
def test_nothing_outlives_who_started_the_keeper_and_is_killed() -> None:
    command = ["setpriv", "--pdeathsig", "TERM", *KEEPER, "sh", "-c", f"{ORPHAN}; exec sleep 1000"]
    with started(sys.executable, "-c", f"import subprocess\nsubprocess.run({command!r})") as one:
        [orphan] = printed(one, 1)
        one.kill()
    until(lambda: is_gone(orphan), "the orphan is gone", patience=30)


@pytest.mark.usefixtures("chapter")
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount")
def test_mounts_end_with_the_keeper(tmp_path: Path) -> None:
    mounting = f"mount -t tmpfs tmpfs {tmp_path} && touch {tmp_path}/there"
    with started(*KEEPER, "sh", "-c", f"{mounting} && grep -c {tmp_path} /proc/mounts") as keeper:
        assert printed(keeper, 1) == [1]
        assert keeper.wait(30) == 0
    assert str(tmp_path) not in Path("/proc/mounts").read_text()
    assert list(tmp_path.iterdir()) == []


def started(*command: str) -> subprocess.Popen[bytes]:
    """A program whose output `printed` reads."""
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE)


def printed(process: subprocess.Popen[bytes], count: int) -> list[int]:
    """The numbers that a script prints, each on a line."""
    assert process.stdout is not None
    return [int(process.stdout.readline()) for _ in range(count)]


def is_gone(pid: int) -> bool:
    """Whether a process has ended, and somebody has waited for it."""
    return not Path(f"/proc/{pid}").exists()
