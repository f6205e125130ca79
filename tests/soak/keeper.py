"""Runs a program of a campaign, and leaves nothing of it behind: no process, no mount.

``python -m tests.soak.keeper PROGRAM ARGUMENT…``, in the environment of a `Chapter`, ends with the
program's status. SIGTERM has it note that the campaign is stopped, send SIGINT to the program's
process group, as Ctrl-C does, and kill the program if it has not ended `PATIENCE` seconds later.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.soak.journal import Chapter, Ended
from tests.support.mounts import private_mounts, run

PATIENCE = 60
"""Seconds."""

_PR_SET_CHILD_SUBREAPER = 36


def main() -> None:
    # Who was started by a process that has ended becomes a child of this one.
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    with _own_mounts() if os.geteuid() == 0 else contextlib.nullcontext():
        status = _keep(sys.argv[1:])
        _end_children()
    sys.exit(status)


@contextlib.contextmanager
def _own_mounts() -> Iterator[None]:
    """What is kept in memory goes with them, too."""
    with private_mounts():
        run("mount", "-t", "tmpfs", "tmpfs", "/dev/shm")
        yield


def _keep(command: Sequence[str]) -> int:
    chapter = Chapter.from_environment()
    # What a script has started in the background ignores it, and so would all below.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    running: list[subprocess.Popen[bytes]] = []
    stopped = False

    def send(number: signal.Signals) -> None:
        for each in running:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(each.pid, number)

    def stop(*_: object) -> None:
        nonlocal stopped
        stopped = True
        # Tests can fail now that did not fail before: a service may end before its test.
        chapter.note(Ended(campaign=chapter.campaign, outcome="stopped"))
        signal.alarm(PATIENCE)
        send(signal.SIGINT)

    # Set first: a program can say that it runs before this process hears of it.
    signal.signal(signal.SIGALRM, lambda *_: send(signal.SIGKILL))
    signal.signal(signal.SIGTERM, stop)
    # The kernel ends the program if this process is killed and cannot do it itself.
    program = subprocess.Popen(["setpriv", "--pdeathsig", "KILL", *command], start_new_session=True)
    running.append(program)
    if stopped:
        send(signal.SIGINT)
    while program.returncode is None:
        ended, status = os.wait()  # Whoever it is, as nobody else waits for orphans.
        if ended == program.pid:
            program.returncode = os.waitstatus_to_exitcode(status)
    return program.returncode


def _end_children() -> None:
    """Kill what is left. Exits if that has not ended after `PATIENCE` seconds, either."""
    signal.signal(signal.SIGALRM, _give_up)
    signal.alarm(PATIENCE)
    with contextlib.suppress(ChildProcessError):
        while True:
            for child in _children():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(child, signal.SIGKILL)
            os.wait()


def _give_up(*_: object) -> None:
    print(f"these cannot be killed: {_children()}", file=sys.stderr)
    sys.exit(os.EX_OSERR)


def _children() -> list[int]:
    return [int(pid) for pid in Path("/proc/thread-self/children").read_text().split()]


if __name__ == "__main__":
    main()
