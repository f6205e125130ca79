"""Clients that ask for anything, at random, and know what they may be answered.

Each owns its names: it alone writes them, one request after the other, so that what it reads
back is decided. What comes of a request is noted in the ledger before the next one begins.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import random
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from urllib.parse import quote

from tests.support import raw
from tests.support.raw import Answer, Connection
from tests.system.faults.ledger import Ledger, Name, Seen, Version, told
from tests.system.faults.manners import KIB, Manners
from tests.system.faults.piecemeal import Piecemeal

NOTE = "X-Object-Meta-Note"


class Actor:
    """One client on one connection at a time."""

    def __init__(self, number: int, ledger: Ledger, seed: str, manners: Manners) -> None:
        self.prefix = f"actor-{number}/"
        self._ledger = ledger
        self._chance = random.Random(f"{seed}/{number}")
        self._manners = manners
        self._names = [f"{self.prefix}file {index}" for index in range(manners.names)]
        self._for_uploads = [f"{self.prefix}pieces/é{index}" for index in range(3)]
        self.uploads: list[Piecemeal] = []
        self._steps: list[tuple[Callable[[Connection], None], int]] = [
            (self._put, 30),
            (self._put_if, 10),
            (self._put_cut, 6),
            (self._put_with_a_wrong_digest, 2),
            (self._delete, 10),
            (self._get, 12),
            (self._range, 6),
            (self._list, 3),
            (self._begin_upload, 8),
            (self._go_on, 24),
        ]

    def run(self, ports: Callable[[], Sequence[int]], stop: threading.Event) -> None:
        """Ask until ``stop`` is set; where the connection breaks, go on with another."""
        while not stop.is_set():
            with contextlib.suppress(OSError, raw.BrokenAnswerError):
                port = self._chance.choice(ports())
                with Connection(port, self._manners.patience) as client:
                    while not stop.is_set():
                        self._step(client)
            time.sleep(0.01)  # it may be gone for a while

    def _step(self, client: Connection) -> None:
        steps, weights = zip(*self._steps, strict=True)
        [step] = self._chance.choices(steps, weights)
        step(client)

    def _pick(self) -> tuple[str, Name]:
        name = self._chance.choice(self._names)
        return name, self._ledger.name(name)

    def _plan(self, entry: Name) -> Version:
        return entry.plan(self._chance.choice(self._manners.sizes))

    def _ask(
        self, client: Connection, method: str, path: str, headers: Mapping[str, str] | None = None
    ) -> Answer:
        client.send(raw.head(method, path, self._ledger.token, headers))
        return client.read_answer(method)

    def _put(self, client: Connection) -> None:
        name, entry = self._pick()
        version = self._plan(entry)
        entry.begin(version)
        self._send(client, name, version, {})
        self._judge("PUT", entry, version, client.read_answer("PUT"), fine=True)

    def _put_if(self, client: Connection) -> None:
        name, entry = self._pick()
        certain, before, etag = entry.certain, entry.acknowledged, entry.etag
        if etag is None or self._chance.random() < 0.5:
            condition, fine = {"If-None-Match": "*"}, before.size is None
        elif self._chance.random() < 0.3:
            condition, fine = {"If-Match": '"another"'}, False
        else:
            condition, fine = {"If-Match": etag}, True
        version = self._plan(entry)
        entry.begin(version)
        self._send(client, name, version, condition)
        answer = client.read_answer("PUT")
        self._judge("PUT", entry, version, answer, fine=fine if certain else None)

    def _send(
        self, client: Connection, name: str, version: Version, headers: Mapping[str, str]
    ) -> None:
        data = version.content()
        kept = {NOTE: version.note, **headers}
        if self._chance.random() < 0.3:
            kept |= {"Content-Digest": _digest(data)}
        if self._chance.random() < 0.3:
            client.send(self._head("PUT", name, {**kept, "Transfer-Encoding": "chunked"}))
            middle = self._chance.randrange(len(data) + 1)
            parts = (data[:middle], data[middle:])
            client.send(b"".join(raw.chunk(part) for part in parts if part) + raw.chunk(b""))
        else:
            client.send(self._head("PUT", name, {**kept, "Content-Length": str(len(data))}) + data)

    def _put_cut(self, client: Connection) -> None:
        """Send less than all of it, and be gone: that is never to be seen."""
        name, entry = self._pick()
        sizes = self._manners.sizes
        size = self._chance.choice((self._chance.choice(sizes), max(sizes)))
        version = entry.plan(max(2, size))
        data = version.content()
        cut = self._chance.randrange(len(data))
        if self._chance.random() < 0.5:
            framing, sent = {"Content-Length": str(len(data))}, data[:cut]
        else:
            framing, sent = {"Transfer-Encoding": "chunked"}, raw.chunk(data[:cut] or b"x")
        client.send(self._head("PUT", name, {NOTE: version.note, **framing}) + sent)
        if self._chance.random() < 0.5:
            client.reset()
        raise raw.BrokenAnswerError("the client is gone")

    def _put_with_a_wrong_digest(self, client: Connection) -> None:
        name, entry = self._pick()
        data = self._plan(entry).content()
        headers = {"Content-Length": str(len(data)), "Repr-Digest": _digest(data + b"!")}
        client.send(self._head("PUT", name, headers) + data)
        answer = client.read_answer("PUT")
        self._expect("PUT with a wrong digest", name, answer, {400})

    def _delete(self, client: Connection) -> None:
        name, entry = self._pick()
        certain, there = entry.certain, entry.acknowledged.size is not None
        version = entry.plan()
        entry.begin(version)
        answer = self._ask(client, "DELETE", path_of(name))
        if answer.status == 404:
            # It was not there then; what has no verdict may still come.
            if certain and there:
                self._wrong(f"DELETE of {name}: 404, but it is {entry.acknowledged}")
            entry.acknowledge(version)
            return
        self._judge("DELETE", entry, version, answer, fine=there if certain else None)

    def _judge(
        self, what: str, entry: Name, version: Version, answer: Answer, *, fine: bool | None
    ) -> None:
        """Note the verdict; ``fine`` says whether it has to be a success, None if it may be."""
        if answer.status == 204:
            entry.acknowledge(version, answer.header("etag"))
            self._ledger.acknowledged += 1
            if fine is False:
                self._wrong(f"{what} of {version}: 204, but its condition does not hold")
            return
        if answer.status in {412, 507}:
            entry.refuse(version)
        if not (answer.status == 412 and fine is not True):
            self._expect(what, str(version), answer, set())

    def _get(self, client: Connection) -> None:
        name, entry = self._pick()
        moment = entry.moment()
        answer = self._ask(client, "GET", path_of(name))
        seen = seen_in(answer)
        if seen is None:
            self._expect("GET", name, answer, set())
        else:
            self._ledger.check(name, moment, seen)

    def _range(self, client: Connection) -> None:
        name, entry = self._pick()
        size = entry.acknowledged.size or 0
        first = self._chance.randrange(size + 1)
        last = first + self._chance.randrange(64 * KIB)
        moment = entry.moment()
        answer = self._ask(client, "GET", path_of(name), {"Range": f"bytes={first}-{last}"})
        possible = entry.since(moment)
        sizes = {each.size for each in possible}
        if answer.status == 206:
            parts = [each.content()[first : last + 1] for each in possible if each.size]
            if answer.body not in parts:
                self._wrong(f"{name} from {first} to {last}: of no version of {told(possible)}")
        elif answer.status == 416:
            if not any(size is not None and size <= first for size in sizes):
                self._wrong(f"{name} from {first}: 416, but it is one of {told(possible)}")
        elif answer.status == 404:
            if None not in sizes:
                self._wrong(f"{name} from {first}: 404, but it is one of {told(possible)}")
        elif answer.status != 200:
            self._expect("GET of a range", name, answer, set())

    def _list(self, client: Connection) -> None:
        moments = {
            name: entry.moment()
            for name, entry in list(self._ledger.names.items())
            if name.startswith(self.prefix)
        }
        answer = self._ask(client, "GET", f"/api/files?prefix={quote(self.prefix)}&details=true")
        if answer.status != 200:
            self._expect("a list", self.prefix, answer, set())
            return
        listed = {each["name"]: each["size"] for each in json.loads(answer.body)}
        for name in listed.keys() - moments.keys():
            self._wrong(f"{name} is listed, and nobody has stored it")
        for name, moment in moments.items():
            possible = self._ledger.name(name).since(moment)
            if listed.get(name) not in {each.size for each in possible}:
                self._wrong(f"{name} is listed with {listed.get(name)}, not {told(possible)}")

    def _begin_upload(self, client: Connection) -> None:
        taken = {each.name for each in self.uploads}
        free = [name for name in self._for_uploads if name not in taken]
        if free:
            name = self._chance.choice(free)
            size = max(1, self._chance.choice(self._manners.sizes))
            upload = Piecemeal(self._ledger, name, size, self._chance, self._manners)
            upload.create(client)
            if not upload.over:
                self.uploads.append(upload)

    def _go_on(self, client: Connection) -> None:
        if self.uploads:
            upload = self._chance.choice(self.uploads)
            try:
                upload.step(client)
            finally:
                if upload.over:
                    self.uploads.remove(upload)

    def _head(self, method: str, name: str, headers: Mapping[str, str]) -> bytes:
        return raw.head(method, path_of(name), self._ledger.token, headers)

    def _expect(self, what: str, name: str, answer: Answer, statuses: set[int]) -> None:
        if answer.status not in statuses | self._manners.tolerated:
            self._wrong(f"{what} of {name}: {answer.status}, {answer.body[:300]!r}")

    def _wrong(self, what: str) -> None:
        self._ledger.violated(what)


class Reader:
    """Somebody else of the same client who reads what the actors write, while they do."""

    def __init__(self, ledger: Ledger, seed: str) -> None:
        self._ledger = ledger
        self._chance = random.Random(f"{seed}/reader")

    def run(self, ports: Callable[[], Sequence[int]], stop: threading.Event) -> None:
        """Read until ``stop`` is set."""
        while not stop.is_set():
            with (
                contextlib.suppress(OSError, raw.BrokenAnswerError),
                Connection(self._chance.choice(ports()), 60) as client,
            ):
                while not stop.is_set():
                    self._read(client)
            time.sleep(0.01)  # it may be gone for a while

    def _read(self, client: Connection) -> None:
        names = list(self._ledger.names)
        if names:
            name = self._chance.choice(names)
            moment = self._ledger.name(name).moment()
            client.send(raw.head("GET", path_of(name), self._ledger.token))
            seen = seen_in(client.read_answer())
            if seen is not None:
                self._ledger.check(name, moment, seen)
        time.sleep(0.005)  # it is the writers that are to be kept busy


def seen_in(answer: Answer) -> Seen | None:
    """What an answer to GET shows; None where it is a failure."""
    if answer.status == 404:
        return Seen(None)
    if answer.status != 200:
        return None
    return Seen(
        len(answer.body), hashlib.sha256(answer.body).hexdigest(), answer.header(NOTE) or ""
    )


def path_of(name: str) -> str:
    """Where a file is."""
    return f"/api/files/{quote(name)}"


def _digest(data: bytes) -> str:
    return f"sha-256=:{base64.b64encode(hashlib.sha256(data).digest()).decode()}:"
