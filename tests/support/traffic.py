"""Writers that know what has to be there after a crash: each notes the answers for its names."""

from __future__ import annotations

import hashlib
import random
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field

from tests.support import raw
from tests.support.bodies import content
from tests.support.raw import Connection
from tests.support.service import Service

KIB = 1024
SIZES = (0, 1, 3 * KIB, 16 * KIB, 16 * KIB + 1, 100 * KIB, 700 * KIB)
"""Around what the embedded store keeps in a row, and well past it."""

ABSENT = ""
"""Stands for no file, where a SHA-256 stands for its content."""


@dataclass
class Fate:
    """What a name may hold: what was last acknowledged, or one of what got no answer since."""

    acknowledged: str = ABSENT
    possible: set[str] = field(default_factory=set)

    def allows(self, found: str) -> bool:
        """Whether a reader may find this."""
        return found == self.acknowledged or found in self.possible

    def settle(self, found: str) -> None:
        """It was read after a restart: from now on it is what is there."""
        self.acknowledged = found
        self.possible.clear()


class Writer:
    """Puts, overwrites and deletes its own names, one request after the other, until it is cut."""

    def __init__(
        self, number: int, seed: int, names: int = 4, sizes: Sequence[int] = SIZES
    ) -> None:
        self.fates = {f"writer-{number}/{name}": Fate() for name in range(names)}
        self.acknowledged = 0
        self.wrong: list[str] = []
        self._chance = random.Random(f"{seed}/{number}")
        self._number = number
        self._sizes = sizes
        self._count = 0

    def run(self, running: Service, stop: threading.Event) -> None:
        """Write until ``stop`` is set, an answer is wrong, or the service is gone.

        An answer that comes after ``stop`` was set is none.
        """
        try:
            with Connection(running.port) as client:
                while not (stop.is_set() or self.wrong):
                    self._write(running.token, client, stop)
        except (OSError, raw.BrokenAnswerError):
            return

    def _write(self, token: str, client: Connection, stop: threading.Event) -> None:
        name = self._chance.choice(list(self.fates))
        fate = self.fates[name]
        self._count += 1
        if self._chance.random() < 0.2:
            new, request = ABSENT, raw.head("DELETE", f"/api/files/{name}", token)
        else:
            size = self._chance.choice(self._sizes)
            label = f"{self._number}/{self._count}/".encode()
            data = label + content(max(self._sizes))[:size]
            new = hashlib.sha256(data).hexdigest()
            fields = {"Content-Length": str(len(data)), **kept_with(new)}
            request = raw.head("PUT", f"/api/files/{name}", token, fields) + data
        there = {bool(each) for each in (fate.acknowledged, *fate.possible)}
        expected = {204} if new else {204 if each else 404 for each in there}
        fate.possible.add(new)
        client.send(request)
        status = client.read_answer().status
        if stop.is_set():
            return
        if status not in expected:
            self.wrong.append(f"{name}: {status} instead of {expected}")
            return
        fate.settle(new)
        self.acknowledged += status == 204


def kept_with(digest: str) -> dict[str, str]:
    """A header that a file is to be stored with, so that it can be told whether it is its own."""
    return {"X-Object-Meta-Sha256": digest}


def found_by(client: Connection, token: str, name: str) -> str:
    """SHA-256 of the file's content, read back; `ABSENT` if there is none.

    Fails if what came with it is not what it was stored with.
    """
    client.send(raw.head("GET", f"/api/files/{name}", token))
    answer = client.read_answer()
    if answer.status == 404:
        return ABSENT
    assert answer.status == 200, answer
    found = hashlib.sha256(answer.body).hexdigest()
    etag = answer.header("etag")
    assert etag is not None
    assert len(etag) != 66 or etag == f'"{found}"', f"{name}: {etag} is not of what was sent"
    for header, value in kept_with(found).items():
        assert answer.header(header) == value, f"{name}: {header} is not of what was sent"
    return found
