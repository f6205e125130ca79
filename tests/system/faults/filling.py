"""Clients that store files of every kind and size until there is no room for more."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial

from tests.integration.service.clients.wire import TUS
from tests.support import raw
from tests.support.bodies import KIB, MIB, content, pieces
from tests.support.raw import Answer, Connection
from tests.support.service import Service
from tests.support.waiting import until
from tests.system.faults.held import (
    INLINE,
    Begun,
    File,
    Held,
    finish,
    forget,
    location_of,
    path_of,
    read,
)

SMALLEST = 512
"""Bytes of the smallest files of a client that stores small ones only."""


_Way = Callable[[Service, str, File], bool]
"""Stores a file; whether there was room for it."""


class Filler:
    """One client. ``held`` is what it was told is stored; ``wrong`` is what ought not to be.

    It stores small files, which the index keeps, or with ``large`` those that are files of their
    own, and a few small ones.
    """

    def __init__(self, number: int, seed: int, *, large: bool) -> None:
        self.held = Held()
        self.stored = 0
        self.refused = 0
        self.wrong: list[str] = []
        self._number = number
        self._large = large
        self._chance = random.Random(f"{seed}/{number}")
        self._count = 0
        self._ways: list[_Way] = [self._announced, self._chunked]
        if large:  # An upload is in a file of its own, whatever its size.
            self._ways.append(self._upload)

    def fill(self, running: Service) -> None:
        """Store files, and when one is refused smaller ones, until not even a small one fits.

        With each that is refused, one that is there is read.
        """
        size, smallest = (2 * MIB, 2 * INLINE) if self._large else (INLINE, SMALLEST)
        while size >= smallest and not self.wrong:
            small = self._chance.random() < 0.1
            if self._store(running, self._chance.randint(1, SMALLEST) if small else size):
                self.stored += 1
            else:
                self.refused += 1
                self._read_one(running)
                size //= 2

    def make_room(self, running: Service, share: float) -> None:
        """Delete a share of the files and forget as many uploads: that has to be done."""
        for name in self._some(self.held.files, share):
            if not self._delete(running, name):
                self.wrong.append(f"{name} cannot be deleted")
                return
        with Connection(running.port, patience=60) as client:
            for name in self._some(self.held.uploads, share):
                forget(client, running.token, self.held.uploads[name])
                self.held = self.held.with_upload(name, None)

    def try_to_delete(self, running: Service) -> None:
        """Delete a file, if there is room for that."""
        if self.held.files:
            self._delete(running, self._chance.choice(list(self.held.files)))

    def use_room(self, running: Service, patience: float) -> None:
        """Store small files in every way: there is room again, for each in so many seconds."""
        for way in self._ways:
            for size in (1, INLINE, 4 * INLINE) if self._large else (1, INLINE):
                store = partial(self._store, running, size, way)
                until(store, f"room for {size} bytes by {way}", patience)

    def finish_uploads(self, running: Service) -> None:
        """Send the rest of what a full disk has interrupted."""
        with Connection(running.port, patience=60) as client:
            for name, upload in self.held.uploads.items():
                finish(client, running.token, upload)
                forget(client, running.token, upload)
                self.held = self.held.with_upload(name, None).with_file(name, upload.file)

    def _some(self, names: Mapping[str, object], share: float) -> list[str]:
        return [name for name in names if self._chance.random() < share]

    def _delete(self, running: Service, name: str) -> bool:
        """Delete a file; whether there was room for that."""
        request = raw.head("DELETE", path_of(name), running.token)
        deleted = self._send(running, request) is not None
        if deleted:
            self.held = self.held.with_file(name, None)
        return deleted

    def _read_one(self, running: Service) -> None:
        """Read a file back; one that was told to be there."""
        if self.held.files:
            name = self._chance.choice(list(self.held.files))
            with Connection(running.port, patience=60) as client:
                if read(client, running.token, name) != self.held.files[name]:
                    self.wrong.append(f"{name} is not what it was")

    def _store(self, running: Service, size: int, way: _Way | None = None) -> bool:
        """Store a file of about so many bytes; whether there was room for it."""
        size = self._chance.randint(size // 2 + 1, size)
        way = way or self._chance.choice(self._ways)
        self._count += 1
        label = f"{self._number}/{self._count}"
        file = File(content(size, label), f"text/x-{self._count}")
        name = f"filler-{label}"
        if way != self._upload and self.held.files and self._chance.random() < 0.3:
            name = self._chance.choice(list(self.held.files))
        return way(running, name, file)

    def _announced(self, running: Service, name: str, file: File) -> bool:
        stored = self._send(running, file.put(running.token, name)) is not None
        if stored:
            self.held = self.held.with_file(name, file)
        return stored

    def _chunked(self, running: Service, name: str, file: File) -> bool:
        fields = {"Content-Type": file.media_type, "Transfer-Encoding": "chunked"}
        head = raw.head("PUT", path_of(name), running.token, fields)
        chunks = [*pieces(file.content, 64 * KIB), b""]
        stored = self._send(running, head + b"".join(map(raw.chunk, chunks))) is not None
        if stored:
            self.held = self.held.with_file(name, file)
        return stored

    def _upload(self, running: Service, name: str, file: File) -> bool:
        file = replace(file, media_type="application/octet-stream")  # This request says none.
        answer = self._send(running, TUS.creation(running.token, name, len(file.content)))
        if answer is None:
            return False
        upload = Begun(location_of(answer), file, 0)
        length = len(file.content)
        for piece in pieces(file.content, self._chance.randint(length // 4 + 1, length)):
            self.held = self.held.with_upload(name, upload)
            head = TUS.append(running.token, upload.path, upload.offset, len(piece), last=False)
            if self._send(running, head + piece) is None:
                return False
            upload = replace(upload, offset=upload.offset + len(piece))
        self.held = self.held.with_upload(name, None).with_file(name, file)
        with Connection(running.port, patience=60) as client:
            forget(client, running.token, upload)
        return True

    def _send(self, running: Service, request: bytes) -> Answer | None:
        """Send a request; None if there is no room for what it wants."""
        with Connection(running.port, patience=60) as client:
            client.send(request)
            answer = client.read_answer()
        if answer.status in (201, 204):
            return answer
        if answer.status != 507 or not answer.problem["type"].endswith("#storage-full"):
            self.wrong.append(f"{request[:80]!r}: {answer}")
        return None
