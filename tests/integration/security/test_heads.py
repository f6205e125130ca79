"""Request heads of any size: each limit to the byte, and memory that does not follow them."""

from __future__ import annotations

import contextlib

import pytest

from tests.support.raw import Connection, End
from tests.support.rounds import rounds
from tests.support.service import Service
from tests.support.services import Lend

MIB = 2**20
LINE = 8190
"""Bytes of a request line without its end, and of a header with it."""

FIELDS = 100
HEAD = 128 * 1024
"""Bytes of a head that has not ended after which no more of it is read."""

READ = 64 * 1024
"""Bytes that one read may bring beyond that."""


@pytest.fixture
def running(shared_service: Lend) -> Service:
    return shared_service("local")


def _line(size: int) -> bytes:
    """A request line of so many bytes, without its end; the longest of them is of a list."""
    return b"GET /api/files?prefix=" + b"p" * (size - 31) + b" HTTP/1.1"


def _field(size: int, name: bytes = b"X-Note") -> bytes:
    """A header of so many bytes, with its end."""
    return name + b": " + b"v" * (size - len(name) - 4)


def _head(line: bytes, *fields: bytes) -> bytes:
    return b"\r\n".join([line, *fields]) + b"\r\n\r\n"


def _answered(running: Service, head: bytes) -> int:
    """The status; what is refused ends its connection, and everybody else is served as ever."""
    with Connection(running.port) as client:
        with contextlib.suppress(OSError):  # the server may have had enough
            client.send(head)
        answer = client.read_answer()
        if answer.status in (414, 431):
            assert answer.problem["status"] == answer.status
            assert answer.closes
            assert client.end() is End.CLOSED
        else:
            client.send(_head(b"GET /health HTTP/1.1", b"Host: h"))
            assert client.read_answer().status == 200
    return answer.status


@pytest.mark.parametrize(("size", "status"), [(LINE - 1, 200), (LINE, 200), (LINE + 1, 414)])
def test_the_request_line(running: Service, size: int, status: int) -> None:
    token = f"X-Auth-Token: {running.token}".encode()
    # A prefix longer than any name leads to nothing, and is no error.
    assert len(_line(size)) == size
    assert _answered(running, _head(_line(size), b"Host: h", token)) == status


@pytest.mark.parametrize(("size", "status"), [(LINE - 1, 200), (LINE, 200), (LINE + 1, 431)])
def test_one_header(running: Service, size: int, status: int) -> None:
    assert len(_field(size)) + 2 == size
    assert _answered(running, _head(b"GET /health HTTP/1.1", b"Host: h", _field(size))) == status


@pytest.mark.parametrize(("size", "status"), [(LINE, 200), (LINE + 1, 431)])
def test_a_long_name_of_a_header(running: Service, size: int, status: int) -> None:
    field = b"x" * (size - 4) + b": "
    assert _answered(running, _head(b"GET /health HTTP/1.1", b"Host: h", field)) == status


@pytest.mark.parametrize(("count", "status"), [(FIELDS - 1, 200), (FIELDS, 200), (FIELDS + 1, 431)])
@pytest.mark.parametrize("same", [True, False])
def test_many_headers(running: Service, count: int, status: int, same: bool) -> None:
    fields = [b"X: y" if same else b"X-%d: y" % number for number in range(count - 1)]
    assert _answered(running, _head(b"GET /health HTTP/1.1", b"Host: h", *fields)) == status


def _of_size(size: int) -> bytes:
    """A head of so many bytes in all, of headers that are each within their limit."""
    begin = _head(b"GET /health HTTP/1.1", b"Host: h")[:-2]
    left, fields = size - len(begin) - 2, []
    while left:
        length = min(LINE, left) if left - LINE > 20 or left <= LINE else left - 20
        fields.append(_field(length))
        left -= length
    return begin + b"".join(field + b"\r\n" for field in fields) + b"\r\n"


def test_all_of_a_head(running: Service) -> None:
    """The limit is on what was read before the end came into sight: it is met between two reads."""
    for size in (1000, HEAD // 2, HEAD - READ):
        assert len(_of_size(size)) == size
        assert _answered(running, _of_size(size)) == 200
    for size in (HEAD + READ + 1, 2 * HEAD, 98 * LINE):
        assert _answered(running, _of_size(size)) == 431


def test_headers_that_the_service_reads_are_no_more_than_others(running: Service) -> None:
    """Those that are lists are joined; all of it is parsed, or refused, and never fails."""
    token = f"X-Auth-Token: {running.token}".encode()
    names = (
        *(b"If-Match", b"If-None-Match", b"Accept", b"Upload-Metadata", b"Content-Digest"),
        *(b"Repr-Digest", b"Want-Repr-Digest", b"X-HTTP-Method-Override", b"Tus-Resumable"),
        *(b"Upload-Complete", b"Upload-Draft-Interop-Version", b"Accept-Encoding", b"Origin"),
    )
    for name in names:
        for target in (b"PUT /api/files/a", b"GET /api/files", b"POST /api/uploads", b"GET /"):
            head = _head(
                target + b" HTTP/1.1", b"Host: h", token, *[_field(LINE, name)] * (HEAD // LINE - 1)
            )
            with Connection(running.port) as client:
                client.send(head)
                assert client.read_answer(target.split()[0].decode()).status < 500, (name, target)


@pytest.mark.alone
def test_memory_does_not_follow_them(running: Service) -> None:
    """Many clients that each send as much of a head as they may, and do not end it."""
    clients = rounds(100, 1000)
    started = running.pss()
    with contextlib.ExitStack() as open_ones, running.peak_memory() as peak:
        for _ in range(clients):
            client = open_ones.enter_context(Connection(running.port))
            client.send(_of_size(HEAD - READ)[:-2])
        with Connection(running.port) as another:
            another.send(_head(b"GET /health HTTP/1.1", b"Host: h"))
            assert another.read_answer().status == 200
    each = (peak.bytes - started) / clients
    print(f"{each / 1024:.0f} KiB each")
    # The text itself as bytes, and the objects that it is cut into.
    assert each < 6 * (HEAD - READ)


def test_a_head_without_end_is_refused_while_it_comes(running: Service) -> None:
    """However it is cut, and of whatever it is made."""
    endless = [
        (b"GET /" + b"a" * 4 * MIB, 414),
        (b"GET / HTTP/1.1\r\nX: " + b"a" * 4 * MIB, 431),
        (b"GET / HTTP/1.1\r\n" + b"X-Note: a\r\n" * 100_000, 431),
        (b"GET / HTTP/1.1\r\n" + b"a" * 4 * MIB, 431),
        (b"G" * 4 * MIB, 414),
        (b"\r\n" * MIB, 400),
    ]
    for sent, status in endless:
        with Connection(running.port) as client:
            with contextlib.suppress(OSError):
                client.send(sent)
            assert client.read_answer().status == status, sent[:40]
