"""Processes that change one embedded store together, and what has to be in it after all of them."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from file_uploader.model.names import Container
from file_uploader.uploads.rules import Uploads
from tests.contract.uploading import EXPIRY
from tests.support.files import put, read
from tests.support.listing import names_in
from tests.support.local_disk import assert_sound, opened
from tests.support.waiting import until
from tests.system.faults.index_process import COUNTER, own_content, shared_contents

ROOT = Path(__file__).parents[3]


@dataclass
class Told:
    """What a process has said by now."""

    begun: dict[str, int] = field(default_factory=dict)
    done: dict[str, int] = field(default_factory=dict)
    took: list[float] = field(default_factory=list)
    at: list[float] = field(default_factory=list)
    counted: list[int] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    def hear(self, line: str) -> None:
        """One line; the last one of a killed process may be cut."""
        if not line.endswith("}\n"):
            return
        said: dict[str, Any] = json.loads(line)
        if "wrong" in said:
            self.wrong.append(said["wrong"])
        elif "counted" in said:
            self.counted.append(said["counted"])
        elif "took" in said:
            self.done[said["name"]] = said["version"]
            self.took.append(said["took"])
            self.at.append(said["at"])
        else:
            self.begun[said["name"]] = said["version"]


class Running:
    """A process that has begun."""

    def __init__(self, directory: Path, container: Container, number: int) -> None:
        command = [sys.executable, "-m", "tests.system.faults.index_process", str(directory)]
        self.told = Told()
        self._process = subprocess.Popen(
            [*command, container.name, str(number)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._thread = threading.Thread(target=self._listen)

    @property
    def pid(self) -> int:
        return self._process.pid

    def go(self) -> None:
        """Let it begin to work, once it is ready."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == "ready\n"
        self._thread.start()
        self._process.stdin.write("go\n")
        self._process.stdin.flush()

    def kill(self) -> None:
        """End it at once, and hear all that it has said."""
        if self._process.poll() is None:
            self._process.kill()
            if self._thread.is_alive():
                self._thread.join()
            _, told = self._process.communicate()
            # A long run does make the log so long that it is told of.
            errors = [line for line in told.splitlines() if "the index's log" not in line]
            assert not errors, errors
            assert self._process.returncode == -signal.SIGKILL, self._process.returncode

    def waits_for_next(self, moment: float) -> float:
        """Wait until it is told of a change, and say how long after that moment it was."""
        until(lambda: bool(self.told.at) and self.told.at[-1] > moment, "it goes on")
        return next(at for at in self.told.at if at > moment) - moment

    def _listen(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.told.hear(line)


@contextmanager
def running(directory: Path, container: Container, count: int) -> Iterator[list[Running]]:
    """Processes that have all begun to work; what is in the list at the end is killed."""
    processes = [Running(directory, container, number) for number in range(count)]
    try:
        for process in processes:
            process.go()
        yield processes
    finally:
        for process in processes:
            process.kill()


async def prepare(directory: Path, container: Container) -> None:
    """Make the store, and what has to be there before the first process."""
    async with opened(directory) as store:
        await put(store, container, COUNTER, b"0")


async def check(directory: Path, container: Container, told: list[Told]) -> None:
    """Whatever was acknowledged is there, nothing is mixed or lost, and nothing else is left."""
    wrong = [each for process in told for each in process.wrong]
    assert not wrong, wrong
    async with opened(directory) as store:
        uploads = Uploads(store, expiry=EXPIRY)
        async for upload in uploads.list(container):
            await uploads.cancel(container, upload.id)
        await uploads.aclose()
        names = set(await names_in(store, container))
        for process in told:
            for name, begun in process.begun.items():
                found = await read(store, container, name) if name in names else None
                # What was under way when the process was killed may have happened, whole.
                allowed = {process.done.get(name, 0), begun}
                assert found in {own_content(name, version) for version in allowed}, (name, allowed)
        for name in names:
            if name.startswith("shared/"):
                assert await read(store, container, name) in shared_contents()
        value = int(await read(store, container, COUNTER))
        await store.sweep()
    counted = [each for process in told for each in process.counted]
    assert len(counted) == len(set(counted)), "two processes raised the number to the same value"
    # Each of the killed may have raised it once more, without having been told.
    assert max(counted) <= value <= len(counted) + len(told), "an update was lost"
    assert_sound(directory)
