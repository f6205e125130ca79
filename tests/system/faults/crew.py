"""Clients of every kind at work on one service, and what each of them was told."""

from __future__ import annotations

import hashlib
import json
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from tests.support import raw
from tests.support.raw import Connection
from tests.support.service import Service
from tests.support.traffic import ABSENT, SIZES, Fate, Writer, found_by
from tests.support.waiting import until
from tests.system.faults.soundness import faults_in
from tests.system.faults.uploader import Uploader

LARGE = 4 * 1024 * 1024 + 1234
"""Bytes of a file that is written around the page cache, and does not end with a block."""

_PATIENCE = 30.0


class Clients:
    """They write, each to its own names, all for one token."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.token = str(uuid.uuid4())
        self._writers = [Writer(number, seed, sizes=(*SIZES, LARGE)) for number in range(3)]
        self._uploaders = [Uploader(number, seed) for number in range(2)]

    @property
    def acknowledged(self) -> int:
        """Writes that were answered with success."""
        return sum(client.acknowledged for client in self._all)

    def go_on(self, count: float = float("inf")) -> None:
        """Wait until so many writes more were acknowledged, or each of them has stopped.

        They stop at an answer that they had not expected.
        """
        enough = self.acknowledged + count
        until(
            lambda: self.acknowledged >= enough or all(client.wrong for client in self._all),
            "they have done enough, or can do no more",
            _PATIENCE,
        )

    @contextmanager
    def at_work(self, running: Service) -> Iterator[threading.Event]:
        """Let them work until the event is set. What is answered after that counts for nothing."""
        stop = threading.Event()
        threads = [
            threading.Thread(target=client.run, args=(running, stop)) for client in self._all
        ]
        for thread in threads:
            thread.start()
        try:
            yield stop
        finally:
            stop.set()
            for thread in threads:
                thread.join()

    def wrong(self) -> list[str]:
        """The answers that nobody expected, and forget them."""
        found = [text for client in self._all for text in client.wrong]
        for client in self._all:
            client.wrong.clear()
        return found

    def violations(self, running: Service, directory: Path, *, finish: bool) -> list[str]:
        """Whatever is not as it was promised, once the sweep has been through the directory.

        What is there now is what has to be there from now on. With ``finish`` the uploads are
        brought to their ends.
        """
        found = self.wrong()

        def judge(check: Callable[[Connection], None]) -> None:
            try:
                with Connection(running.port) as client:
                    check(client)
            except (AssertionError, OSError, raw.BrokenAnswerError) as error:
                found.append(str(error) or repr(error))

        for uploader in self._uploaders:
            judge(partial(uploader.check, self.token, finish=finish))
        for name, fate in self._fates.items():
            judge(partial(self._check_file, name, fate))
        judge(self._check_list)
        try:
            until(lambda: not faults_in(directory), "the sweep has done its work", _PATIENCE)
        except AssertionError as error:
            found += [str(error), *faults_in(directory)]
        return found

    def unreadable(self, running: Service) -> list[str]:
        """The files whose reading fails; what is read must be right."""
        failed = []
        for name, fate in self._fates.items():
            with Connection(running.port) as client:
                client.send(raw.head("GET", f"/api/files/{name}", self.token))
                answer = client.read_answer()
            if answer.status >= 500:
                failed.append(name)
            else:
                digest = hashlib.sha256(answer.body).hexdigest()
                found = ABSENT if answer.status == 404 else digest
                assert fate.allows(found), f"{name}: {answer.status}, {found!r}, {fate}"
        return failed

    @property
    def _all(self) -> list[Writer | Uploader]:
        return [*self._writers, *self._uploaders]

    @property
    def _fates(self) -> dict[str, Fate]:
        fates = {uploader.name: uploader.fate for uploader in self._uploaders}
        for writer in self._writers:
            fates |= writer.fates
        return fates

    def _check_file(self, name: str, fate: Fate, client: Connection) -> None:
        found = found_by(client, self.token, name)
        assert fate.allows(found), f"{name}: {found!r}, {fate}"
        fate.settle(found)

    def _check_list(self, client: Connection) -> None:
        client.send(raw.head("GET", "/api/files?details=true", self.token))
        listed = {each["name"]: each["etag"] for each in json.loads(client.read_answer().body)}
        there = {
            name: f'"{fate.acknowledged}"'
            for name, fate in self._fates.items()
            if fate.acknowledged
        }
        assert listed == there, f"listed are {listed}, there are {there}"
