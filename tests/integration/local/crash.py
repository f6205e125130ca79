"""Runs a scenario on copies of a store, each time with a crash at a later step of its disk's.

``python -m tests.integration.local.crash SCENARIO MODE FIRST EVERY BASE OUT`` crashes before the
step ``FIRST`` and each ``EVERY`` steps later, leaves ``OUT/<step>`` as each crash left it and
prints a line of JSON for each: the step, what it was, and whether the scenario had been
acknowledged. The last line is the run that came to its end.

A step is a write, a sync, a creation or a removal; writes of SQLite's in a row are one. With the
mode ``kill`` everything done before the crash stays, with ``power`` only what was synced.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import stat
import sys
import threading
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, NoReturn

from file_uploader.model.names import Container, FileName
from file_uploader.storage.local import LocalStorage
from tests.support.bodies import KIB, content
from tests.support.files import put
from tests.support.local_disk import hooked_sqlite

CONTAINER = Container("0123456789abcdef" * 2)
LARGE, SMALL = 300 * KIB, 1 * KIB


async def prepare(store: LocalStorage) -> None:
    """What is in the store before any scenario."""
    await put(store, CONTAINER, "large", content(LARGE, "old"))
    await put(store, CONTAINER, "small", content(SMALL, "old"))
    await put(store, CONTAINER, "bystander", content(LARGE, "bystander"))


def _put(name: str, size: int) -> Callable[[LocalStorage], Coroutine[Any, Any, object]]:
    return lambda store: put(store, CONTAINER, name, content(size, "new"))


SCENARIOS: dict[str, Callable[[LocalStorage], Coroutine[Any, Any, object]]] = {
    "create large": _put("new", LARGE),
    "large over large": _put("large", LARGE),
    "small over large": _put("large", SMALL),
    "large over small": _put("small", LARGE),
    "delete large": lambda store: store.delete(CONTAINER, FileName("large")),
    "sweep": lambda store: store.sweep(),
}


class Disk:
    """Counts what is done to the disk, and crashes before a step."""

    def __init__(self, root: Path, crash_at: int, *, power: bool, report: int) -> None:
        self.acknowledged = False
        self.steps = 0
        self._last = ""
        self._root = root
        self._crash_at = crash_at
        self._power = power
        self._report = report
        self._lock = threading.RLock()  # Held for good by the crash: all other threads stand still.
        self._dirty: set[Path] = set()
        self._unnamed: set[Path] = set()
        self._shadow = root.with_suffix(".synced")
        self._shadow.mkdir()
        for path in root.glob("index.db*"):
            shutil.copyfile(path, self._shadow / path.name)

    def step(self, what: str) -> None:
        with self._lock:
            if what.startswith("write index") and what == self._last:
                return
            self._last = what
            self.steps += 1
            if self.steps == self._crash_at:
                self.end(what)

    def end(self, what: str) -> NoReturn:
        """Leave the directory as a crash would, and the process."""
        self._lock.acquire()
        if self._power and what != "end":
            for path in self._root.glob("index.db*"):
                REAL_UNLINK(path)
            for path in self._shadow.iterdir():
                if not path.name.endswith("-shm"):
                    shutil.copyfile(path, self._root / path.name)
            for path in self._dirty:
                os.truncate(path, 0)
            for path in self._unnamed:
                REAL_UNLINK(path)
        line = {"step": self.steps, "what": what, "acknowledged": self.acknowledged}
        os.write(self._report, json.dumps(line).encode() + b"\n")
        os._exit(0)

    def sqlite(self, what: str, path: Path) -> None:
        with self._lock:
            if what == "synced":
                shutil.copyfile(path, self._shadow / path.name)
            else:
                self.step(f"{what} {path.name}")

    def install(self) -> None:
        """Let the calls of this process go through here."""
        real_open, real_pwrite, real_fsync = os.open, os.pwrite, os.fsync

        def open_(path: Any, flags: int, *args: Any) -> int:
            with self._lock:
                blob = Path(path)
                creates = blob.parent.parent.name == "blobs" and flags & os.O_CREAT
                if creates:
                    self.step("create a blob")
                    self._unnamed.add(blob)
                return real_open(path, flags, *args)

        def pwrite(fd: int, data: Any, offset: int) -> int:
            with self._lock:
                self.step("write a blob")
                self._dirty.add(_path_of(fd))
                return real_pwrite(fd, data, offset)

        def fsync(fd: int) -> None:
            with self._lock:
                path = _path_of(fd)
                self.step("sync a directory" if stat.S_ISDIR(os.fstat(fd).st_mode) else "sync")
                real_fsync(fd)
                self._dirty.discard(path)
                self._unnamed = {each for each in self._unnamed if each.parent != path}

        def unlink(path: Any, **more: Any) -> None:
            with self._lock:
                self.step("unlink")
                REAL_UNLINK(path, **more)
                self._dirty.discard(Path(path))
                self._unnamed.discard(Path(path))

        os.open, os.pwrite, os.fsync, os.unlink = open_, pwrite, fsync, unlink  # type: ignore[assignment]


REAL_UNLINK = os.unlink


def _path_of(fd: int) -> Path:
    return Path(f"/proc/self/fd/{fd}").readlink()


async def _run(scenario: str, root: Path, disk: Disk) -> None:
    store = await LocalStorage.connect(root)
    disk.install()
    disk.steps = 0
    await SCENARIOS[scenario](store)
    disk.acknowledged = True
    await store.aclose()
    disk.end("end")


def main() -> None:
    scenario, mode, first, every, base, out = sys.argv[1:]
    for crash_at in range(int(first), 1000, int(every)):
        root = Path(out) / f"{crash_at}"
        shutil.copytree(base, root)
        reading, writing = os.pipe()
        if os.fork() == 0:
            disk = Disk(root, crash_at, power=mode == "power", report=writing)
            with hooked_sqlite(disk.sqlite):
                asyncio.run(_run(scenario, root, disk))
        os.close(writing)
        line = os.read(reading, 1000).decode()
        os.close(reading)
        os.wait()
        print(line, end="", flush=True)
        if json.loads(line)["what"] == "end":
            return


if __name__ == "__main__":
    main()
