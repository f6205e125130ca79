"""A disk that forgets, when it loses power, what it was not told to make durable.

``python -m tests.system.faults.volatile_disk MOUNTPOINT IMAGE`` mounts a file system (FUSE) with
one file, ``platter``, for a loop device to be made of: the kernel's file systems then work on it as
on any disk, and what they send as a flush arrives here as an `fsync` of that file. ``IMAGE`` is
what is on the disk in the beginning, and what is durable from then on.

It does what it reads from standard input, a line for each command and a line for its answer:

``stand-still N``     Serve until N more flushes are done and another one is asked for, and then
nothing, whoever     waits for it: never is more in the cache than then. With 0 at once. Answered
then, with     ``True``, or ``False`` if it did not come to that. ``lose-power N SURVIVORS SEED``
Serve as long as that, and then fail everything. Of what is not durable only the ``SURVIVORS``
become so. Answered at once, with the number of writes that are not durable. ``power-on``     Be as
good as new. ``lie``     Say that flushes succeed, and do nothing. ``fail KIND N``     Fail the next
N of a kind, ``write`` or ``flush``, with an error (``EIO``); N may be ``inf``.

The end of its input ends it.
"""

from __future__ import annotations

import errno
import random
import stat
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import mfusepy

from tests.support.mounts import leave_mounts
from tests.system.faults.platter import SURVIVORS, Platter

_NAME = "platter"
_PATIENCE = 20.0
"""Seconds after which a disk that stands still gives up, so that nobody waits for it for ever."""

_SLOWEST = 60.0
"""Seconds within which the flushes come that it waits for."""


class VolatileDisk:
    """The file system, as the library calls it, and the commands. It serves one at a time."""

    use_ns = True

    def __init__(self, platter: Platter) -> None:
        self._platter = platter
        self._changed = threading.Condition()
        self._flushes = 0
        self._planned: dict[int, Callable[[], None]] = {}
        self._stands_still = False
        self._off = False
        self._lies = False
        self._failing = {"write": 0.0, "flush": 0.0}

    # What the kernel asks for.

    def init(self, _path: str) -> None:
        leave_mounts()

    def getattr(self, path: str, _handle: int | None = None) -> dict[str, int]:
        if path == "/":
            return {"st_mode": stat.S_IFDIR | 0o700, "st_nlink": 2}
        if path != f"/{_NAME}":
            raise OSError(errno.ENOENT, path)
        return {"st_mode": stat.S_IFREG | 0o600, "st_nlink": 1, "st_size": self._platter.size}

    def readdir(self, _path: str, _handle: int) -> list[str]:
        return [".", "..", _NAME]

    def read(self, _path: str, size: int, offset: int, _handle: int) -> bytes:
        with self._serving("read"):
            return self._platter.read(offset, size)

    def write(self, _path: str, data: bytes, offset: int, _handle: int) -> int:
        with self._serving("write"):
            self._platter.write(offset, data)
        return len(data)

    def fsync(self, _path: str, _only_data: int, _handle: int) -> int:
        with self._serving("flush"):
            if not self._lies:
                self._platter.flush()
        return 0

    @contextmanager
    def _serving(self, kind: str) -> Iterator[None]:
        with self._changed:
            if kind == "flush":
                self._planned.pop(self._flushes, _go_on)()
                self._flushes += 1
            if not self._changed.wait_for(lambda: not self._stands_still, _PATIENCE):
                self._off = True
            if self._off:
                raise OSError(errno.EIO, "no power")
            if self._failing.get(kind, 0):
                self._failing[kind] -= 1
                raise OSError(errno.EIO, "broken")
            yield

    # What a test asks for.

    def obey(self, command: str, *arguments: str) -> object:
        """Do it, and return what to answer."""
        commands: dict[str, Any] = {
            "stand-still": self._stand_still,
            "lose-power": self._lose_power,
            "power-on": self._power_on,
            "lie": self._lie,
            "fail": self._fail,
        }
        with self._changed:
            answer: object = commands[command](*arguments)
            self._changed.notify_all()
        return answer

    def _stand_still(self, after: str) -> bool:
        def stand_still() -> None:
            self._stands_still = True
            self._changed.notify_all()

        self._plan(int(after), stand_still)
        return self._changed.wait_for(lambda: self._stands_still, _SLOWEST)

    def _lose_power(self, after: str, survivors: str, seed: str) -> int:
        def lose_power() -> None:
            self._off, self._stands_still = True, False
            self._platter.lose(SURVIVORS[survivors], random.Random(seed))

        unsynced = self._platter.unsynced
        self._plan(int(after), lose_power)
        return unsynced

    def _plan(self, after: int, action: Callable[[], None]) -> None:
        self._planned.clear()
        if after:
            self._planned[self._flushes + after] = action
        else:
            action()

    def _power_on(self) -> None:
        self._planned.clear()
        self._off = self._lies = False
        self._failing = dict.fromkeys(self._failing, 0.0)

    def _lie(self) -> None:
        self._lies = True

    def _fail(self, kind: str, times: str) -> None:
        self._failing[kind] = float(times)


def _go_on() -> None:
    """Nothing was planned for now."""


def main() -> None:
    mountpoint, image = sys.argv[1:]
    disk = VolatileDisk(Platter(Path(image)))
    # Without a cache of its own in the kernel, which would also split what it is given at pages.
    options = {"foreground": True, "nothreads": True, "direct_io": True, "fsname": "volatile"}
    serve = threading.Thread(target=mfusepy.FUSE, args=(disk, mountpoint), kwargs=options)
    serve.daemon = True
    serve.start()
    # No thread may keep the mounts that need this disk: whoever ends last has to unmount them.
    leave_mounts()
    for line in sys.stdin:
        print(disk.obey(*line.split()), flush=True)


if __name__ == "__main__":
    main()
