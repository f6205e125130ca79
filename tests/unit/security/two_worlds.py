"""Two services that differ in one client's files alone, and what that client has there.

Whatever another client asks for, it gets the same answer in both: else it would learn something.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from file_uploader.http.app import create_app
from file_uploader.links import Link, LinkKeys, LinkMethod
from file_uploader.model.names import Container, FileName
from file_uploader.model.uploads import Upload
from file_uploader.settings import Settings
from file_uploader.storage.base import Storage
from file_uploader.stores import open_storage
from tests.support.asgi import Answer, Client, running
from tests.support.service import Backend
from tests.support.tus import BYTES, VERSION, Tus, metadata
from tests.unit.http.conftest import settings

ALICE = "6a1f0c52-7d44-4f0e-9a3b-2f5d8e1c7b90"
BOB = "c3d94e27-18ab-4c65-8f70-b1e2a4d6f805"
LINK_KEY = "the key that signs links in both worlds"
KEYS = LinkKeys([LINK_KEY.encode()])
LARGE = b"of this there is more than the index keeps: " * 500
FILES = {"a": b"Alice alone", "dir/b": LARGE, "dir/c": b"", "z": b"what Alice has"}
NEVER = "/api/uploads/01a20b6e9bd9" + "5" * 20
PARTIAL = ("Upload-Concat", "partial")


@dataclass(frozen=True)
class Ask:
    """One request. ``{}`` in its target and headers are named after what Alice has."""

    method: str
    target: str
    headers: Sequence[tuple[str, str]] = ()
    body: bytes | None = None

    def __str__(self) -> str:
        headers = " ".join(f"{name}={value}" for name, value in self.headers)
        return f"{self.method} {self.target} {headers}".strip()

    def about(self, known: Mapping[str, str]) -> Ask:
        """The same, with the names filled in."""
        headers = [(name, value.format(**known)) for name, value in self.headers]
        return replace(self, target=self.target.format(**known), headers=headers)

    async def __call__(self, client: Client) -> Answer:
        """Send it. Whatever comes of it, the application may not crash."""
        return await client(self.method, self.target, self.headers, self.body)


@dataclass(frozen=True)
class World:
    """A running application, and its clients."""

    alice: Client
    bob: Client
    nobody: Client
    storage: Storage

    async def kept(self) -> object:
        """All that Alice has, to the last detail that a store knows."""
        owner = container(ALICE)
        uploads = [each async for each in self.storage.uploads.list(owner)]
        assert all(isinstance(each, Upload) for each in uploads)
        listed = (await self.alice("GET", "/api/files?details=true")).body
        contents = [(await self.alice("GET", f"/api/files/{name}")).body for name in FILES]
        return listed, contents, [(each, getattr(each, "version", None)) for each in uploads]


@asynccontextmanager
async def two_worlds(one: Backend, two: Backend) -> AsyncIterator[tuple[World, World]]:
    """One where Alice has nothing, and one where she has files. Bob is the same in both."""
    async with AsyncExitStack() as stack:
        worlds = [await stack.enter_async_context(world(each)) for each in (one, two)]
        for each in worlds:
            assert (await each.bob("PUT", "/api/files/mine", body=b"Bob's own")).status == 204
        yield worlds[0], worlds[1]


@asynccontextmanager
async def world(backend: Backend) -> AsyncIterator[World]:
    """An application on this store."""
    opened: list[Storage] = []

    async def open_and_note(given: Settings) -> Storage:
        opened.append(await open_storage(given))
        return opened[0]

    named: dict[str, Any] = {name.lower(): value for name, value in backend.settings.items()}
    named |= {"link_keys": (SecretStr(LINK_KEY),), "bucket": named["bucket"] or None}
    if "data_dir" in named:
        named["data_dir"] = Path(named["data_dir"])
    else:
        named["aws_secret_access_key"] = SecretStr(named["aws_secret_access_key"])
    async with running(create_app(settings(**named), open_and_note)) as app:
        yield World(Client(app, ALICE), Client(app, BOB), Client(app), opened[0])


async def furnish(alice: Client) -> dict[str, str]:
    """Give Alice files and uploads; return what there is to know of them, by name."""
    known = {"container": container(ALICE).name, "never": NEVER}
    for name, data in FILES.items():
        answer = await alice("PUT", f"/api/files/{name}", [("Content-Type", "text/html")], data)
        assert answer.status == 204, answer
        known[f"etag_{name[-1]}"] = answer["etag"]
    tus = Tus(alice)
    known["open"] = await tus.begin(11, body=b"hello")
    known["deferred"] = await tus.begin(None, [("Upload-Defer-Length", "1")], body=b"hello")
    known["part"] = await tus.begin(5, [PARTIAL], body=b"hello", name=None)
    known["half"] = await tus.begin(11, [PARTIAL], body=b"hello", name=None)
    known["done"] = await tus.begin(len(FILES["z"]), body=FILES["z"], name="z")
    expires = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=1)
    for name, link in links(expires).items():
        known[name] = f"/api/links/{KEYS.sign(link)}/{link.name}"
    return known


def links(expires: datetime) -> dict[str, Link]:
    """Links of Alice's to her file ``a``, which ``put`` may make anew and ``new`` may not."""
    reading = Link(container(ALICE), FileName("a"), LinkMethod.GET, expires)
    new = replace(reading, method=LinkMethod.PUT)
    return {"get": reading, "new": new, "put": replace(new, overwrite=True)}


def container(token: str) -> Container:
    """Where the files of this token are."""
    return Container.of(uuid.UUID(token))


_PASSING = [
    (re.compile(rb"/api/uploads/0[0-9a-f]{31}"), b"/api/uploads/ID"),
    (re.compile(rb'"id":"[0-9a-f]{32}"'), b'"id":"ID"'),
    (re.compile(rb"/api/links/1\.[\w-]{46}\.[\w-]{43}"), b"/api/links/LINK"),
    (re.compile(rb"\d{4}-\d\d-\d\dT[\d:.]+Z"), b"TIME"),
    (re.compile(rb"\w{3}, \d\d \w{3} \d{4} [\d:]{8} GMT"), b"DATE"),
    (re.compile(rb"(max-age|expires)=\d+"), b"SECONDS"),
]


def seen(answer: Answer) -> tuple[object, ...]:
    """All that a client sees of an answer, without what is of its moment or made at random."""
    text = repr((answer.headers, answer.interim)).encode() + b"\n" + answer.body
    for pattern, instead in _PASSING:
        text = pattern.sub(instead, text)
    return answer.status, text, answer.asked_first, answer.complete


TUS = [VERSION, BYTES]
NAMED = metadata(filename="made")
