"""Runs a program, and leaves nothing of it behind: no process, no mount.

``python -m tests.soak.keeper PROGRAM ARGUMENT…`` ends with the program's status. SIGTERM has it
send SIGINT to the program's process group, as Ctrl-C does, and kill the program if it has not ended
`PATIENCE` seconds later.
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

from tests.support.mounts import private_mounts

PATIENCE = 60
"""Seconds."""

_PR_SET_CHILD_SUBREAPER = 36


def main() -> None:
    # Who was started by a process that has ended becomes a child of this one.
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    with private_mounts() if os.geteuid() == 0 else contextlib.nullcontext():
        status = _keep(sys.argv[1:])
    sys.exit(status)


def _keep(command: Sequence[str]) -> int:
    # The kernel ends the program if this process is killed and cannot do it itself.
    program = subprocess.Popen(["setpriv", "--pdeathsig", "KILL", *command], start_new_session=True)

    def kill(*_: object) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(program.pid, signal.SIGKILL)

    def interrupt(*_: object) -> None:
        signal.alarm(PATIENCE)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(program.pid, signal.SIGINT)

    signal.signal(signal.SIGALRM, kill)
    signal.signal(signal.SIGTERM, interrupt)
    while program.returncode is None:
        ended, status = os.wait()  # Whoever it is, as nobody else waits for orphans.
        if ended == program.pid:
            program.returncode = os.waitstatus_to_exitcode(status)
    signal.alarm(0)
    _end_children()
    return program.returncode


def _end_children() -> None:
    with contextlib.suppress(ChildProcessError):
        while True:
            for child in _children():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(child, signal.SIGKILL)
            os.wait()


def _children() -> Iterator[int]:
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            _, _, fields = stat.read_text().rpartition(") ")
            if int(fields.split()[1]) == os.getpid():
                yield int(stat.parent.name)


if __name__ == "__main__":
    main()
