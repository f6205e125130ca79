"""Interim responses with 104 on the wire, and an optimistic upload that is cut and goes on.

Sections are those of draft-ietf-httpbis-resumable-upload.
"""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.integration.service.clients.wire import IETF, append, connected, listed, look, offset_of
from tests.support.bodies import content
from tests.support.raw import Answer, Connection, End, head
from tests.support.service import LocalBackend, Service, service
from tests.support.waiting import until
from tests.support.witness import fetch

MIB = 2**20
DATA = content(6 * MIB, "optimistic")
SENT = 4 * MIB + 321
VERSIONS = (3, 4, 5, 6, 7, 8, 9)
READ_AHEAD = 128 * 1024
"""Bytes that a server may have taken off the wire and not looked at when a connection ends."""

_SUPPORTED = re.compile(
    rb"HTTP/1\.1 104 Upload Resumption Supported\r\n"
    rb"upload-draft-interop-version: (\d+)\r\n"
    rb"location: http://[^/\r\n]+(/api/uploads/[0-9a-f]{32})\r\n"
    rb"(?:upload-limit: (max-age|expires)=(?:604800|6047\d\d)\r\n)?"
    rb"\r\n"
)
_PROGRESS = re.compile(
    rb"HTTP/1\.1 104 Upload Resumption Supported\r\n"
    rb"upload-draft-interop-version: (\d+)\r\n"
    rb"upload-offset: (\d+)\r\n"
    rb"\r\n"
)


def creation(
    running: Service,
    size: int | None,
    *,
    name: str = "optimistic",
    version: int | str | None = 8,
    complete: bool = True,
    **more: str,
) -> bytes:
    """The head of a PUT that begins an upload with ``size`` bytes; None: chunked."""
    fields = {"Upload-Complete": "?1" if complete else "?0"}
    if version == 3:
        fields = {"Upload-Incomplete": "?0" if complete else "?1"}
    if version is not None:
        fields["Upload-Draft-Interop-Version"] = str(version)
    if size is None:
        fields["Transfer-Encoding"] = "chunked"
    else:
        fields["Content-Length"] = str(size)
    fields.update({key.replace("_", "-"): value for key, value in more.items()})
    return head("PUT", f"/api/files/{name}", running.token, fields)


def appending(
    running: Service, path: str, offset: int, size: int, version: int | None = 8, **more: str
) -> bytes:
    """The head of a PATCH with the last ``size`` bytes of an upload."""
    fields = {
        "Upload-Complete": "?1",
        "Upload-Offset": str(offset),
        "Content-Length": str(size),
        "Content-Type": "application/partial-upload",
    }
    if version is not None:
        fields["Upload-Draft-Interop-Version"] = str(version)
    return head("PATCH", path, running.token, {**fields, **more})


def supported(client: Connection, version: int = 8) -> str:
    """Read the 104 that announces an upload; gives its path."""
    match = _SUPPORTED.fullmatch(announced := client.read_head())
    assert match is not None, announced
    assert int(match[1]) == version
    assert match[3] == {6: b"expires", 7: b"max-age", 8: b"max-age", 9: b"max-age"}.get(version)
    return match[2].decode()


def progress(client: Connection, version: int = 8) -> int:
    """Read the 104 that tells how far an upload has come; gives its offset."""
    match = _PROGRESS.fullmatch(told := client.read_head())
    assert match is not None, told
    assert int(match[1]) == version
    return int(match[2])


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("complete", [False, True])
def test_a_104_comes_before_any_byte_of_the_body_was_sent(
    running: Service, version: int, complete: bool
) -> None:
    # 4.2: where the upload is, and its limits.
    with Connection(running.port) as client:
        client.send(creation(running, 5, version=version, complete=complete))
        path = supported(client, version)
        client.send(b"hello")
        answer = client.read_answer("PUT")
        assert (answer.status, answer.interim) == (204 if complete else 201, [])
        assert urlsplit(answer.header("location") or "").path == path
        assert look(client, IETF, running.token, path) == 5


def test_the_100_is_not_left_out_and_comes_after_the_104(running: Service) -> None:
    # 5
    with Connection(running.port) as client:
        for complete in (False, True):
            client.send(creation(running, 5, complete=complete, Expect="100-continue"))
            supported(client)
            assert client.read_head() == b"HTTP/1.1 100 Continue\r\n\r\n"
            client.send(b"hello")
            answer = client.read_answer("PUT")
            assert (answer.status // 100, answer.interim) == (2, [])


def test_the_100_is_not_left_out_of_an_append(running: Service) -> None:
    # 5
    with Connection(running.port) as client:
        client.send(creation(running, 0, complete=False))
        path = supported(client)
        assert client.read_answer("PUT").status == 201
        client.send(appending(running, path, 0, 5, Expect="100-continue"))
        assert client.read_head() == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.send(b"hello")
        answer = client.read_answer("PATCH")
        assert (answer.status, answer.interim) == (204, [])


def test_what_is_refused_gets_neither(running: Service) -> None:
    with Connection(running.port) as client:
        client.send(creation(running, 5, Expect="100-continue", If_Match='"none"'))
        answer = client.read_answer("PUT")
        assert (answer.status, answer.interim, answer.header("location")) == (412, [], None)


def test_a_chunked_body_is_announced_too(running: Service) -> None:
    with Connection(running.port) as client:
        client.send(creation(running, None, name="chunked"))
        supported(client)
        client.send(b"5\r\nhello\r\n0\r\n\r\n")
        assert client.read_answer("PUT").status == 204
    assert fetch(running, "chunked") == b"hello"


@pytest.mark.smoke
def test_progress_is_told_and_holds_in_another_worker(running: Service) -> None:
    one, other = running.workers()
    with connected(running, one) as client, connected(running, other) as asking:
        client.send(creation(running, len(DATA)))
        path = supported(client)
        client.send(DATA[:SENT])
        told = progress(client)
        assert 0 < told <= SENT
        offset = look(asking, IETF, running.token, path)
        assert told <= offset <= SENT
        _finish(asking, running, path, offset)
    assert fetch(running, "optimistic") == DATA


@pytest.mark.parametrize("version", VERSIONS)
def test_progress_of_an_append(running: Service, version: int) -> None:
    # 4.4: an offset and never a Location; -01 and -02 know no such response.
    with Connection(running.port) as client, Connection(running.port) as asking:
        client.send(creation(running, 0, version=version, complete=False))
        path = supported(client, version)
        assert client.read_answer("PUT").status == 201
        client.send(appending(running, path, 0, len(DATA), version) + DATA[:SENT])
        if version >= 5:
            assert 0 < progress(client, version) <= SENT
        else:
            until(lambda: _durable(asking, running, path) > 0, "some of it is durable")
        client.send(DATA[SENT:])
        answer = client.read_answer("PATCH")
        assert answer.status == 204
        assert version >= 5 or answer.interim == []


@pytest.mark.parametrize("version", [None, 2, 10])
def test_no_progress_to_whoever_names_no_version_that_is_known(
    running: Service, version: int | None
) -> None:
    # Draft Version Identification
    with Connection(running.port) as client, Connection(running.port) as asking:
        client.send(creation(running, 0, complete=False))
        path = supported(client)
        assert client.read_answer("PUT").status == 201
        client.send(appending(running, path, 0, len(DATA), version) + DATA[:SENT])
        until(lambda: _durable(asking, running, path) > 0, "some of it is durable")
        client.send(DATA[SENT:])
        answer = client.read_answer("PATCH")
        assert (answer.status, answer.interim) == (204, [])


@pytest.mark.parametrize("version", [None, "2", "10", "x"])
@pytest.mark.parametrize("complete", [False, True])
def test_no_104_to_whoever_names_no_version_that_is_known(
    running: Service, version: str | None, complete: bool
) -> None:
    # Draft Version Identification
    with Connection(running.port) as client:
        client.send(creation(running, 5, version=version, complete=complete) + b"hello")
        answer = client.read_answer("PUT")
        assert (answer.status, answer.interim) == (204 if complete else 201, [])
        assert answer.header("upload-draft-interop-version") is None


def test_no_104_over_http_1_0(running: Service) -> None:
    with Connection(running.port) as client:
        request = creation(running, 5).replace(b"HTTP/1.1", b"HTTP/1.0", 1)
        client.send(request + b"hello")
        answer = client.read_answer("PUT")
        assert (answer.status, answer.interim) == (204, [])
        assert client.end() is End.CLOSED


def test_no_104_where_they_are_switched_off(tmp_path: Path, log: Path) -> None:
    settings = {"INTERIM_RESPONSES": "false"}
    backend = LocalBackend(tmp_path / "data")
    with service(backend, log, settings=settings) as running, Connection(running.port) as client:
        for version in VERSIONS:
            client.send(creation(running, 5, version=version) + b"hello")
            answer = client.read_answer("PUT")
            assert (answer.status, answer.interim, answer.header("location")) == (204, [], None)
            client.send(creation(running, 5, version=version, complete=False) + b"hello")
            answer = client.read_answer("PUT")
            assert (answer.status, answer.interim) == (201, [])
        client.send(head("GET", "/api/files", running.token))
        assert client.read_answer().body == b'["optimistic"]'


def test_an_upload_whose_client_is_gone_goes_on_in_another_worker(running: Service) -> None:
    one, other = running.workers()
    with connected(running, other) as asking:
        with connected(running, one) as client:
            client.send(creation(running, len(DATA), name="gone"))
            path = supported(client)
            client.send(DATA[:SENT])
        until(
            lambda: _durable(asking, running, path) > SENT - READ_AHEAD,
            "what was sent before the cut counts",
        )
        _go_on(asking, running, "gone", path)


@pytest.mark.smoke
def test_an_upload_that_was_reset_goes_on_in_another_worker(running: Service) -> None:
    one, other = running.workers()
    with connected(running, other) as asking:
        with connected(running, one) as client:
            client.send(creation(running, len(DATA), name="reset"))
            path = supported(client)
            client.send(DATA[:SENT])
            until(lambda: _durable(asking, running, path) > 0, "some of it is durable")
            client.reset()
        _go_on(asking, running, "reset", path)


def _go_on(client: Connection, running: Service, name: str, path: str) -> None:
    offset = look(client, IETF, running.token, path)
    assert 0 < offset <= SENT
    assert fetch(running, name, client) is None
    answer = _finish(client, running, path, offset)
    assert answer.header("upload-complete") == "?1"
    assert answer.header("etag") is not None
    assert fetch(running, name, client) == DATA


def _finish(client: Connection, running: Service, path: str, offset: int) -> Answer:
    answer = append(client, IETF, running.token, path, offset, DATA[offset:], last=True)
    assert (answer.status, offset_of(answer)) == (204, len(DATA))
    return answer


def _durable(client: Connection, running: Service, path: str) -> int:
    """What is durable of an upload, asked without disturbing it."""
    [found] = [each for each in listed(client, running.token) if path.endswith(each["id"])]
    return int(found["offset"])
