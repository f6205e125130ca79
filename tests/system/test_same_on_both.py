"""Any name and any metadata that HTTP can carry: both stores answer alike and give it back alike.

Three ways to store it, and all that can be asked of it afterwards. ``FAULTS=long`` tries 20,000.
"""

from __future__ import annotations

import asyncio
import base64
import logging
import string
import uuid
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from file_uploader.http.app import create_app
from file_uploader.settings import Settings
from file_uploader.storage.base import Storage
from tests.contract.stores import LocalPlace, Place, S3Place
from tests.support.asgi import Answer, Client, running
from tests.support.bodies import MIB, content
from tests.support.rounds import LONG, rounds
from tests.support.s3_servers import S3Server
from tests.unit.http.conftest import NO_PAGES, settings

AT_ONCE = 20
"""Files that one example stores at the same time."""

_ODD_CHARACTERS = (
    "\ufffe\uffff\ufdd0\U0001fffe\x00\x01\t\n\r\x1f\x7f\x80\x85\x9f\xa0\u0301\u0130\u200b\u2028\u202e"
    "\ud7ff\ue000\ufeff\ufffd\U00010000\U0010ffff %+&<>\"'\\?#;:=*~.,|^`{}[]()@!$_-/aA"
)
_ODD_NAMES = [
    *(
        "..",
        ".",
        "/",
        "//",
        "/./",
        "%2F",
        "%00",
        "&#xFFFE;",
        "&#1;",
        "]]>",
        "=?utf-8?q?a?=",
        "s" * 255,
    ),
    *("\u00e9" * 127, "\U0001f600" * 60, "?versionId=null", "?uploads", "../../x", "a\u0301"),
]
NAMES = st.lists(
    st.one_of(
        st.sampled_from(_ODD_CHARACTERS),
        st.sampled_from(_ODD_NAMES),
        st.characters(exclude_categories=["Cs"]),
        st.text(string.ascii_lowercase, min_size=1, max_size=5),
    ),
    min_size=1,
    max_size=10,
).map("".join)

_ODD_VALUES = [
    *(
        " ",
        "  ",
        "\t",
        " \t ",
        ",",
        ", ",
        ";",
        '"',
        '\\"',
        "=",
        "==",
        "\x80",
        "\xe9",
        "\xff",
        "\xa0",
        "%",
        "%0a",
    ),
    *(
        "aws-chunked",
        "gzip",
        "identity",
        "chunked",
        "=?utf-8?b?YQ==?=",
        "=?iso-8859-1?q?=E9?=",
        "a",
    ),
    *(
        "text/html",
        "multipart/form-data; boundary=a",
        "application/x-www-form-urlencoded",
        "v" * 700,
    ),
]
VALUES = st.lists(
    st.one_of(
        st.sampled_from(_ODD_VALUES),
        st.characters(min_codepoint=0x20, max_codepoint=0xFF, exclude_characters="\x7f"),
    ),
    max_size=8,
).map(lambda parts: "".join(parts).strip(" \t"))

_TOKEN = "!#$%&'*+-.^_`|~" + string.digits + string.ascii_letters
HEADERS = st.one_of(
    st.sampled_from(
        *[
            [
                "Content-Type",
                "Content-Encoding",
                "Content-Language",
                "Content-Disposition",
                "Cache-Control",
            ]
        ]
    ),
    st.one_of(
        st.text(_TOKEN, min_size=1, max_size=20),
        st.text("a_", min_size=60, max_size=90),
        st.sampled_from(["id", "sha256", "m-a", "p-0", "a.5fb", "-", "_", "n" * 300, "_" * 800]),
    ).map("X-Object-Meta-".__add__),
)
BODIES = st.one_of(
    st.binary(max_size=40),
    st.sampled_from([0, 1, 16 * 1024, 16 * 1024 + 1, 300 * 1024] + [9 * MIB] * LONG),
)


@dataclass(frozen=True)
class File:
    """What a client sends: ``given``, or so many bytes, since Hypothesis keeps what it draws."""

    name: str
    headers: dict[str, str]
    given: bytes | int
    how: str

    @property
    def body(self) -> bytes:
        return self.given if isinstance(self.given, bytes) else content(self.given)

    @property
    def target(self) -> str:
        return f"/api/files/{quote(self.name, safe='')}"


FILES = st.lists(
    st.builds(
        File,
        NAMES,
        st.dictionaries(HEADERS, VALUES, max_size=4),
        BODIES,
        st.sampled_from(["put", "put", "tus", "ietf"]),
    ),
    min_size=AT_ONCE // 2 if LONG else 1,
    max_size=AT_ONCE,
    unique_by=lambda file: file.name,
)


@pytest.fixture
def _unlogged() -> Iterator[None]:
    """A line for each request, kept until the end, would be gigabytes."""
    logging.disable(logging.INFO)
    yield
    logging.disable(logging.NOTSET)


@pytest.mark.usefixtures("_unlogged")
def test_the_same_on_both(ceph: S3Server, tmp_path: Path) -> None:
    places: list[Place] = [LocalPlace(tmp_path / "data"), S3Place.fresh(ceph)]
    tried = 0
    with asyncio.Runner() as runner:

        @hypothesis_settings(
            max_examples=rounds(20, 1_900),
            suppress_health_check=list(HealthCheck),
            phases=[Phase.explicit, Phase.generate, Phase.shrink],
            deadline=None,
        )
        @given(FILES)
        def compare(files: list[File]) -> None:
            nonlocal tried
            tried += len(files)
            runner.run(_compare(clients, files))

        stack = AsyncExitStack()
        clients = tuple(runner.run(stack.enter_async_context(_client(place))) for place in places)
        try:
            compare()
        finally:
            runner.run(stack.aclose())
        for place in places:
            runner.run(place.close())
            assert place.strays({}) == []
    assert tried >= rounds(20, 20_000)


@asynccontextmanager
async def _client(place: Place) -> AsyncIterator[Client]:
    async def opened(_settings: Settings) -> Storage:
        return await place._open({})

    async with running(create_app(settings(), opened, NO_PAGES)) as app:
        yield Client(app)


async def _compare(clients: Sequence[Client], files: list[File]) -> None:
    """With a token of its own, so that an example that fails spoils no other."""
    token = str(uuid.uuid4())
    local, on_s3 = (Client(client.app, token) for client in clients)
    stored = await asyncio.gather(*(_round(local, on_s3, file) for file in files))
    names = sorted(
        (file.name for file, was in zip(files, stored, strict=True) if was), key=str.encode
    )
    for client in (local, on_s3):
        assert (await client("GET", "/api/files")).json == names
        assert (await client("GET", "/api/uploads")).json == []
    for deleted in await asyncio.gather(
        *(_same(local, on_s3, "DELETE", f"/api/files/{quote(name, safe='')}") for name in names)
    ):
        assert deleted.status == 204
    for client in (local, on_s3):
        assert (await client("GET", "/api/files")).json == []


async def _round(local: Client, on_s3: Client, file: File) -> bool:
    """Store a file on both and read it back; whether it was taken."""
    answers = await asyncio.gather(*(_store(client, file) for client in (local, on_s3)))
    assert _shown(answers[0]) == _shown(answers[1]), file
    if answers[0].status >= 300:
        assert answers[0].status == 400, (file, answers[0].body)
        assert not answers[0].asked_first, file
        return False
    read = await _same(local, on_s3, "GET", file.target)
    assert (read.status, read.body) == (200, file.body), file
    for name, value in file.headers.items():
        if value and name.lower() not in ("cache-control", "content-type"):
            assert read[name] == value, file
    return True


async def _store(client: Client, file: File) -> Answer:
    if file.how == "tus":
        said = {"filename": file.name.encode(), "filetype": b""}
        said["filetype"] = file.headers.get("Content-Type", "").encode("latin-1")
        pairs = (f"{key} {base64.b64encode(value).decode()}" for key, value in said.items())
        headers = {
            **{name: value for name, value in file.headers.items() if name != "Content-Type"},
            "Tus-Resumable": "1.0.0",
            "Upload-Length": str(len(file.body)),
            "Upload-Metadata": ",".join(pairs),
            "Content-Type": "application/offset+octet-stream",
        }
        answer = await client("POST", "/api/uploads", headers.items(), file.body)
        if answer.status == 201:
            assert answer["upload-offset"] == str(len(file.body)), file
            await _forget(client, answer["location"])
        return answer
    headers = dict(file.headers)
    if file.how == "ietf":
        headers |= {"Upload-Complete": "?1", "Upload-Draft-Interop-Version": "6"}
    answer = await client("PUT", file.target, headers.items(), file.body)
    for interim in answer.interim:
        if "location" in interim.headers:
            await _forget(client, interim.headers["location"])
    return answer


async def _forget(client: Client, upload: str) -> None:
    """What is told of an upload that has ended stays until then."""
    forgotten = await client("DELETE", upload, [("Tus-Resumable", "1.0.0")])
    assert forgotten.status == 204, forgotten.body


async def _same(local: Client, on_s3: Client, method: str, target: str) -> Answer:
    here, there = await asyncio.gather(local(method, target), on_s3(method, target))
    assert _shown(here) == _shown(there), (method, target)
    return here


def _shown(answer: Answer) -> object:
    """What has to be the same whichever the store."""
    differing = {"etag", "last-modified", "location", "repr-digest", "upload-expires"}
    headers = {(name, value) for name, value in answer.headers if name not in differing}
    problem = None
    if answer.status >= 400:
        headers.discard(("content-length", str(len(answer.body))))
        problem = (answer.slug, answer.json["detail"])
    return answer.status, headers, problem, answer.crash
