"""A client that uploads in pieces and knows which offsets it was told."""

from __future__ import annotations

import base64
import hashlib
import random
import threading
from dataclasses import dataclass
from urllib.parse import urlsplit

from tests.support import raw
from tests.support.bodies import content
from tests.support.raw import Answer, Connection
from tests.support.service import Service
from tests.support.traffic import Fate, kept_with

KIB = 1024
MIB = 1024 * KIB
SIZES = (1, 9 * KIB, 90 * KIB, 900 * KIB, 4 * MIB + 5)
"""Around what the embedded store keeps in a row, and what it writes around the page cache."""

PIECES = (1, 4 * KIB, 40 * KIB, 400 * KIB, 2 * MIB, 4 * MIB)


@dataclass
class _Upload:
    """One that was begun: ``offset`` was acknowledged, and ``sent`` is the end of what was sent."""

    path: str
    data: bytes
    offset: int = 0
    sent: int = 0

    @property
    def digest(self) -> str:
        return hashlib.sha256(self.data).hexdigest()

    @property
    def complete(self) -> bool:
        return self.offset == len(self.data)


class Uploader:
    """Uploads its own name with tus again and again, a piece with each request, until it is cut."""

    def __init__(self, number: int, seed: int) -> None:
        self.name = f"uploader-{number}"
        self.fate = Fate()
        self.acknowledged = 0
        self.wrong: list[str] = []
        self._chance = random.Random(f"{seed}/{self.name}")
        self._count = 0
        self._upload: _Upload | None = None

    def run(self, running: Service, stop: threading.Event) -> None:
        """Upload until ``stop`` is set, an answer is wrong, or the service is gone.

        An answer that comes after ``stop`` was set is none.
        """
        try:
            with Connection(running.port) as client:
                while not stop.is_set():
                    self._step(running.token, client, stop)
        except AssertionError as error:
            self.wrong.append(str(error))
        except (OSError, raw.BrokenAnswerError):
            return

    def check(self, token: str, client: Connection, *, finish: bool) -> None:
        """Ask for the offset after a crash, and take it for what is there from now on.

        Fails with an `AssertionError` if it went down. With ``finish`` the upload is brought to its
        end. The file is left to who reads it.
        """
        if (upload := self._upload) is not None:
            self._go_on(upload, _ask(client, "HEAD", upload.path, token))
            if finish and not upload.complete:
                self._note(upload, self._append(upload, len(upload.data), token, client))

    def _step(self, token: str, client: Connection, stop: threading.Event) -> None:
        upload = self._upload
        if upload is None or upload.complete:
            begun, answer = self._begin(token, client)
            if not stop.is_set():
                self._expect(answer, 201)
                self._upload = begun
                self.acknowledged += 1
        elif upload.sent > upload.offset or self._chance.random() < 0.2:
            answer = _ask(client, "HEAD", upload.path, token)
            if not stop.is_set():
                self._go_on(upload, answer)
        else:
            answer = self._append(upload, self._chance.choice(PIECES), token, client)
            if not stop.is_set():
                self._note(upload, answer)
                self.acknowledged += 1

    def _begin(self, token: str, client: Connection) -> tuple[_Upload, Answer]:
        self._count += 1
        data = f"{self.name}/{self._count}/".encode()
        data += content(max(SIZES))[: self._chance.choice(SIZES)]
        answer = _ask(
            client,
            "POST",
            "/api/uploads",
            token,
            {
                "Upload-Length": str(len(data)),
                "Upload-Metadata": f"filename {base64.b64encode(self.name.encode()).decode()}",
                **kept_with(hashlib.sha256(data).hexdigest()),
            },
        )
        return _Upload(urlsplit(answer.header("location") or "").path, data), answer

    def _append(self, upload: _Upload, size: int, token: str, client: Connection) -> Answer:
        piece = upload.data[upload.offset : upload.offset + size]
        upload.sent = upload.offset + len(piece)
        if upload.sent == len(upload.data):
            self.fate.possible.add(upload.digest)
        fields = {
            "Upload-Offset": str(upload.offset),
            "Content-Type": "application/offset+octet-stream",
        }
        return _ask(client, "PATCH", upload.path, token, fields, piece)

    def _note(self, upload: _Upload, answer: Answer) -> None:
        """All that was sent was acknowledged, if this is the answer to it."""
        self._expect(answer, 204)
        upload.offset = upload.sent
        if upload.complete:
            self.fate.settle(upload.digest)

    def _go_on(self, upload: _Upload, answer: Answer) -> None:
        """Believe the answer to a ``HEAD``, after a crash or an error, where it can be true."""
        self._expect(answer, 200)
        offset = int(answer.header("upload-offset") or -1)
        assert upload.offset <= offset <= upload.sent, (
            f"{self.name}: {offset}, acknowledged were {upload.offset}, sent {upload.sent}"
        )
        upload.offset = upload.sent = offset
        if upload.complete:
            self.fate.settle(upload.digest)
        else:
            self.fate.possible.clear()

    def _expect(self, answer: Answer, status: int) -> None:
        assert answer.status == status, f"{self.name}: {answer.status} instead of {status}"


def _ask(
    client: Connection,
    method: str,
    path: str,
    token: str,
    fields: dict[str, str] | None = None,
    body: bytes = b"",
) -> Answer:
    fields = {"Tus-Resumable": "1.0.0", "Content-Length": str(len(body)), **(fields or {})}
    client.send(raw.head(method, path, token, fields) + body)
    return client.read_answer(method)
