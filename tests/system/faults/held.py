"""What a client of the embedded store was promised, and whether it finds that, and only that."""

from __future__ import annotations

import hashlib
import json
from contextlib import closing, suppress
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from urllib.parse import quote, urlsplit
from uuid import UUID

import apsw

from file_uploader.model.names import Container
from tests.contract.stores import LocalPlace
from tests.integration.service.clients.wire import TUS, append, listed, look
from tests.support import raw
from tests.support.bodies import KIB, MIB, content
from tests.support.local_disk import blobs_on
from tests.support.raw import Answer, Connection
from tests.support.service import Service
from tests.support.waiting import until

SIZES = {"inline": 10 * KIB, "blob": 300 * KIB + 1, "large": 4 * MIB + 5 * KIB}
"""By kind: in a row of the index, in a file, and in a file written around the page cache."""

INLINE = 16 * KIB
"""Bytes up to which a content is in the index."""


@dataclass(frozen=True)
class File:
    """A version of a file."""

    content: bytes = field(repr=False)
    media_type: str = "application/octet-stream"

    def put(self, token: str, name: str) -> bytes:
        """The request that stores it."""
        fields = {"Content-Type": self.media_type, "Content-Length": str(len(self.content))}
        return raw.head("PUT", path_of(name), token, fields) + self.content


@cache
def version(kind: str, label: str) -> File:
    """The file of that kind that no other label gives."""
    return File(content(SIZES[kind], label), f"text/x-{label}")


@dataclass(frozen=True)
class Begun:
    """An unfinished upload of a file, of which ``offset`` bytes were acknowledged."""

    path: str
    file: File
    offset: int


@dataclass(frozen=True)
class Held:
    """What was promised: files by their names, and unfinished uploads by those of their files."""

    files: dict[str, File] = field(default_factory=dict)
    uploads: dict[str, Begun] = field(default_factory=dict)

    def with_file(self, name: str, file: File | None) -> Held:
        """The same with this file, or without it."""
        files = {each: other for each, other in self.files.items() if each != name}
        return replace(self, files=files if file is None else {**files, name: file})

    def with_upload(self, name: str, upload: Begun | None) -> Held:
        """The same with this upload, or without it."""
        uploads = {each: other for each, other in self.uploads.items() if each != name}
        return replace(self, uploads=uploads if upload is None else {**uploads, name: upload})

    @property
    def offsets(self) -> dict[str, int]:
        """How far each upload is."""
        return {name: upload.offset for name, upload in self.uploads.items()}

    def is_seen_by(self, client: Connection, token: str) -> bool:
        """Whether a client finds exactly this: names, contents, metadata, offsets."""
        return (
            {each["name"]: each["offset"] for each in listed(client, token)} == self.offsets
            and sizes(client, token) == {name: len(f.content) for name, f in self.files.items()}
            and all(read(client, token, name) == file for name, file in self.files.items())
        )

    def blobs(self) -> int:
        """How many blob files that takes."""
        large = [name for name, file in self.files.items() if len(file.content) > INLINE]
        return len(large) + len(self.uploads)


def path_of(name: str) -> str:
    """The resource of a file."""
    return f"/api/files/{quote(name)}"


def location_of(answer: Answer) -> str:
    """The path of what a request has made."""
    return urlsplit(answer.header("location") or "").path


def read(client: Connection, token: str, name: str) -> File | None:
    """The file, whose digest has to be that of its content."""
    client.send(raw.head("GET", path_of(name), token))
    answer = client.read_answer()
    if answer.status == 404:
        return None
    assert answer.status == 200, answer
    assert answer.header("etag") == f'"{hashlib.sha256(answer.body).hexdigest()}"', name
    return File(answer.body, answer.header("content-type") or "")


def sizes(client: Connection, token: str) -> dict[str, int]:
    """The files by the list, with their sizes."""
    client.send(raw.head("GET", "/api/files?details=true", token))
    answer = client.read_answer()
    assert answer.status == 200, answer
    return {each["name"]: each["size"] for each in json.loads(answer.body)}


def finish(client: Connection, token: str, upload: Begun) -> None:
    """Go on with an upload as a client does: ask where, and send the rest."""
    offset = look(client, TUS, token, upload.path)
    assert offset >= upload.offset, f"{offset} after {upload.offset} was acknowledged"
    rest = upload.file.content[offset:]
    if rest:
        answer = append(client, TUS, token, upload.path, offset, rest, last=True)
        assert answer.status == 204, answer


def forget(client: Connection, token: str, upload: Begun) -> None:
    """Have an upload forgotten, also one that is finished."""
    client.send(raw.head("DELETE", upload.path, token, {"Tus-Resumable": "1.0.0"}))
    answer = client.read_answer("DELETE")
    assert answer.status == 204, answer


def strays(directory: Path, token: str, held: Held) -> list[str]:
    """What is in the directory beyond what is held, and what of that is missing."""
    owner = Container.of(UUID(token))
    live = {(owner, name): len(file.content) for name, file in held.files.items()}
    ours = {upload.path.rpartition("/")[2] for upload in held.uploads.values()}
    with closing(apsw.Connection(str(directory / "index.db"))) as index:
        rows = index.execute("SELECT id, blob FROM uploads").fetchall()
    known = {str(part) for row in rows if row[0] in ours for part in row}
    missing = [f"missing upload: {each}" for each in ours - known]
    found = LocalPlace(directory).strays(live)
    return missing + [each for each in found if not any(part in each for part in known)]


def await_sweep(directory: Path, running: Service, held: Held) -> None:
    """Wait until nothing is in the directory that is not held, then see that it is whole.

    The entry of a blob that was removed goes with the next change, whatever that is.
    """
    sessions = [f"{running.worker_count} sessions"]
    poke = "poke", File(b"poke", "text/plain")
    found: list[str] = []

    def swept() -> bool:
        with Connection(running.port) as client:
            client.send(poke[1].put(running.token, poke[0]))
            assert client.read_answer().status == 204
            found[:] = strays(directory, running.token, held.with_file(*poke))
            client.send(raw.head("DELETE", path_of(poke[0]), running.token))
            assert client.read_answer().status == 204
        return found == sessions

    with suppress(AssertionError):
        until(swept, "the sweep has removed what is left", patience=20)
    assert found == sessions
    with closing(apsw.Connection(str(directory / "index.db"))) as index:
        assert index.pragma("integrity_check") == "ok"
    assert strays(directory, running.token, held) == sessions
    assert len(blobs_on(directory)) == held.blobs()
