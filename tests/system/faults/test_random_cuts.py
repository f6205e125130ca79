"""Connections that are cut anywhere, in every way: nobody ever sees a part, and nothing is left.

A place is drawn from each kind of place in a request and its answer alike, so that rare ones (a
line end, a chunk's size, a trailer) are met as often as the bytes of the file.
"""

from __future__ import annotations

import random
import secrets
import threading
from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tests.integration.service.clients.wire import IETF, TUS, Dialect, append, create, listed, look
from tests.support import raw, stored
from tests.support.anatomy import AFTER_CONTINUE, Cut, Request, framed
from tests.support.bodies import content
from tests.support.connections import open_blobs, open_connections
from tests.support.raw import Connection, End
from tests.support.rounds import rounds
from tests.support.service import Backend, LocalBackend, Service, service
from tests.support.unharmed import unharmed
from tests.support.waiting import until
from tests.support.witness import fetch, store

KIB = 1024
MIB = 1024 * KIB
BATCH = 100
AT_ONCE = 8
ANSWER = 60
"""Bytes that every answer has at least."""

SIZES = (1, 3 * KIB, 20 * KIB, 20 * KIB, 300 * KIB, 300 * KIB)
"""What an index row holds, and what does not fit one."""
LARGE = 9 * MIB
"""More than one part on S3; every fiftieth."""
DOWNLOAD = 12 * MIB
"""More than the kernel holds of an answer that nobody reads."""

SETTINGS = {"IDLE_TIMEOUT": "2s"}
UPLOADS = {"local": (100, 7000), "ceph": (15, 1000)}
"""Cuts of uploads in a short run and in a long one."""
DOWNLOADS = (40, 2000)

ENDINGS = ("closed", "half-closed", "reset", "silent")


@dataclass(frozen=True)
class Sending:
    """A request that stores a file.

    ``whole_at`` is how many bytes of it have to be sent until there may be the file; None if it
    never is. ``path`` is where an upload in several requests goes on.
    """

    request: Request
    whole_at: int | None
    path: str = ""
    dialect: Dialect = TUS


def _put(running: Service, name: str, new: bytes, chance: random.Random) -> Sending:
    expects = chance.random() < 0.3
    fields = {"Expect": "100-continue"} if expects else {}
    head = _head("PUT", f"/api/files/{name}", running.token, fields, new)
    request = framed(head, new, chance, expects=expects)
    return Sending(request, len(request))


def _tus_creation(running: Service, name: str, new: bytes, chance: random.Random) -> Sending:
    fields = {
        "Tus-Resumable": "1.0.0",
        "Upload-Length": str(len(new)),
        "Upload-Metadata": f"filename {b64encode(name.encode()).decode()}",
        "Content-Type": "application/offset+octet-stream",
    }
    request = framed(_head("POST", "/api/uploads", running.token, fields, new), new, chance)
    return Sending(request, request.content_end)


def _ietf_put(running: Service, name: str, new: bytes, chance: random.Random) -> Sending:
    fields = {"Upload-Complete": "?1", "Upload-Draft-Interop-Version": "8"}
    head = _head("PUT", f"/api/files/{name}", running.token, fields, new)
    request = framed(head, new, chance)
    return Sending(request, len(request))


def _ietf_part(running: Service, name: str, new: bytes, chance: random.Random) -> Sending:
    fields = {"Upload-Complete": "?0", "Upload-Length": str(2 * len(new))}
    head = _head("PUT", f"/api/files/{name}", running.token, fields, new)
    return Sending(framed(head, new, chance), None)


def _append(
    dialect: Dialect, running: Service, name: str, new: bytes, chance: random.Random
) -> Sending:
    with Connection(running.port) as client:
        path = create(client, dialect, running.token, name, len(new))
    head = dialect.append(running.token, path, 0, len(new), last=True)
    request = framed(head, new, chance)
    whole_at = request.content_end if dialect is TUS else len(request)
    return Sending(request, whole_at, path, dialect)


def _head(method: str, path: str, token: str, fields: Mapping[str, str], data: bytes) -> bytes:
    return raw.head(method, path, token, {**fields, "Content-Length": str(len(data))})


WAYS: list[Callable[[Service, str, bytes, random.Random], Sending]] = [
    *(_put, _put, _put, _tus_creation, _ietf_put, _ietf_part),
    *(partial(_append, TUS), partial(_append, TUS), partial(_append, IETF)),
]


class CutUpload:
    """One upload that breaks off, and what may be found of it."""

    def __init__(self, running: Service, number: int, chance: random.Random) -> None:
        self.name = f"cut/{number}"
        self.old = b"old of %d;" % number * 2000 if chance.random() < 0.5 else None
        if self.old is not None:
            store(running, self.name, self.old)
        size = LARGE if number % 50 == 0 else chance.choice(SIZES)
        self.new = b"%d/" % number + content(size)
        self._running = running
        self._sending = chance.choice(WAYS)(running, self.name, self.new, chance)
        self._cut = self._sending.request.cut(chance, ANSWER)
        self._ending = chance.choice(ENDINGS)
        self._resumes = chance.random() < 0.5
        self._acknowledged = False
        self._client: Connection | None = None

    def __str__(self) -> str:
        line = self._sending.request.head.partition(b"\r\n")[0].decode()
        return f"{line}: {self._ending} at {self._cut} of {len(self._sending.request)}"

    @property
    def _whole(self) -> bool:
        whole_at = self._sending.whole_at
        return whole_at is not None and self._cut.sent >= whole_at

    @property
    def _all_sent(self) -> bool:
        return self._cut.sent == len(self._sending.request)

    def begin(self) -> None:
        """Send what is sent, and end the connection, unless it goes silent."""
        client = interrupted(self._running, self._sending.request, self._cut)
        if self._ending == "closed":
            client.close()
        elif self._ending == "reset":
            client.reset()
        elif self._ending == "half-closed":
            with client:
                client.half_close()
                if self._all_sent and not self._cut.read:
                    self._take_answer(client)
                assert client.end() in (End.CLOSED, End.RESET)
        else:
            self._client = client

    def finish(self) -> None:
        """See what a silent client is told, and close its connection."""
        if self._client is None:
            return
        with self._client as client:
            if self._cut.read or self._cut.sent < len(self._sending.request.head):
                return
            if self._all_sent:
                self._take_answer(client)
            else:
                answer = client.read_answer("PUT")
                completed = self._whole and answer.status in (201, 204)
                assert completed or answer.problem["status"] == 408, (str(self), answer)

    def _take_answer(self, client: Connection) -> None:
        answer = client.read_answer("PUT")
        assert answer.status in (201, 204), (str(self), answer)
        self._acknowledged = True

    def allows(self, found: bytes | None) -> bool:
        """Whether a reader may be shown this at some moment."""
        return found == self.old or (self._whole and found == self.new)

    def check(self) -> None:
        """Look at what is there; go on with every other upload that can be gone on with."""
        with Connection(self._running.port) as client:
            found = fetch(self._running, self.name, client)
            assert self.allows(found), str(self)
            if self._acknowledged and self._sending.whole_at is not None:
                assert found == self.new, str(self)
            if self._sending.path and self._resumes:
                self._go_on(client)

    def _go_on(self, client: Connection) -> None:
        dialect, token, path = self._sending.dialect, self._running.token, self._sending.path
        offset = look(client, dialect, token, path)
        assert offset <= self._sending.request.content(self._cut.sent), str(self)
        # With tus the last byte completes the file; the others say so.
        if offset < len(self.new) or dialect is IETF:
            rest = self.new[offset:]
            answer = append(client, dialect, token, path, offset, rest, last=True)
            assert answer.status == 204, (str(self), answer)
        assert fetch(self._running, self.name, client) == self.new, str(self)


def interrupted(running: Service, request: Request, cut: Cut) -> Connection:
    """A connection that has come to the place of the cut."""
    client = Connection(running.port)
    waited = 0
    if request.expects and (cut.sent > len(request.head) or cut.kind == AFTER_CONTINUE):
        waited = len(request.head)
        client.send(request.head)
        assert client.read_interim() == 100
    client.send(request.data[waited : cut.sent])
    client.read_body(cut.read)
    return client


def _watch(running: Service, uploads: Sequence[CutUpload], done: threading.Event) -> None:
    """Be the client that reads all the while."""
    with Connection(running.port) as client:
        while not done.is_set():
            for upload in uploads:
                found = fetch(running, upload.name, client)
                assert upload.allows(found), f"{upload}: {len(found or b'')} bytes"


def _batch(running: Service, numbers: Sequence[int], chance: random.Random) -> None:
    done = threading.Event()
    with ThreadPoolExecutor(AT_ONCE + 1) as pool:
        seeds = [random.Random(chance.random()) for _ in numbers]
        uploads = list(pool.map(partial(CutUpload, running), numbers, seeds))
        watching = pool.submit(_watch, running, uploads, done)
        try:
            list(pool.map(CutUpload.begin, uploads))
            list(pool.map(CutUpload.finish, uploads))
        finally:
            done.set()
        watching.result()
        list(pool.map(CutUpload.check, uploads))
    with Connection(running.port) as client:
        for upload in listed(client, running.token):
            client.send(raw.head("DELETE", f"/api/uploads/{upload['id']}", running.token))
            assert client.read_answer("DELETE").status == 204


def test_cut_uploads_leave_the_old_version_or_the_whole_new_one(
    backend: Backend, log: Path
) -> None:
    seed, count = rounds(8, secrets.randbits(32)), rounds(*UPLOADS[backend.name])
    print(f"seed {seed}")
    chance = random.Random(seed)
    with service(backend, log, workers=2, settings=SETTINGS) as running:
        _batch(running, range(-12, 0), chance)  # All threads run, and have opened what they keep.
        with unharmed(running, memory=64 * MIB):
            for first in range(0, count, BATCH):
                with unharmed(running):
                    _batch(running, range(first, min(first + BATCH, count)), chance)
        for name in stored.listed(running):
            with Connection(running.port) as client:
                client.send(raw.head("DELETE", f"/api/files/{name}", running.token))
                assert client.read_answer("DELETE").status == 204
        assert running.stop() == 0
        assert "Cancelled" not in log.read_text(), "a request was still being served"
    with service(backend, log, settings={"UPLOAD_EXPIRY": "1s"}):
        until(lambda: not _strays(backend), "the sweep leaves nothing", patience=30)


def _strays(backend: Backend) -> list[str]:
    """What is left, besides what S3 remembers for a day: which uploads were finished."""
    return [each for each in backend.leftovers() if not each.endswith("/record")]


def test_cut_downloads_leave_nothing_open(tmp_path: Path, log: Path) -> None:
    seed, count = rounds(8, secrets.randbits(32)), rounds(*DOWNLOADS)
    print(f"seed {seed}")
    chance = random.Random(seed)
    sizes = {"small": 9 * KIB, "large": DOWNLOAD}
    files = {name: content(size, name) for name, size in sizes.items()}
    with service(
        LocalBackend(tmp_path / "data"), log, workers=2, settings={"IDLE_TIMEOUT": "20s"}
    ) as running:
        for name, data in files.items():
            store(running, name, data)
        _cut_downloads(running, files, 20, chance)
        with unharmed(running):
            for first in range(0, count, BATCH):
                _cut_downloads(running, files, min(BATCH, count - first), chance)
                until(lambda: not open_blobs(running), "each file is closed")
                until(lambda: not open_connections(running), "each connection is closed")
        for name, data in files.items():
            assert fetch(running, name) == data


def _cut_downloads(
    running: Service, files: Mapping[str, bytes], count: int, chance: random.Random
) -> None:
    names = [chance.choice(sorted(files)) for _ in range(count)]
    seeds = [random.Random(chance.random()) for _ in names]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        silent = list(pool.map(partial(_cut_download, running, files), names, seeds))
    for client in silent:
        client.close()


def _cut_download(
    running: Service, files: Mapping[str, bytes], name: str, chance: random.Random
) -> Connection:
    """Break off a download; the connection is still open if it ends with silence."""
    data = files[name]
    request = Request(raw.head("GET", f"/api/files/{name}", running.token))
    cut = request.cut(chance, len(data))
    ending = chance.choice(ENDINGS)
    client = interrupted(running, request, cut)
    if ending == "closed":
        client.close()
    elif ending == "reset":
        client.reset()
    elif ending == "half-closed":
        with client:
            client.half_close()
            if cut.sent < len(request):
                assert client.end() is End.CLOSED, cut
            else:  # All was asked for, and all is sent.
                assert client.read_rest().endswith(data[cut.read :]), cut
    return client
