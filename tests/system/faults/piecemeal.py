"""An upload in several requests, interrupted wherever it may be, and gone on with."""

from __future__ import annotations

import random
from urllib.parse import quote

from tests.integration.service.clients.wire import DIALECTS
from tests.support import raw
from tests.support.raw import Answer, Connection
from tests.system.faults.ledger import Ledger, Version
from tests.system.faults.manners import Manners

_LOST = "the client is gone"


class Piecemeal:
    """One upload: what of it was acknowledged is there for good, and its end is decided once."""

    def __init__(
        self,
        ledger: Ledger,
        name: str,
        size: int,
        chance: random.Random,
        manners: Manners,
    ) -> None:
        self.name = name
        self.over = False
        self.path: str | None = None
        self._ledger = ledger
        self._entry = ledger.name(name)
        self._size = size
        self._chance = chance
        self._manners = manners
        self._dialect = chance.choice(DIALECTS)
        self._version = self._entry.plan(size)
        self._data = self._version.content()
        self._acknowledged = 0
        self._sent = 0
        self._offset: int | None = 0
        self._stragglers = 0
        """Appends that have had no answer. Each may reach its worker later than the next one, then
        take the upload over from that, or move its offset."""

    @property
    def acknowledged(self) -> int:
        """Bytes that are there for good."""
        return self._acknowledged

    def finish_in_a_copy(self, client: Connection, least: int) -> Version | None:
        """Go on with it in a copy of the service that knows ``least`` bytes of it, to its end.

        Returns what is its file then, or None where it was over already.
        """
        assert self.path is not None
        token = self._ledger.token
        client.send(self._dialect.look(token, self.path))
        answer = client.read_answer("HEAD")
        if answer.status == 404 and self.over:
            return None
        offset = int(answer.header("upload-offset") or -1)
        if not least <= offset <= self._sent:
            self._wrong(f"a copy has it at {offset}: acknowledged {least}, sent {self._sent}")
        if offset in {-1, self._size}:
            return None
        size = self._size - offset
        head = self._dialect.append(token, self.path, offset, size, last=True)
        client.send(head + self._data[offset:])
        answer = client.read_answer("PATCH")
        if not 200 <= answer.status < 300:
            self._wrong(f"a copy cannot go on at {offset}: {answer.status}, {answer.body[:300]!r}")
        return self._version

    def create(self, client: Connection) -> None:
        """Ask for it. Where no answer comes it is there, perhaps, and nobody knows its path."""
        note = {"X-Object-Meta-Note": self._version.note}
        path = quote(self.name) if self._dialect.name == "ietf" else self.name
        self.over = True
        client.send(self._dialect.creation(self._ledger.token, path, self._size, note))
        answer = client.read_answer("POST")
        if answer.status == 201:
            location = answer.header("location")
            assert location is not None
            self.path = "/" + location.split("/", 3)[3]
            self.over = False
        else:
            self._expect("creation", answer)

    def step(self, client: Connection) -> None:
        """Do one thing: append a piece, or a part of one, ask where it goes on, or give it up."""
        if self._offset is None or self._chance.random() < 0.1:
            self.look(client)
        elif self._chance.random() < 0.05:
            self.forget(client)
        else:
            self._append(client)

    def look(self, client: Connection) -> None:
        """Ask where it goes on."""
        assert self.path is not None
        self._offset = None
        if self._sent == self._size:
            self._entry.begin(self._version)  # asking may be what completes it
        client.send(self._dialect.look(self._ledger.token, self.path))
        answer = client.read_answer("HEAD")
        if answer.status not in {200, 204}:
            self._expect("HEAD", answer)
            return
        offset = int(answer.header("upload-offset") or -1)
        if not self._acknowledged <= offset <= self._sent:
            self._wrong(f"at {offset}, acknowledged {self._acknowledged}, sent {self._sent}")
        self._acknowledged = self._offset = offset
        if offset == self._size:
            self._finish(answer)

    def forget(self, client: Connection) -> None:
        """Have it removed, short of its end as it is: now it never becomes the file."""
        assert self.path is not None
        self.over = True
        dialect = {"Tus-Resumable": "1.0.0"} if self._dialect.name == "tus" else {}
        client.send(raw.head("DELETE", self.path, self._ledger.token, dialect))
        answer = client.read_answer("DELETE")
        if answer.status != 204:
            self._expect("DELETE", answer)

    def _append(self, client: Connection) -> None:
        assert self._offset is not None
        assert self.path is not None
        start = self._offset
        rest = self._size - start
        size = rest if self._chance.random() < 0.4 else int(rest ** self._chance.random())
        last = start + size == self._size
        cut = self._chance.randrange(size + 1) if self._chance.random() < 0.15 else size
        whole = cut == size
        if last and whole:
            self._entry.begin(self._version)
        self._offset = None
        self._sent = max(self._sent, start + cut)
        self._stragglers += 1
        head = self._dialect.append(self._ledger.token, self.path, start, size, last=last)
        client.send(head + self._data[start : start + cut])
        if not whole:
            raise raw.BrokenAnswerError(_LOST)
        answer = client.read_answer("PATCH")
        self._stragglers -= 1
        if 200 <= answer.status < 300:
            self._acknowledged = self._offset = start + size
            if last:
                self._finish(answer)
        elif self._stragglers and answer.status == 409:
            self._stragglers -= 1
        else:
            self._expect(f"an append at {start}", answer)

    def _finish(self, answer: Answer) -> None:
        self.over = True
        assert self.path is not None
        self._ledger.finished.append(self.path)
        self._entry.acknowledge(self._version, answer.header("etag"))
        self._ledger.acknowledged += 1

    def _expect(self, what: str, answer: Answer) -> None:
        if answer.status not in self._manners.tolerated:
            self._wrong(f"{what}: {answer.status}, {answer.body[:300]!r}")

    def _wrong(self, what: str) -> None:
        self._ledger.violated(f"{self._dialect.name} upload of {self.name} ({self._size}): {what}")
