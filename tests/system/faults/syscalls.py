"""The service's system calls that change its disk, each held until a test says what becomes of it.

The kernel asks before it makes such a call (seccomp's user notification, Linux 5.5) and lets its
thread wait for the answer: to make it, or to fail it with an error. All processes and threads of
the service ask the same listener, one call after the other. So the n-th call is the n-th of the
whole service, whichever thread makes it, which no count for each thread could tell; and a call at
which everything is killed is never made.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import os
import platform
import select
import struct
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.service import Service

_OPENAT = 257
_BY_FD = {
    1: "write",
    18: "pwrite64",
    20: "writev",
    74: "fsync",
    75: "fdatasync",
    77: "ftruncate",
    285: "fallocate",
    296: "pwritev",
    328: "pwritev2",
}
_BY_PATH = {82: ("rename", 1), 87: ("unlink", 0)}
_BY_DIRECTORY = {
    _OPENAT: ("openat", 0),
    263: ("unlinkat", 0),
    264: ("renameat", 2),
    316: ("renameat2", 2),
}
"""By their numbers on x86-64; and which argument is the path, or the directory that it is in."""

_NAMES = _BY_FD | {number: name for number, (name, _) in (_BY_PATH | _BY_DIRECTORY).items()}

_LOAD, _EQUAL, _ANY_BIT, _RETURN = 0x20, 0x15, 0x45, 0x06
_ALLOW, _NOTIFY = 0x7FFF0000, 0x7FC00000
_X86_64 = 0xC000003E
_NUMBER, _ARCHITECTURE, _THIRD_ARGUMENT = 0, 4, 32
"""Where they are in what the kernel gives to a filter."""

_SECCOMP = 317
_SET_FILTER, _NEW_LISTENER = 1, 8
_NO_NEW_PRIVILEGES = 38

_RECEIVE, _SEND = 0xC0502100, 0xC0182101
_NOTIFICATION = struct.Struct("=QIIiIQ6Q")
_ANSWER = struct.Struct("=QqiI")
_GO_ON = 1

_AT_FDCWD = -100
_LONGEST_PATH = 4096


@dataclass(frozen=True)
class Call:
    """One system call that is about to be made.

    ``path`` is what it is about, below the watched directory: of a renaming the new name.
    ``descriptor`` is that of the watched process, of calls that have one; ``offset`` and ``size``
    are in bytes, of calls that say them; ``direct`` is whether the descriptor goes around the page
    cache.
    """

    name: str
    path: Path
    descriptor: int | None = None
    offset: int = 0
    size: int = 0
    direct: bool = False

    def __str__(self) -> str:
        return f"{self.name} {self.path}{' (direct)' if self.direct else ''}"


Judge = Callable[[Call], int]
"""Says what becomes of a call: the errno that it fails with, or 0 if it is to be made."""


def let_pass(_call: Call) -> int:
    """Every call is made."""
    return 0


class Watch:
    """Has ``judge``, which can be replaced at any time, decide on the calls below a directory.

    The judge is called in one thread, for one call after the other.
    """

    def __init__(self, directory: Path, listener: int) -> None:
        self.judge: Judge = let_pass
        self._directory = directory
        self._listener = listener
        self._over = os.eventfd(0, os.EFD_CLOEXEC)
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._serve, name="system calls")
        self._thread.start()

    def end(self) -> None:
        """End it, after what was watched. Raises what the judge raised."""
        os.eventfd_write(self._over, 1)
        self._thread.join()
        os.close(self._over)
        os.close(self._listener)
        if self._error is not None:
            raise self._error

    def _serve(self) -> None:
        waiting = select.poll()
        waiting.register(self._over, select.POLLIN)
        waiting.register(self._listener, select.POLLIN)
        while True:
            ready = dict(waiting.poll())
            if self._over in ready:
                return
            if not ready[self._listener] & select.POLLIN:  # All that was watched has ended.
                waiting.unregister(self._listener)
                continue
            with contextlib.suppress(FileNotFoundError):  # Whoever asked was killed meanwhile.
                self._answer()

    def _answer(self) -> None:
        asked = bytearray(_NOTIFICATION.size)
        fcntl.ioctl(self._listener, _RECEIVE, asked, True)
        number, thread, _, call, _, _, *arguments = _NOTIFICATION.unpack(asked)
        error = 0
        try:
            told = self._told(thread, call, arguments)
            error = 0 if told is None else self.judge(told)
        except BaseException as broken:  # noqa: BLE001 - whoever made the call may not wait forever
            self._error = self._error or broken
        said = _ANSWER.pack(number, 0, -error, 0 if error else _GO_ON)
        fcntl.ioctl(self._listener, _SEND, said)

    def _told(self, thread: int, number: int, arguments: list[int]) -> Call | None:
        """The call, if it is about something in the directory, and by somebody who still lives."""
        name = _NAMES[number]
        process = Path(f"/proc/{thread}")
        try:
            if number in _BY_FD:
                path = _open_file(process, arguments[0])
            elif number in _BY_PATH:
                path = _text(process, arguments[_BY_PATH[number][1]])
            else:
                first = _BY_DIRECTORY[number][1]
                path = _text(process, arguments[first + 1])
                if not path.is_absolute() and _int(arguments[first]) != _AT_FDCWD:
                    path = _open_file(process, arguments[first]) / path
            if not path.is_relative_to(self._directory):
                return None
            if number == _OPENAT and path.exists():  # Nothing is created.
                return None
            direct = name == "pwrite64" and _is_direct(process, arguments[0])
        except (FileNotFoundError, ProcessLookupError):
            return None
        offset = size = 0
        if name == "pwrite64":
            size, offset = arguments[2:4]
        elif name == "ftruncate":
            offset = arguments[1]
        descriptor = _int(arguments[0]) if number in _BY_FD else None
        return Call(name, path.relative_to(self._directory), descriptor, offset, size, direct)


@contextmanager
def watched(directory: Path, start: Callable[[], Service]) -> Iterator[tuple[Service, Watch]]:
    """Start a service whose calls below ``directory`` are watched; at the end it is killed.

    Raises `OSError` where the kernel cannot do it, or the process may not.
    """
    assert platform.machine() == "x86_64", "the numbers of the system calls are those of x86-64"

    # A filter holds for its thread and for what that starts, and cannot be taken off again.
    with ThreadPoolExecutor(1) as filtered:
        watch = Watch(directory, filtered.submit(_listener).result())
        running = filtered.submit(start).result()
    try:
        yield running, watch
    finally:
        if running.process.poll() is None:
            running.kill()
        watch.end()


def _listener() -> int:
    """Filter the system calls of this thread; the descriptor on which the kernel asks."""
    kernel = ctypes.CDLL(None, use_errno=True)
    kernel.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0)
    filters = _filter()
    code = ctypes.create_string_buffer(filters, len(filters))
    program = struct.pack("HxxxxxxQ", len(filters) // 8, ctypes.addressof(code))
    listener: int = kernel.syscall(_SECCOMP, _SET_FILTER, _NEW_LISTENER, program)
    if listener < 0:
        raise OSError(ctypes.get_errno(), "the kernel does not let system calls be watched")
    return listener


def _filter() -> bytes:
    """The program (BPF) that lets everything pass but what is watched, and files being created."""
    ask, let = (_RETURN, 0, 0, _NOTIFY), (_RETURN, 0, 0, _ALLOW)
    steps = [(_LOAD, 0, 0, _ARCHITECTURE), (_EQUAL, 1, 0, _X86_64), let, (_LOAD, 0, 0, _NUMBER)]
    for number in _NAMES.keys() - {_OPENAT}:
        steps += [(_EQUAL, 0, 1, number), ask]
    steps += [(_EQUAL, 1, 0, _OPENAT), let]
    steps += [(_LOAD, 0, 0, _THIRD_ARGUMENT), (_ANY_BIT, 0, 1, os.O_CREAT), ask, let]
    return b"".join(struct.pack("=HBBI", *step) for step in steps)


def _open_file(process: Path, descriptor: int) -> Path:
    return (process / "fd" / f"{_int(descriptor)}").readlink()


def _is_direct(process: Path, descriptor: int) -> bool:
    words = (process / "fdinfo" / f"{_int(descriptor)}").read_text().split()
    return bool(int(words[words.index("flags:") + 1], 8) & os.O_DIRECT)


def _int(argument: int) -> int:
    """An argument that is an ``int`` in C."""
    return ctypes.c_int(argument & 0xFFFFFFFF).value


def _text(process: Path, address: int) -> Path:
    """The path that is at an address of a process's memory."""
    with (process / "mem").open("rb", buffering=0) as memory:
        memory.seek(address)
        return Path(os.fsdecode(memory.read(_LONGEST_PATH).partition(b"\0")[0]))
