"""File names over real sockets: what the server's own parser lets by, and what it makes of it."""

from __future__ import annotations

import contextlib
import json
import subprocess
from pathlib import Path

import pytest

from tests.support.paths import BAD, ELSEWHERE, GOOD, RAW_ONLY, Row
from tests.support.raw import Answer, Connection
from tests.support.service import Service
from tests.support.services import Lend

FILES = b"/api/files/"


@pytest.fixture
def running(shared_service: Lend) -> Service:
    """Every row of the table has a client of its own."""
    return shared_service("local")


def ask(running: Service, method: str, target: bytes, body: bytes | None = None) -> Answer:
    """One request with a raw target, on a connection of its own."""
    fields = [f"Host: localhost:{running.port}", f"X-Auth-Token: {running.token}"]
    if body is not None:
        fields.append(f"Content-Length: {len(body)}")
    head = b"%s %s HTTP/1.1\r\n" % (method.encode(), target)
    with Connection(running.port) as connection:
        connection.send(head + "".join(f"{each}\r\n" for each in fields).encode() + b"\r\n")
        with contextlib.suppress(OSError):  # it may have been refused already
            connection.send(body or b"")
        return connection.read_answer(method)


def stored(running: Service) -> list[str]:
    """The names that the client has, byte for byte."""
    answer = ask(running, "GET", b"/api/files")
    assert answer.status == 200
    names: list[str] = json.loads(answer.body)
    return names


def test_what_is_stored_is_what_was_sent(running: Service) -> None:
    names = {row: row.name or "" for row in GOOD}
    for row, name in names.items():
        assert ask(running, "PUT", FILES + row.raw, name.encode()).status == 204, row
    assert stored(running) == sorted(set(names.values()), key=str.encode)
    for row, name in names.items():
        assert ask(running, "GET", FILES + row.raw).body == name.encode(), row
    for row in GOOD:
        assert ask(running, "DELETE", FILES + row.raw).status in (204, 404), row
    assert stored(running) == []


def test_what_is_no_name_is_refused(running: Service) -> None:
    for row in BAD:
        answer = ask(running, "PUT", FILES + row.raw, b"content")
        assert answer.status == 400, row
        assert answer.problem["type"].endswith("#invalid-name"), row
    assert stored(running) == []


@pytest.mark.parametrize("row", RAW_ONLY, ids=str)
def test_what_no_client_may_send(running: Service, row: Row) -> None:
    """Taken byte for byte or refused: a part of it is never taken for the whole."""
    answer = ask(running, "PUT", FILES + row.raw, b"content")
    names = stored(running)
    if answer.status == 204:
        assert row.name is not None
        assert names == [row.name]
        assert ask(running, "GET", FILES + row.raw).body == b"content"
    else:
        assert answer.status == 400
        assert answer.problem["detail"]
        assert names == []


@pytest.mark.parametrize(
    "target",
    [
        b"/api/files/a\r\nContent-Length: 0\r\n\r\nPUT /api/files/b",
        b"/api/files/a\n",
        b"/api/files/a\nX-Injected:",
        b"/api/files/a\rb",
        b"/api/files/a\x0bb",
        b"",
        b" /api/files/a",
    ],
)
def test_a_broken_request_line_stores_nothing(running: Service, target: bytes) -> None:
    assert ask(running, "PUT", target, b"content").status == 400
    assert stored(running) == []


@pytest.mark.parametrize("target", ELSEWHERE)
def test_paths_that_only_look_like_files(running: Service, target: bytes) -> None:
    answer = ask(running, "PUT", target, b"content")
    # Bytes beyond ASCII do not belong into a target at all, so the server may say that instead.
    assert answer.status in ((404,) if target.isascii() else (400, 404))
    assert stored(running) == []


@pytest.mark.parametrize(
    "origin", [b"http://localhost", b"http://files.example:8080", b"HTTPS://x"]
)
def test_an_absolute_target(running: Service, origin: bytes) -> None:
    assert ask(running, "PUT", origin + b"/api/files/a%2Fb", b"content").status == 204
    assert stored(running) == ["a/b"]
    listed = ask(running, "GET", origin + b"/api/files?prefix=a%2F")
    assert json.loads(listed.body) == ["a/b"]


CURL = {
    # what is typed: (without --path-as-is, with it); a name, or a status
    "a/../b": ("b", 400),
    "./a": ("a", 400),
    "a//b": (400, 400),
    "a/": (400, 400),
    "%2e%2e/a": (400, 400),
    "a%2Fb": ("a/b", "a/b"),
    "a%20b": ("a b", "a b"),
    "a+b": ("a+b", "a+b"),
    "a#b": ("a", "a"),
    "caf\u00e9": ("caf\u00e9", "caf\u00e9"),
    "%FF": (400, 400),
    "100%25": ("100%", "100%"),
}


@pytest.mark.parametrize("typed", CURL)
@pytest.mark.parametrize("as_is", [False, True])
def test_curl(running: Service, tmp_path: Path, typed: str, as_is: bool) -> None:
    """What curl makes of a path before it sends it is curl's; this is what comes of both."""
    source = tmp_path / "source"
    source.write_bytes(b"content")
    command = ["curl", "-sS", "-g", "-o", "/dev/null", "-w", "%{http_code}", "--max-time", "15"]
    command += ["--path-as-is"] if as_is else []
    command += ["-H", f"X-Auth-Token: {running.token}", "--upload-file", str(source)]
    # A URL that ends in a slash would have curl add the local file's name.
    command += ["--request-target", f"/api/files/{typed}"] if typed.endswith("/") else []
    done = subprocess.run(
        [*command, f"{running.files}/{typed}"], check=True, capture_output=True, text=True
    )
    wanted = CURL[typed][as_is]
    if isinstance(wanted, int):
        assert done.stdout == str(wanted)
        assert stored(running) == []
    else:
        assert done.stdout == "204"
        assert stored(running) == [wanted]
