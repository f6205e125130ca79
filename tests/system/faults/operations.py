"""What a client does in one request, and every state that may be found when that was cut short."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from base64 import b64encode
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

from tests.integration.service.clients.wire import TUS
from tests.support import raw
from tests.support.bodies import KIB, MIB
from tests.support.raw import Answer, Connection
from tests.system.faults.held import SIZES, Begun, Held, path_of, read, version


@dataclass(frozen=True)
class Operation(ABC):
    """One request about the file ``target``, or an upload of it."""

    target: str

    @abstractmethod
    def request(self, token: str, held: Held) -> bytes:
        """What the client sends."""

    @abstractmethod
    def states(self, held: Held) -> list[Held]:
        """What may be held: first as before, last when all is done, and what lies between."""

    def confirm(self, client: Connection, token: str, answer: Answer) -> None:  # noqa: B027
        """See that what the answer itself promised is kept."""


@dataclass(frozen=True)
class Put(Operation):
    """Store a file, whatever is there."""

    kind: str
    label: str = "new"

    def request(self, token: str, held: Held) -> bytes:
        return version(self.kind, self.label).put(token, self.target)

    def states(self, held: Held) -> list[Held]:
        return [held, held.with_file(self.target, version(self.kind, self.label))]


@dataclass(frozen=True)
class Delete(Operation):
    """Delete the file."""

    def request(self, token: str, held: Held) -> bytes:
        return raw.head("DELETE", path_of(self.target), token)

    def states(self, held: Held) -> list[Held]:
        return [held, held.with_file(self.target, None)]


@dataclass(frozen=True)
class Begin(Operation):
    """Begin an upload."""

    kind: str

    def request(self, token: str, held: Held) -> bytes:
        file = version(self.kind, "new")
        said = {"filename": self.target, "filetype": file.media_type}
        fields = {
            "Tus-Resumable": "1.0.0",
            "Upload-Length": str(len(file.content)),
            "Upload-Metadata": ",".join(f"{key} {_base64(text)}" for key, text in said.items()),
            "Content-Length": "0",
        }
        return raw.head("POST", "/api/uploads", token, fields)

    def states(self, held: Held) -> list[Held]:
        return [held, held.with_upload(self.target, Begun("", version(self.kind, "new"), 0))]


@dataclass(frozen=True)
class Append(Operation):
    """Append to the upload, up to but not including byte ``end``; all of it is a completion."""

    end: int

    def request(self, token: str, held: Held) -> bytes:
        upload = held.uploads[self.target]
        data = upload.file.content[upload.offset : self.end]
        return TUS.append(token, upload.path, upload.offset, len(data), last=False) + data

    def states(self, held: Held) -> list[Held]:
        upload = held.uploads[self.target]
        appended = held.with_upload(self.target, replace(upload, offset=self.end))
        if self.end < len(upload.file.content):
            return [held, appended]
        complete = held.with_upload(self.target, None).with_file(self.target, upload.file)
        return [held, appended, complete]

    def partly(self, held: Held, offset: int) -> Held:
        """What is held when it was cut short there, after a pause that the server used."""
        upload = held.uploads[self.target]
        assert upload.offset <= offset <= self.end, f"{offset} in {self}"
        return held.with_upload(self.target, replace(upload, offset=offset))


@dataclass(frozen=True)
class Forget(Operation):
    """Forget the upload."""

    def request(self, token: str, held: Held) -> bytes:
        path = held.uploads[self.target].path
        return raw.head("DELETE", path, token, {"Tus-Resumable": "1.0.0"})

    def states(self, held: Held) -> list[Held]:
        return [held, held.with_upload(self.target, None)]


@dataclass(frozen=True)
class MakeLink(Operation):
    """Make the first link, and with it the key that signs them all."""

    def request(self, token: str, held: Held) -> bytes:
        said = json.dumps({"name": self.target}).encode()
        fields = {"Content-Type": "application/json", "Content-Length": str(len(said))}
        return raw.head("POST", "/api/links", token, fields) + said

    def states(self, held: Held) -> list[Held]:
        return [held]

    def confirm(self, client: Connection, token: str, answer: Answer) -> None:
        link = urlsplit(json.loads(answer.body)["url"]).path
        client.send(raw.head("GET", link))
        followed = client.read_answer()
        there = read(client, token, self.target)
        assert there is not None
        assert (followed.status, followed.body) == (200, there.content), followed


def _base64(text: str) -> str:
    return b64encode(text.encode()).decode()


UPLOADS = {
    "to-forget": ("blob", 100 * KIB),
    "blob-to-append": ("blob", 100 * KIB + 1),
    "large-to-append": ("large", MIB),
    "inline-to-complete": ("inline", 3 * KIB),
    "blob-to-complete": ("blob", 200 * KIB),
    "large-to-complete": ("large", MIB),
}
"""The uploads that are begun before: of what kind, and how much has arrived."""

FILES = {
    "beside/inline": "inline",
    "beside/blob": "blob",
    **{f"{old}-under-{new}": old for old in SIZES for new in SIZES},
    "inline-to-delete": "inline",
    "blob-to-delete": "blob",
    "blob-to-append": "blob",
    "blob-to-complete": "blob",
    "large-to-complete": "inline",
}
"""The files that are there before, and of what kind."""

OPERATIONS: dict[str, Operation] = {
    **{f"put {kind}": Put(f"new-{kind}", kind) for kind in SIZES},
    **{f"put {new} over {old}": Put(f"{old}-under-{new}", new) for old in SIZES for new in SIZES},
    "delete inline": Delete("inline-to-delete"),
    "delete blob": Delete("blob-to-delete"),
    "begin an upload": Begin("begun", "blob"),
    "append to a blob": Append("blob-to-append", 200 * KIB),
    "append around the cache": Append("large-to-append", 3 * MIB + 7),
    **{f"complete {kind}": Append(f"{kind}-to-complete", SIZES[kind]) for kind in SIZES},
    "forget an upload": Forget("to-forget"),
    "make the first link": MakeLink("beside/blob"),
}
"""All that are tried; each on something of its own."""
