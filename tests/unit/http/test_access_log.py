"""The access log: a line for each request, which shows of a link all but what makes it valid."""

from __future__ import annotations

import asyncio
import json
import logging
import os
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from file_uploader.http import access_log
from file_uploader.http.access_log import AccessLog
from file_uploader.http.application import Application
from file_uploader.http.context import RequestContext
from file_uploader.http.fields import target
from file_uploader.http.fields.base_url import BaseURLs, TrustedProxies
from file_uploader.server.logs import without_secrets
from tests.support.waiting import happens

FIELDS = "1." + "f" * 46
MAC = "m" * 43
LINK = f"/api/links/{FIELDS}.{MAC}"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (f"{LINK}/a.txt", f"/api/links/{FIELDS}.***/a.txt"),
        (f"{LINK}/a/b.c?download", f"/api/links/{FIELDS}.***/a/b.c?download"),
        (f"http://h:80{LINK}/a", f"http://h:80/api/links/{FIELDS}.***/a"),
        (LINK, f"/api/links/{FIELDS}.***"),
        (f"{LINK}%2Fa", f"/api/links/{FIELDS}.***"),
        (f"{LINK}%2Fa.txt", f"/api/links/{FIELDS}.***"),
        (f"{LINK}.x/a.txt", f"/api/links/{FIELDS}.***/a.txt"),
        (f"/api/links/{FIELDS[2:]}.{MAC}/a", f"/api/links/{FIELDS[2:]}.m.***/a"),
        (LINK.replace(".", "%2E") + "/a", f"/api/links/1%2E{FIELDS[4:]}.***/a"),
        (LINK.replace("/", "%2f") + "/a", f"%2fapi%2flinks%2f{FIELDS}.***/a"),
        (f"/api/files?prefix={LINK}", f"/api/files?prefix=/api/links/{FIELDS}.***"),
        (LINK.replace("l", "%6C", 1) + "/a", f"/api/%6Cinks/{FIELDS}.***/a"),
        (f"{LINK.replace('api', '%61pi')}/%C3%A4", f"/%61pi/links/{FIELDS}.***/%C3%A4"),
        (f"/%C3%A4?x={LINK.replace('k', '%6b', 1)}", f"/%C3%A4?x=/api/lin%6bs/{FIELDS}.***"),
        (f"{LINK}?x", f"/api/links/{FIELDS}.***?x"),
        ("/api/links", "/api/links"),
        ("/api/links/x/a.b", "/api/links/x/a.b"),
        ("/api/files/a.b", "/api/files/a.b"),
        ("*", "*"),
    ],
)
def test_a_link_is_shown_without_its_mac(text: str, shown: str) -> None:
    assert target.without_secrets(text) == shown


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    ends = os.pipe()
    yield ends
    for end in ends:
        os.close(end)


def _scope(**values: Any) -> dict[str, Any]:
    return {
        "type": "http",
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "root_path": "",
        "raw_path": b"/api/files/a",
        "query_string": b"",
        "headers": [],
        "client": ("192.0.2.1", 1),
        **values,
    }


def _served(
    status: int = 200,
    *,
    received: int = 0,
    sent: int = 0,
    seconds: float = 0.0,
    here: RequestContext | None = None,
    **values: Any,
) -> tuple[dict[str, Any], RequestContext]:
    here = here or RequestContext("some-id")
    ended = replace(here, status=status, received=received, sent=sent, seconds=seconds)
    return _scope(**values), ended


async def _logged(log: AccessLog, pipe: tuple[int, int]) -> list[str]:
    await log.aclose()
    return os.read(pipe[0], 100_000).decode().splitlines()


WAYS = [
    _served(200, sent=4096, seconds=0.0124),
    _served(
        400,
        received=12,
        seconds=1.5,
        method="PUT",
        query_string=b"x=%0a",
        client=None,
        here=RequestContext("0a", "/api/files/{name}", "c" * 32),
    ),
    _served(sent=1, raw_path=f"{LINK}/a".encode()),
    _served(404, sent=1, raw_path=b'/a"b\xe9'),
]


async def test_a_line_for_people_has_all_of_a_request(pipe: tuple[int, int]) -> None:
    log = AccessLog(access_log.console, pipe[1])
    for served in WAYS:
        log.note(*served)
    await log.aclose()
    lines = os.read(pipe[0], 100_000).decode("latin-1").splitlines()
    nobody = "container=- request=some-id"
    assert [line.split(" ", 1)[1] for line in lines] == [
        f'192.0.2.1 "GET /api/files/a HTTP/1.1" 200 in=0 out=4096 12ms {nobody}',
        (
            '- "PUT /api/files/a?x=%0a HTTP/1.1" 400 in=12 out=0 1500ms'
            f" container={'c' * 32} request=0a"
        ),
        f'192.0.2.1 "GET /api/links/{FIELDS}.***/a HTTP/1.1" 200 in=0 out=1 0ms {nobody}',
        f'192.0.2.1 "GET /a%22b\xe9 HTTP/1.1" 404 in=0 out=1 0ms {nobody}',
    ]
    for line in lines:
        moment = datetime.fromisoformat(line.split(" ", 1)[0])
        assert abs(datetime.now(UTC) - moment) < timedelta(minutes=1)


async def test_a_line_for_machines_has_all_of_a_request(pipe: tuple[int, int]) -> None:
    log = AccessLog(access_log.as_json, pipe[1])
    for served in WAYS:
        log.note(*served)
    lines = [json.loads(line) for line in await _logged(log, pipe)]
    moments = [datetime.fromisoformat(line.pop("time")) for line in lines]
    assert all(abs(datetime.now(UTC) - each) < timedelta(minutes=1) for each in moments)
    assert lines[1] == {
        "level": "info",
        "logger": "access",
        "request_id": "0a",
        "client": "-",
        "method": "PUT",
        "route": "/api/files/{name}",
        "target": "/api/files/a?x=%0a",
        "protocol": "HTTP/1.1",
        "status": 400,
        "received": 12,
        "sent": 0,
        "duration": 1.5,
        "container": "c" * 32,
    }
    assert lines[2]["target"] == f"/api/links/{FIELDS}.***/a"
    assert lines[3]["target"] == '/a"b\xe9'
    assert {(line["container"], line["route"]) for line in lines[2:]} == {(None, "-")}


async def test_who_does_not_read_it_stops_nobody(
    pipe: tuple[int, int], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(access_log, "MOST_WAITING", 3)
    log = AccessLog(access_log.console, pipe[1])
    for status in range(200, 205):
        log.note(*_served(status))
    lines = await _logged(log, pipe)
    assert [line.split()[5] for line in lines] == ["200", "201", "202"]
    assert caplog.messages == ["2 requests are not in the access log: it is read too slowly"]
    log.note(*_served(205))
    assert len(await _logged(log, pipe)) == 1


async def test_a_log_that_cannot_be_written_fails_no_request(pipe: tuple[int, int]) -> None:
    read_only = AccessLog(access_log.console, pipe[0])
    read_only.note(*_served())
    await read_only.aclose()
    read_only.note(*_served())
    await read_only.aclose()


async def test_a_client_that_left_is_told_from_one_that_was_answered(
    pipe: tuple[int, int],
) -> None:
    started = asyncio.Event()

    async def endpoint(_scope: Any, _receive: Any, send: Any) -> None:
        if started.is_set():
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"12345", "more_body": True})
        started.set()
        await asyncio.sleep(60)

    async def nothing(_message: Any = None) -> Any:
        return None

    log = AccessLog(access_log.as_json, pipe[1])
    base_urls = BaseURLs("", TrustedProxies(()))
    application = Application(
        endpoint,
        base_urls=base_urls,
        lifespan=nothing,  # type: ignore[arg-type]
        log=log,
    )
    for _ in range(2):
        serving = asyncio.create_task(
            application(_scope(headers=[(b"host", b"a")]), nothing, nothing)
        )
        await happens(started, "it is served")
        await asyncio.sleep(0)
        serving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await serving
    lines = [json.loads(line) for line in await _logged(log, pipe)]
    assert [(line["status"], line["sent"]) for line in lines] == [(499, 0), (200, 5)]


def test_gunicorns_own_log_shows_no_secret_either() -> None:
    """gunicorn gives the lines of its access log their values by name; none is a part of a link."""
    values = {"r": f"GET {LINK}/a?download HTTP/1.1", "f": f"http://h{LINK}/a"}
    record = logging.LogRecord("gunicorn.access", logging.INFO, "", 1, "%(r)s %(f)s", values, None)
    assert without_secrets(record)
    shown = f"/api/links/{FIELDS}.***/a"
    assert record.getMessage() == f"GET {shown}?download HTTP/1.1 http://h{shown}"
