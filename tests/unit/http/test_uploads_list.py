"""The list of unfinished uploads: whichever dialect began them."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import datetime, timedelta

import pytest

from file_uploader.errors import StorageUnavailable
from file_uploader.http import uploads as http_uploads
from file_uploader.model.names import Container
from file_uploader.model.uploads import Upload
from file_uploader.storage.upkeep import Flaw
from tests.support.asgi import Client
from tests.support.double import StorageDouble, raise_
from tests.support.tus import Tus
from tests.unit.http.conftest import Serve

URL = "/api/uploads"
LINES = [("Accept", "application/x-ndjson")]


async def test_what_it_says(serve: Serve) -> None:
    client = await serve(upload_expiry=timedelta(hours=3))
    tus = Tus(client)
    whole = await tus.begin(11, body=b"hello", name="dir/\u00e9")
    deferred = await tus.begin(None, [("Upload-Defer-Length", "1")])
    part = await tus.begin(3, [("Upload-Concat", "partial")], name=None)
    answer = await client("GET", URL)
    assert (answer.status, answer["content-type"]) == (200, "application/json")
    assert answer["cache-control"] == "private, no-store"
    assert answer["vary"] == "X-Auth-Token, Accept"
    assert [set(entry) for entry in answer.json] == [
        {"id", "name", "offset", "length", "created", "expires"}
    ] * 3
    assert {
        f"{URL}/{entry['id']}": (entry["name"], entry["offset"], entry["length"])
        for entry in answer.json
    } == {whole: ("dir/\u00e9", 5, 11), deferred: ("a", 0, None), part: (None, 0, 3)}
    ids = [entry["id"] for entry in answer.json]
    assert ids == sorted(ids), "in the order of their creation, to the millisecond"
    for entry in answer.json:
        created, expires = (datetime.fromisoformat(entry[key]) for key in ("created", "expires"))
        assert expires - created == timedelta(hours=3)
        assert entry["created"].endswith("Z")


async def test_finished_and_deleted_ones_are_not_in_it(client: Client, tus: Tus) -> None:
    assert (await client("GET", URL)).body == b"[]"
    await tus.begin(5, body=b"hello")
    await tus.begin(5, [("Upload-Concat", "partial")], body=b"hello", name=None)
    await tus("DELETE", await tus.begin(5))
    assert (await client("GET", URL)).json == []


async def test_it_disturbs_nobody(client: Client, tus: Tus, double: StorageDouble) -> None:
    location = await tus.begin(11, body=b"hello")
    exchange = tus.exchange(
        "PATCH",
        location,
        [("Content-Type", "application/offset+octet-stream"), ("Upload-Offset", "5")],
        body=[b" wor", b"ld"],
        length=6,
    )
    during = []

    async def look() -> None:
        during.extend((await client("GET", URL)).json)
        during.extend((await client("HEAD", URL)).chunks)

    double.before["upload-chunk"] = look
    answer = await exchange.run()
    assert (answer.status, answer["upload-offset"]) == (204, "11")
    assert [entry["offset"] for entry in during] == [5, 5]


@pytest.mark.parametrize("accept", ["application/json", "application/x-ndjson", "*/*"])
async def test_head_is_get_without_its_body(client: Client, tus: Tus, accept: str) -> None:
    await tus.begin(5)
    get, head = [await client(method, URL, [("Accept", accept)]) for method in ("GET", "HEAD")]
    assert (head.status, head.headers, head.body) == (200, get.headers, b"")


async def test_lines(client: Client, tus: Tus) -> None:
    assert (await client("GET", URL, LINES)).body == b""
    for _ in range(3):
        await tus.begin(5)
    answer = await client("GET", URL, LINES)
    assert answer["content-type"] == "application/x-ndjson"
    assert [json.loads(line) for line in answer.body.splitlines()] == (
        await client("GET", URL)
    ).json


@pytest.mark.parametrize("count", [0, 1, 2, 3, 4, 5])
async def test_long_ones_come_in_pieces(
    client: Client, tus: Tus, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    monkeypatch.setattr(http_uploads, "PAGE", 2)
    locations = [await tus.begin(5) for _ in range(count)]
    answer = await client("GET", URL)
    assert [f"{URL}/{entry['id']}" for entry in answer.json] == sorted(locations)
    assert len(answer.chunks) == (count + 1) // 2 + 1
    assert len((await client("GET", URL, LINES)).body.splitlines()) == count


@pytest.mark.parametrize("accept", ["text/plain", "image/png"])
async def test_other_forms_are_not_acceptable(client: Client, accept: str) -> None:
    answer = await client("GET", URL, [("Accept", accept)])
    assert (answer.status, answer.slug) == (406, "not-acceptable")


async def test_parameters_are_refused(client: Client) -> None:
    answer = await client("GET", URL + "?limit=1")
    assert (answer.status, answer.slug) == (400, "invalid-parameter")


async def test_a_store_that_fails(client: Client, tus: Tus, double: StorageDouble) -> None:
    await tus.begin(5)
    double.before["upload-list"] = raise_(StorageUnavailable("gone"))
    for headers in ([], LINES):
        assert (await client("GET", URL, headers)).status == 503


async def test_one_that_cannot_be_read_is_left_out(
    client: Client,
    tus: Tus,
    double: StorageDouble,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    location = await tus.begin(5)
    listing = double.uploads.list

    async def with_a_flaw(owner: Container) -> AsyncIterator[Upload | Flaw]:
        yield Flaw("what is kept of it cannot be read", owner, upload_id="0\n1")
        async for upload in listing(owner):
            yield upload

    monkeypatch.setattr(double.uploads, "list", with_a_flaw)
    answer = await client("GET", URL)
    assert [f"{URL}/{entry['id']}" for entry in answer.json] == [location]
    assert "0%0A1: what is kept of it cannot be read" in caplog.text
