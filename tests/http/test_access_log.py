"""The access log: a line for each request, which shows of a link all but what makes it valid."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from file_uploader.http import access, target
from file_uploader.http.access import AccessLog
from file_uploader.http.application import Application
from file_uploader.http.connection import Connection

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
        "raw_path": b"/api/files/a",
        "query_string": b"",
        "headers": [],
        "client": ("192.0.2.1", 1),
        **values,
    }


async def _logged(log: AccessLog, pipe: tuple[int, int]) -> list[str]:
    await log.aclose()
    return os.read(pipe[0], 100_000).decode().splitlines()


async def test_a_line_has_all_of_a_request(pipe: tuple[int, int]) -> None:
    log = AccessLog(pipe[1])
    log.note(_scope(), 200, 4096, 0.0124)
    log.note(_scope(method="PUT", query_string=b"x=%0a", client=None), 400, 0, 1.5)
    log.note(_scope(raw_path=f"{LINK}/a".encode()), 200, 1, 0)
    log.note(_scope(raw_path=b'/a"b'), 404, 1, 0)
    assert await _logged(log, pipe) == [
        '192.0.2.1 "GET /api/files/a HTTP/1.1" 200 4096 12ms',
        '- "PUT /api/files/a?x=%0a HTTP/1.1" 400 0 1500ms',
        f'192.0.2.1 "GET /api/links/{FIELDS}.***/a HTTP/1.1" 200 1 0ms',
        '192.0.2.1 "GET /a%22b HTTP/1.1" 404 1 0ms',
    ]


async def test_who_does_not_read_it_stops_nobody(
    pipe: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(access, "MOST_WAITING", 3)
    log = AccessLog(pipe[1])
    for status in range(200, 205):
        log.note(_scope(), status, 0, 0)
    lines = await _logged(log, pipe)
    assert [line.split()[4] for line in lines[:3]] == ["200", "201", "202"]
    assert lines[3].startswith("2 requests are left out")
    log.note(_scope(), 205, 0, 0)
    assert len(await _logged(log, pipe)) == 1


async def test_a_log_that_cannot_be_written_fails_no_request(pipe: tuple[int, int]) -> None:
    read_only = AccessLog(pipe[0])
    read_only.note(_scope(), 200, 0, 0)
    await read_only.aclose()
    read_only.note(_scope(), 200, 0, 0)
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

    log = AccessLog(pipe[1])
    application = Application(endpoint, layers=[], lifespan=nothing, log=log)  # type: ignore[arg-type]
    for _ in range(2):
        serving = asyncio.create_task(application(_scope(), nothing, nothing))
        await started.wait()
        await asyncio.sleep(0)
        serving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await serving
    lines = await _logged(log, pipe)
    assert [line.split()[4:6] for line in lines] == [["499", "0"], ["200", "5"]]


def test_gunicorns_own_log_shows_no_secret_either() -> None:
    """gunicorn makes the request line of this; the query is not a part of a link."""
    request = SimpleNamespace(
        method="GET",
        uri=f"{LINK}/a?download",
        path=f"{LINK}/a",
        query="download",
        version=(1, 1),
        headers=[("HOST", "h"), ("REFERER", f"http://h{LINK}/a")],
    )
    connection = Connection.__new__(Connection)
    environ = connection._build_environ(request, None, ("192.0.2.1", 1))
    assert environ["RAW_URI"] == f"/api/links/{FIELDS}.***/a?download"
    assert environ["REMOTE_ADDR"] == "192.0.2.1"
    assert MAC not in repr(environ)
