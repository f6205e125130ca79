"""Clients of a service whose store fails, who hold it to every answer.

* ``2xx``: it is done, whole, and Ceph has it.
* ``502``: it is not done, and nothing has changed.
* ``503`` (with ``Retry-After``) and ``504``: it is done or not, whole in any case; it may be made
  again, and then a condition may fail because the first one was done.
* Nothing else says that something went wrong with the store, and no answer is broken off but that
  to a ``GET`` whose head had gone out already.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

from tests.integration.service.clients.wire import Dialect, offset_of
from tests.support import raw
from tests.support.raw import Answer, Connection
from tests.support.service import Service
from tests.system.faults.s3_attacked import Attacked

PATIENCE = 180.0
"""Seconds for an answer."""

Fields = Mapping[str, str]
NO_FIELDS: Fields = {}
ONLY_CREATE: Fields = {"If-None-Match": "*"}


@dataclass
class Client:
    """Somebody who uses one node. ``strict``: the store fails in a way that nobody may notice."""

    attacked: Attacked
    node: Service
    strict: bool = True
    failed: int = 0

    def ask(self, method: str, path: str, fields: Fields = NO_FIELDS, body: bytes = b"") -> Answer:
        """Send one request and read its whole answer."""
        said = {**fields, "Content-Length": str(len(body))} if body or method != "GET" else fields
        return self.send(method, raw.head(method, path, self.node.token, said), body)

    def send(self, method: str, head: bytes, body: bytes = b"") -> Answer:
        """`ask` with a head that is ready."""
        with Connection(self.node.port, PATIENCE) as connection:
            with suppress(OSError):  # the answer may come before the body is read
                connection.send(head + body)
            return connection.read_answer(method)

    def may_repeat(self, answer: Answer) -> bool:
        """Whether the answer says that the store failed. Lets nothing else fail from now on."""
        if answer.status < 500:
            return False
        assert answer.status in (502, 503, 504), answer
        assert answer.header("content-type") == "application/problem+json", answer
        assert answer.header("retry-after") is not None or answer.status != 503, answer
        assert not self.strict, answer
        self.failed += 1
        self.attacked.proxy.heal()
        return True

    def get(self, path: str, fields: Fields = NO_FIELDS, *, method: str = "GET") -> Answer:
        """Ask for what changes nothing, until the answer is not that the store failed."""
        while self.may_repeat(answer := self.ask(method, path, fields)):
            pass
        return answer

    def change(self, name: str, attempt: Callable[[], Answer], new: bytes | None) -> Answer:
        """Make a change of a file until the answer is not that the store failed.

        It is answered with `204`; or, if one that seemed to fail was done, as what is made twice.
        """
        old = self.attacked.live.get(name)
        done = False
        while self.may_repeat(answer := attempt()):
            found = self.attacked.stored(name)
            assert found == old or (found == new and answer.status != 502), _sketch(answer, found)
            done = found == new
        assert answer.status == 204 or (done and answer.status in (404, 412)), answer
        if new is None:
            self.attacked.live.pop(name, None)
        else:
            self.attacked.live[name] = new
        found = self.attacked.stored(name)
        assert found == new, _sketch(answer, found)
        return answer

    def put(self, name: str, data: bytes, fields: Fields = NO_FIELDS) -> Answer:
        """Store a file."""
        return self.change(name, lambda: self.ask("PUT", f"/api/files/{name}", fields, data), data)

    def delete(self, name: str, fields: Fields = NO_FIELDS) -> Answer:
        """Delete a file."""
        return self.change(name, lambda: self.ask("DELETE", f"/api/files/{name}", fields), None)

    def cannot_create(self, name: str) -> None:
        """Be refused to create a file that is there."""
        path = f"/api/files/{name}"
        self.refused(name, lambda: self.ask("PUT", path, ONLY_CREATE, b"!"), 412)

    def refused(self, name: str, attempt: Callable[[], Answer], status: int) -> None:
        """Ask for what has to be refused, and changes nothing."""
        while self.may_repeat(answer := attempt()):
            pass
        assert answer.status == status, answer
        assert self.attacked.stored(name) == self.attacked.live.get(name)

    def download(self, name: str, fields: Fields = NO_FIELDS) -> bytes | None:
        """A file, or what came of it before the connection was ended too early; None for 5xx."""
        with Connection(self.node.port, PATIENCE) as connection:
            connection.send(raw.head("GET", f"/api/files/{name}", self.node.token, fields))
            head = connection.read_head().decode("latin-1").lower()
            status = int(head.split()[1])
            if status >= 500:
                assert status in (502, 503, 504), head
                assert not self.strict, head
                return None
            assert status in (200, 206), head
            length = int(head.split("content-length: ", 1)[1].split("\r\n", 1)[0])
            data = connection.read_what_comes(length)
            if len(data) < length:
                assert not self.strict, f"{len(data)} of {length} bytes"
                assert connection.end() is not raw.End.OPEN
            return data

    def begin(
        self,
        dialect: Dialect,
        name: str,
        length: int,
        fields: Fields = NO_FIELDS,
        *,
        partial: bool = False,
    ) -> Uploading:
        """Begin an upload in several requests; ``partial``: one that is to be put together."""
        said = "".join(f"{key}: {value}\r\n" for key, value in fields.items())
        head = dialect.creation(self.node.token, name, length)[:-2] + said.encode() + b"\r\n"
        while self.may_repeat(answer := self.send("POST", head)):
            assert self.attacked.stored(name) == self.attacked.live.get(name)
        assert answer.status == 201, answer
        return Uploading(self, dialect, None if partial else name, _path(answer))

    def put_together(self, name: str, parts: list[Uploading], data: bytes) -> Uploading:
        """Make one file of partial uploads of tus."""
        urls = " ".join(part.path for part in parts)
        fields = {
            "Tus-Resumable": "1.0.0",
            "Upload-Concat": f"final;{urls}",
            "Upload-Metadata": f"filename {b64encode(name.encode()).decode()}",
        }
        made: list[Answer] = []

        def attempt() -> Answer:
            made.append(self.ask("POST", "/api/uploads", fields))
            answer = made[-1]
            return Answer(204, *_rest(answer)) if answer.status == 201 else answer

        self.change(name, attempt, data)
        return Uploading(self, parts[0].dialect, name, _path(made[-1]), len(data))


@dataclass
class Uploading:
    """An upload in several requests. ``told`` is the largest offset that was ever acknowledged."""

    client: Client
    dialect: Dialect
    name: str | None
    path: str
    told: int = 0

    def send(self, data: bytes, sizes: list[int]) -> None:
        """Send all of ``data`` from where it is, in pieces of these sizes, and the rest in one."""
        ends = [sum(sizes[: count + 1]) for count in range(len(sizes))]
        if self.name is not None:
            attacked = self.client.attacked
            old = attacked.live.get(self.name)
        while self.told < len(data):
            if self.name is not None:
                assert attacked.stored(self.name) == old
            end = next((end for end in ends if end > self.told), len(data))
            answer = self.append(data[self.told : end], last=end == len(data))
            if self.client.may_repeat(answer):
                offset = self.look()
                assert self.told <= offset <= end, (self.told, offset, end)
                self.told = offset
                continue
            assert answer.status in (201, 204), answer
            assert offset_of(answer) == end
            self.told = end
        if self.name is not None:
            assert attacked.stored(self.name) == data, "an upload that is said to be complete"
            attacked.live[self.name] = data

    def append(self, piece: bytes, *, last: bool) -> Answer:
        """One request with a piece, at the offset where it is."""
        token, size = self.client.node.token, len(piece)
        head = self.dialect.append(token, self.path, self.told, size, last=last)
        return self.client.send("PATCH", head, piece)

    def look(self) -> int:
        """Ask for the offset, until the answer is not that the store failed."""
        head = self.dialect.look(self.client.node.token, self.path)
        while self.client.may_repeat(answer := self.client.send("HEAD", head)):
            pass
        assert answer.status in (200, 204), answer
        return offset_of(answer)

    def forget(self, *, may_be_gone: bool = False) -> None:
        """Delete the upload, as its client; one that was deleted already is gone."""
        fields = {"Tus-Resumable": "1.0.0"} if self.dialect.name == "tus" else NO_FIELDS
        while self.client.may_repeat(answer := self.client.ask("DELETE", self.path, fields)):
            may_be_gone = True
        assert answer.status == 204 or (may_be_gone and answer.status == 404), answer

    def at(self, client: Client) -> Uploading:
        """The same upload, as it is asked for at another node."""
        return replace(self, client=client)


def _path(answer: Answer) -> str:
    location = answer.header("location")
    assert location is not None, answer
    return urlsplit(location).path


def _rest(answer: Answer) -> tuple[str, str, list[tuple[str, str]], bytes]:
    return answer.reason, answer.version, answer.headers, answer.body


def _sketch(answer: Answer, found: bytes | None) -> str:
    return f"{answer} and found {'nothing' if found is None else f'{len(found)} bytes'}"
