"""Each call, tried against the upload of another client, in both dialects: it is not there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pytest

from tests.support.asgi import Answer, Client
from tests.support.double import StorageDouble
from tests.support.tus import BYTES, VERSION, Tus, metadata

NEVER = "/api/uploads/01a20b6e9bd9" + "5" * 20
LAST = ("Upload-Complete", "?1")
PIECE = ("Content-Type", "application/partial-upload")


@dataclass(frozen=True)
class Row:
    """One call; ``{}`` stands for the upload's URL."""

    method: str
    headers: Sequence[tuple[str, str]] = ()
    body: bytes | None = None
    target: str = "{}"

    def __str__(self) -> str:
        headers = " ".join(f"{name}={value}" for name, value in self.headers)
        return f"{self.method} {self.target} {headers}"

    async def __call__(self, client: Client, url: str) -> Answer:
        headers = [(name, value.format(url)) for name, value in self.headers]
        return await client(self.method, self.target.format(url), headers, self.body)


def offset(value: int) -> tuple[str, str]:
    return "Upload-Offset", str(value)


def override(method: str) -> tuple[str, str]:
    return "X-HTTP-Method-Override", method


CALLS = [
    Row("HEAD", [VERSION]),
    Row("GET", [VERSION]),
    Row("DELETE", [VERSION]),
    Row("PATCH", [VERSION, BYTES, offset(0)], b"hello world"),
    Row("PATCH", [VERSION, BYTES, offset(5)], b""),
    Row("PATCH", [VERSION, BYTES, offset(5)], b" world"),
    Row("PATCH", [VERSION, BYTES, offset(5)], b" world!"),
    Row("PATCH", [VERSION, BYTES, offset(5), ("Upload-Length", "11")], b" world"),
    Row("PATCH", [VERSION, BYTES, offset(5), ("Upload-Checksum", "sha1 " + "A" * 27 + "=")], b"x"),
    Row("POST", [VERSION, override("HEAD")]),
    Row("POST", [VERSION, override("DELETE")]),
    Row("POST", [VERSION, override("PATCH"), BYTES, offset(5)], b" world"),
    Row(
        "POST",
        [VERSION, metadata(filename="stolen"), ("Upload-Concat", "final;{}")],
        target="/api/uploads",
    ),
    Row(
        "POST",
        [VERSION, metadata(filename="stolen"), ("Upload-Concat", "final;https://x.example{}")],
        target="/api/uploads",
    ),
    Row("HEAD"),
    Row("GET"),
    Row("DELETE"),
    Row("PATCH", [PIECE, offset(0), LAST], b"hello world"),
    Row("PATCH", [PIECE, offset(5), LAST], b" world"),
    Row("PATCH", [PIECE, offset(5), LAST], b""),
    Row("PATCH", [PIECE, offset(5), ("Upload-Complete", "?0")], b" wor"),
    Row("POST", [override("DELETE")]),
    Row("POST", [override("PATCH"), PIECE, offset(5), LAST], b" world"),
]
KINDS = {
    "open": (11, [], b"hello"),
    "deferred": (None, [("Upload-Defer-Length", "1")], b"hello"),
    "partial": (11, [("Upload-Concat", "partial")], b"hello"),
    "finished": (11, [], b"hello world"),
    "finished-part": (11, [("Upload-Concat", "partial")], b"hello world"),
}


@pytest.mark.parametrize("kind", KINDS)
async def test_the_others_upload_is_like_one_that_never_was(
    tus: Tus, other: Client, double: StorageDouble, kind: str
) -> None:
    size, headers, body = KINDS[kind]
    name = None if ("Upload-Concat", "partial") in headers else "a"
    url = await tus.begin(size, headers, body=body, name=name)
    before = dict(double.uploads.records), {**double.files}
    for call in CALLS:
        answer, never = await call(other, url), await call(other, NEVER)
        assert (answer.status, answer.asked_first) == (404, False), call
        unlike = (answer.headers, answer.body)
        assert unlike == (never.headers, never.body), call
        assert never.status == 404, call
        assert (double.uploads.records, double.files) == before, call
    assert await tus.offset(url) == len(body)


async def test_the_others_upload_ends_by_none_of_it(
    client: Client, tus: Tus, other: Client, double: StorageDouble
) -> None:
    """Nor is an append under way disturbed."""
    url = await tus.begin(11, body=b"hello")
    statuses = []

    async def intrude() -> None:
        del double.before["upload-chunk"]
        statuses.extend([(await call(other, url)).status for call in CALLS])

    double.before["upload-chunk"] = intrude
    answer = await tus.patch(url, 5, [b" wor", b"ld"])
    assert (answer.status, set(statuses), len(statuses)) == (204, {404}, len(CALLS))
    assert (await client("GET", "/api/files/a")).body == b"hello world"


async def test_a_part_of_another_is_no_part(tus: Tus, other: Client) -> None:
    """Also beside parts of one's own."""
    partial = ("Upload-Concat", "partial")
    mine = await tus.begin(5, [partial], body=b"hello", name=None)
    theirs = await Tus(other).begin(5, [partial], body=b"hello", name=None)
    for urls in (f"{theirs} {mine}", f"{mine} {theirs}"):
        answer = await Tus(other).post(None, [("Upload-Concat", f"final;{urls}")])
        assert (answer.status, answer.slug) == (404, "no-such-upload")
    assert (await other("GET", "/api/files")).json == []


async def test_lists_are_ones_own(client: Client, tus: Tus, other: Client) -> None:
    await tus.begin(5)
    await Tus(other).begin(5, name="theirs")
    assert [entry["name"] for entry in (await client("GET", "/api/uploads")).json] == ["a"]
    assert [entry["name"] for entry in (await other("GET", "/api/uploads")).json] == ["theirs"]


@pytest.mark.parametrize("call", CALLS, ids=str)
async def test_without_a_token_nothing_is_said(tus: Tus, nobody: Client, call: Row) -> None:
    url = await tus.begin(11, body=b"hello")
    answer = await call(nobody, url)
    assert (answer.status, answer.asked_first) == (401, False)
    assert answer["www-authenticate"] == "X-Auth-Token"


@pytest.mark.parametrize("call", CALLS, ids=str)
async def test_the_calls_are_ones_that_could_succeed(client: Client, tus: Tus, call: Row) -> None:
    """So that the `404` above is about the client and nothing else."""
    statuses = set()
    for size, headers, body in KINDS.values():
        name = None if ("Upload-Concat", "partial") in headers else "a"
        url = await tus.begin(size, headers, body=body, name=name)
        statuses.add((await call(client, url)).status)
    assert 404 not in statuses
