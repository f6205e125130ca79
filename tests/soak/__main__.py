"""Everything that takes too long for each change, for as long as there is time.

What was stopped, however it was, goes on with the next run on the same commit. What came of
everything is in .soak/report.md.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import shutil
import signal
import sys
import time
from collections.abc import Iterator, Sequence

from bench.machine import described
from bench.page import inserted
from tests.soak import report
from tests.soak.campaigns import CAMPAIGNS, TORTURE, Campaign
from tests.soak.journal import Began, Entry, Journal
from tests.soak.room import Room, commit
from tests.soak.running import Runner
from tests.soak.standing import plan
from tests.support.service import ROOT

DIRECTORY = ROOT / ".soak"
DOCS = ROOT / "docs" / "reliability.md"
INTERRUPTED = 130


def main() -> None:
    """Run, or put the table into the docs; exits with 1 if anything has failed on this commit."""
    names = [campaign.name for campaign in CAMPAIGNS]
    options = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    options.add_argument("--hours", type=float, default=8, help="for how long at most (8)")
    options.add_argument("--docs", action="store_true", help="only put the table into the docs")
    options.add_argument("campaigns", nargs="*", help=f"only these: {', '.join(names)}")
    chosen = options.parse_args()
    if unknown := set(chosen.campaigns) - set(names):
        options.error(f"no such campaign: {', '.join(sorted(unknown))}")
    DIRECTORY.mkdir(exist_ok=True)
    journal = Journal(DIRECTORY / "journal.jsonl")
    if chosen.docs:
        table = report.table(journal.entries(), CAMPAIGNS)
        DOCS.write_text(inserted(DOCS.read_text(), "soak", table))
        return
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    wanted = [each for each in CAMPAIGNS if not chosen.campaigns or each.name in chosen.campaigns]
    with _locked() as lock:
        sys.exit(_soak(journal, chosen.hours, wanted, lock))


@contextlib.contextmanager
def _locked() -> Iterator[int]:
    """Wait until no other run is there, nor anything that one has left."""
    with (DIRECTORY / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            _say("another run has not ended yet; waiting for it")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield lock.fileno()


def _soak(journal: Journal, hours: float, wanted: Sequence[Campaign], lock: int) -> int:
    """Run for so many hours, and return the exit status."""
    with_commit = commit()
    logs = DIRECTORY / "logs" / report.short(with_commit)
    logs.mkdir(parents=True, exist_ok=True)
    _remove_rooms(journal)
    room = Room()
    try:
        began = Began(hours=hours, machine=described(room.path), room=str(room.path))
        journal.note(Entry(with_commit, began))
        _say(f"commit {report.short(with_commit)}, logs in {logs}")
        deadline = time.monotonic() + hours * 3600
        room.furnish(with_commit)
        _run_all(Runner(journal, with_commit, room, logs, deadline, lock), wanted)
    except KeyboardInterrupt:
        return INTERRUPTED
    finally:
        shutil.rmtree(room.path)
        _write_report(journal, with_commit)
    return int(report.has_failed(journal.entries(), CAMPAIGNS, with_commit))


def _run_all(runner: Runner, wanted: Sequence[Campaign]) -> None:
    """Run what is not done yet, and torture in the time that is left."""
    for campaign in plan(runner.journal.entries(), wanted, runner.commit):
        _run(runner, campaign)
    if TORTURE in wanted:
        _run(runner, TORTURE, torture=runner.left)


def _run(runner: Runner, campaign: Campaign, torture: float | None = None) -> None:
    if runner.left <= 0:
        return
    if lacking := campaign.lacking():
        _say(f"{campaign.name}: left out, it needs {', '.join(lacking)}")
        return
    _say(f"{campaign.name}: {campaign.about}")
    ended = runner.run(campaign, torture)
    _write_report(runner.journal, runner.commit)
    _say(f"{campaign.name}: {ended.outcome}")


def _write_report(journal: Journal, with_commit: str) -> None:
    text = report.report(journal.entries(), CAMPAIGNS, with_commit)
    (DIRECTORY / "report.md").write_text(text)


def _remove_rooms(journal: Journal) -> None:
    """Remove what runs have left that were killed."""
    for entry in journal.entries():
        if isinstance(entry.what, Began):
            shutil.rmtree(entry.what.room, ignore_errors=True)


def _say(what: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {what}", flush=True)


if __name__ == "__main__":
    main()
