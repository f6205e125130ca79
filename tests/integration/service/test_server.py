"""What the server in front of the application does with requests, seen from a bare socket.

All of it runs with either of gunicorn's two parsers: which one serves depends on whether its C
parser could be built where the service was installed.
"""

from __future__ import annotations

import json
import re
import threading
import uuid
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

import pytest

from tests.support import raw
from tests.support.bodies import content
from tests.support.connections import open_blobs, open_connections
from tests.support.links import made
from tests.support.parsers import PARSERS, settings_for
from tests.support.raw import Connection, End
from tests.support.service import Service
from tests.support.services import Lend
from tests.support.waiting import until

LARGE = 512 * 1024


@pytest.fixture(params=PARSERS)
def server(request: pytest.FixtureRequest, shared_service: Lend) -> Service:
    """With one worker, which reads what came before a question before it answers that."""
    return shared_service("local", settings_for(request.param), workers=1)


def _put_head(*fields: str, name: str = "refused") -> bytes:
    token = f"X-Auth-Token: {uuid.uuid4()}"
    lines = [f"PUT /api/files/{name} HTTP/1.1", "Host: localhost", token, *fields]
    return "\r\n".join(lines).encode() + b"\r\n\r\n"


def _get_head(*fields: str) -> bytes:
    return "\r\n".join(["GET /health HTTP/1.1", *fields]).encode() + b"\r\n\r\n"


HOST = "Host: localhost"
CODING = "Transfer-Encoding"
CHUNKED = f"{CODING}: chunked"
REFUSED = {
    "no request line": (b"nonsense\r\n\r\n", 400),
    "a request line without version": (b"GET /health\r\nHost: localhost\r\n\r\n", 400),
    "an unknown version": (b"GET /health HTTP/9.9\r\nHost: localhost\r\n\r\n", 400),
    "a space in the target": (b"GET /a b HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
    "a header without colon": (_get_head(HOST, "Nonsense"), 400),
    "a space before the colon": (_get_head(HOST, "X-Auth-Token : x"), 400),
    "a NUL in a header": (_get_head(HOST, "X-Note: a\0b"), 400),
    "a target that is too long": (b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\n\r\n", 414),
    "a header that is too large": (_get_head(HOST, "X-Note: " + "a" * 9000), 431),
    "a header that never ends": (b"GET /health HTTP/1.1\r\nX-Note: " + b"a" * LARGE, 431),
    "too many headers": (_get_head(HOST, *[f"X-Note-{i}: a" for i in range(101)]), 431),
    "a length and chunks": (_put_head("Content-Length: 5", CHUNKED) + b"0\r\n\r\n", 400),
    "two lengths": (_put_head("Content-Length: 5", "Content-Length: 6") + b"12345", 400),
    "a list of lengths": (_put_head("Content-Length: 5, 6") + b"12345", 400),
    "a negative length": (_put_head("Content-Length: -5"), 400),
    "a length with a sign": (_put_head("Content-Length: +5") + b"12345", 400),
    "a length that is no number": (_put_head("Content-Length: five") + b"12345", 400),
    "a chunk size that is no number": (_put_head(CHUNKED) + b"zz\r\n12345\r\n0\r\n\r\n", 400),
    "a negative chunk size": (_put_head(CHUNKED) + b"-5\r\n12345\r\n0\r\n\r\n", 400),
    "a later bad chunk size": (_put_head(CHUNKED) + raw.chunk(b"12345") + b"0x5\r\n12345\r\n", 400),
    "a chunk longer than its size": (_put_head(CHUNKED) + b"5\r\n1234567\r\n0\r\n\r\n", 400),
    "a bad chunk before a large rest": (_put_head(CHUNKED) + b"zz\r\n" + b"a" * LARGE, 400),
    "a chunk size that never ends": (_put_head(CHUNKED) + b"0" * LARGE, 400),
    "a chunk extension that never ends": (_put_head(CHUNKED) + b"5;" + b"a" * LARGE, 400),
    "a trailer that never ends": (_put_head(CHUNKED) + b"0\r\nX-Note: " + b"a" * LARGE, 400),
    "trailers without end": (_put_head(CHUNKED) + b"0\r\n" + b"X-Note: a\r\n" * 50_000, 400),
    "an unknown transfer coding": (_put_head("Transfer-Encoding: nonsense") + b"0\r\n\r\n", 400),
    "a coding before chunked": (_put_head("Transfer-Encoding: gzip, chunked") + b"0\r\n\r\n", 501),
    "chunked that is not the last": (_put_head("Transfer-Encoding: chunked, gzip"), 400),
    "no Host": (_get_head(), 400),
    "two Hosts": (_get_head(HOST, HOST), 400),
    "a Host that is none": (_get_head("Host: a/b"), 400),
    "an empty method": (b" /health HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
}


COMMON = {
    *("content-type", "content-length", "cache-control", "x-content-type-options"),
    *("x-request-id", "server", "date"),
}
"""What every answer with a problem has, whoever gives it (RFC 9110, 6.6.1)."""


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_no_valid_request_gets_a_problem_and_the_connection_ends(
    server: Service, case: str
) -> None:
    request, status = REFUSED[case]
    with Connection(server.port) as client:
        client.send(request)
        answer = client.read_answer()
        # RFC 9112, 6.1 wants 501 for a coding, which the C parser does not tell from bad syntax.
        # The Python parser takes a trailer for a header.
        other = {"coding": 501, "trailer": 431}
        assert answer.status in (status, *(other[word] for word in other if word in case))
        assert answer.problem["detail"]
        assert answer.problem["request-id"] == answer.header("x-request-id")
        names = [name for name, _ in answer.headers]
        assert sorted({*names} & COMMON) == sorted(COMMON)
        assert len(names) == len({*names})
        age = datetime.now(UTC) - parsedate_to_datetime(answer.header("date") or "")
        assert timedelta(seconds=-2) < age < timedelta(seconds=20)
        if "Host" not in case:
            assert answer.closes
            assert client.end() is End.CLOSED


@pytest.mark.parametrize("case", [case for case in REFUSED if REFUSED[case][0][:3] == b"PUT"])
def test_what_is_refused_is_not_stored(server: Service, case: str) -> None:
    request, _ = REFUSED[case]
    match = re.search(rb"X-Auth-Token: (\S+)", request)
    assert match is not None
    with Connection(server.port) as client:
        client.send(request)
        client.read_answer()
    with Connection(server.port) as client:
        client.send(raw.head("GET", "/api/files/refused", match[1].decode()))
        assert client.read_answer().status == 404


def test_one_connection_serves_request_after_request(server: Service) -> None:
    token, path = server.token, "/api/files/kept-alive"
    body = b"b" * LARGE
    conversation = [
        ("PUT", raw.head("PUT", path, token, {"Content-Length": str(LARGE)}) + body, 204),
        ("GET", raw.head("GET", path, token), 200),
        ("PUT", raw.head("PUT", path, token, {"Transfer-Encoding": "chunked"}), None),
        ("HEAD", raw.head("HEAD", path, token), 200),
        ("GET", raw.head("GET", path, token, {"Range": "bytes=1-2"}), 206),
        ("GET", raw.head("GET", path, token, {"Range": "bytes=9-"}), 416),
        ("GET", raw.head("GET", path, token, {"If-None-Match": "*"}), 304),
        ("GET", raw.head("GET", path, token, {"If-Match": '"other"'}), 412),
        ("GET", raw.head("GET", "/api/files/%FF", token), 400),
        ("GET", raw.head("GET", "/api/files/nothing", token), 404),
        ("GET", raw.head("GET", path), 401),
        ("POST", raw.head("POST", "/api/files", token), 405),
        ("GET", raw.head("GET", "/api/files", token, {"Accept": "image/png"}), 406),
        ("GET", raw.head("GET", "/api/files", token), 200),
        ("DELETE", raw.head("DELETE", path, token), 204),
        ("GET", raw.head("GET", path, token), 404),
    ]
    with Connection(server.port) as client:
        for method, request, expected in conversation:
            client.send(request)
            if expected is None:
                client.send(raw.chunk(b"short") + raw.chunk(b""))
            answer = client.read_answer(method)
            assert answer.status == (expected or 204), request
            assert not answer.closes, request
            assert answer.reason not in ("", "Unknown"), answer


def test_names_of_headers_with_an_underscore_are_names_of_their_own(server: Service) -> None:
    """gunicorn drops them by itself, and with them what a client wants to be kept."""
    kept = {"X-Object-Meta-a_b": "1", "X-Object-Meta-a-b": "2", "Content-Length": "0"}
    path = "/api/files/underscores"
    with Connection(server.port) as client:
        client.send(raw.head("PUT", path, server.token, kept))
        assert client.read_answer("PUT").status == 204
        client.send(raw.head("HEAD", path, server.token))
        answer = client.read_answer("HEAD")
        assert answer.header("x-object-meta-a_b") == "1"
        assert answer.header("x-object-meta-a-b") == "2"
        client.send(raw.head("GET", path, None, {"X_Auth_Token": server.token}))
        assert client.read_answer().status == 401


@pytest.mark.parametrize("digits", [4301, 8000])
def test_a_length_of_too_many_digits_is_a_bad_request(server: Service, digits: int) -> None:
    """Also for Python, which reads no more than 4,300."""
    head = raw.head("PUT", "/api/files/x", server.token, {"Content-Length": "9" * digits})
    with Connection(server.port) as client:
        client.send(head)
        answer = client.read_answer("PUT")
        assert answer.status == 400
        assert answer.closes


def test_pipelined_requests_are_answered_in_their_order(server: Service) -> None:
    token, path = server.token, "/api/files/pipelined"
    requests = [
        ("PUT", raw.head("PUT", path, token, {"Content-Length": "5"}) + b"first", 204),
        ("GET", raw.head("GET", path, token), 200),
        (
            "PUT",
            raw.head("PUT", path, token, {"Transfer-Encoding": "chunked"})
            + raw.chunk(b"second")
            + raw.chunk(b""),
            204,
        ),
        ("GET", raw.head("GET", path, token), 200),
        ("DELETE", raw.head("DELETE", path, token), 204),
        ("GET", raw.head("GET", path, token), 404),
    ]
    with Connection(server.port) as client:
        client.send(b"".join(request for _, request, _ in requests))
        answers = [client.read_answer(method) for method, _, _ in requests]
    assert [answer.status for answer in answers] == [status for _, _, status in requests]
    assert (answers[1].body, answers[3].body) == (b"first", b"second")


def test_a_connection_takes_any_number_of_heads(server: Service) -> None:
    head = raw.head("GET", "/health", headers={"X-Note": "a" * 4000})
    with Connection(server.port) as client:
        for _ in range(50):
            client.send(head)
            assert client.read_answer().status == 200
        client.send_slowly([head[:-1]], 0.1)  # Only what is begun is too long.
        client.send(head[-1:])
        assert client.read_answer().status == 200


def test_garbage_behind_a_request_does_not_spoil_its_answer(server: Service) -> None:
    with Connection(server.port) as client:
        client.send(raw.head("GET", "/health") + b"nonsense\r\n\r\n")
        assert client.read_answer().status == 200
        assert client.read_answer().problem["status"] == 400
        assert client.end() is End.CLOSED


def test_a_bad_chunk_does_not_break_into_an_answer_that_has_begun(server: Service) -> None:
    """The refusal of the token goes out while the body is still on its way."""
    refused = raw.head("PUT", "/api/files/x", None, {"Transfer-Encoding": "chunked"})
    with Connection(server.port) as client:
        client.send(refused + raw.chunk(b"begin"))
        assert client.read_answer().status == 401
        client.send(b"zz\r\nnonsense\r\n")
        with pytest.raises(raw.BrokenAnswerError, match="closed after b''"):
            client.read_answer()


def test_connection_close_is_honoured(server: Service) -> None:
    with Connection(server.port) as client:
        client.send(raw.head("GET", "/health", None, {"Connection": "close"}))
        answer = client.read_answer()
        assert (answer.status, answer.closes) == (200, True)
        assert client.end() is End.CLOSED


@pytest.mark.parametrize("fields", [[], ["Connection: keep-alive"]], ids=["plain", "keep-alive"])
@pytest.mark.parametrize("path", ["/health", "/api/files"])
def test_http_1_0_gets_an_answer_that_ends_with_the_connection(
    server: Service, path: str, fields: list[str]
) -> None:
    lines = [f"GET {path} HTTP/1.0", f"X-Auth-Token: {server.token}", *fields]
    with Connection(server.port) as client:
        client.send("\r\n".join(lines).encode() + b"\r\n\r\n")
        answer = client.read_answer()
        assert answer.status == 200
        assert answer.header("transfer-encoding") is None
        assert client.end() is End.CLOSED


def test_a_client_that_has_said_all_still_gets_its_answer(server: Service) -> None:
    """As ``nc -N`` does: FIN behind a request that is complete."""
    body = b"b" * LARGE
    put = raw.head("PUT", "/api/files/half", server.token, {"Content-Length": str(LARGE)})
    for method, request, status in (
        ("PUT", put + body, 204),
        ("GET", raw.head("GET", "/api/files/half", server.token), 200),
    ):
        with Connection(server.port) as client:
            client.send(request)
            client.half_close()
            answer = client.read_answer(method)
            assert answer.status == status
            assert client.end() is End.CLOSED
    assert answer.body == body


def test_nothing_but_a_fin_ends_the_connection(server: Service) -> None:
    for begun in (b"", b"GET /hea", raw.head("GET", "/health")):
        with Connection(server.port) as client:
            client.send(begun)
            if begun.endswith(b"\r\n\r\n"):
                client.read_answer()
            client.half_close()
            assert client.end(5) is End.CLOSED


@pytest.mark.parametrize("framing", ["announced", "chunked"])
def test_large_bodies_in_a_row_are_all_taken(server: Service, framing: str) -> None:
    """Sent without waiting for answers: no read takes more of the next request than is kept."""
    bodies = [content(size * LARGE // 4 + size, size) for size in (1, 9, 2, 30, 1, 1, 5)]
    requests = []
    for number, body in enumerate(bodies):
        if framing == "chunked":
            head = raw.head("PUT", f"/api/files/{number}", server.token, {CODING: "chunked"})
            pieces = [body[at : at + 100_000] for at in range(0, len(body), 100_000)]
            requests.append(head + b"".join(map(raw.chunk, pieces)) + raw.chunk(b""))
        else:
            length = {"Content-Length": str(len(body))}
            requests.append(raw.head("PUT", f"/api/files/{number}", server.token, length) + body)
    with Connection(server.port) as client:
        sending = threading.Thread(target=client.send, args=[b"".join(requests)])
        sending.start()
        for _ in bodies:
            assert client.read_answer("PUT").status == 204
        sending.join()
        for number, body in enumerate(bodies):
            client.send(raw.head("GET", f"/api/files/{number}", server.token))
            assert client.read_answer().body == body


WEBSOCKET = {
    "Upgrade": "WebSocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
}
UPGRADES = {
    "a websocket": {"Connection": "Upgrade", **WEBSOCKET},
    "a websocket, besides": {"Connection": "keep-alive, UPgrade", **WEBSOCKET},
    "a websocket without key": {"Connection": "Upgrade", "Upgrade": "websocket"},
    "a websocket of another version": {
        "Connection": "Upgrade",
        **WEBSOCKET,
        "Sec-WebSocket-Version": "8",
    },
    "HTTP/2": {
        "Connection": "Upgrade, HTTP2-Settings",
        "Upgrade": "h2c",
        "HTTP2-Settings": "AAMAAABkAAQCAAAAAAIAAAAA",
    },
    "several": {"Connection": "Upgrade", "Upgrade": "h2c, websocket, TLS/1.0"},
}


@pytest.mark.parametrize("upgrade", UPGRADES)
def test_a_wish_for_another_protocol_changes_nothing(server: Service, upgrade: str) -> None:
    """RFC 9110, 7.8: each request is answered, logged and followed by others as without it."""
    fields, path, body = UPGRADES[upgrade], f"/api/files/{len(upgrade)}", b"\x82\x84data" * 20_000
    length = {"Content-Length": str(len(body))}
    requests = [
        ("GET", "/health", {}, b"", 200),
        ("PUT", path, length, body, 204),
        ("GET", path, {}, b"", 200),
        ("PUT", path, {CODING: "chunked"}, raw.chunk(b"short") + raw.chunk(b""), 204),
        ("HEAD", path, {}, b"", 200),
        ("POST", "/api/files", {}, b"", 405),
        ("GET", "/nowhere", {}, b"", 404),
        ("GET", path, length, body, 200),
    ]
    with Connection(server.port) as client:
        for number, (method, target, more, sent, status) in enumerate(requests):
            given = f"{len(upgrade)}-{number}"
            here = {**more, **fields, "X-Request-ID": given}
            client.send(raw.head(method, target, server.token, here) + sent)
            answer = client.read_answer(method)
            assert (answer.status, 100 in answer.interim) == (status, False), answer
            assert answer.header("x-request-id") == given
    until(
        lambda: all(
            f"request={len(upgrade)}-{number}" in server.said() for number in range(len(requests))
        ),
        "they are in the log",
    )
    with Connection(server.port) as client:
        client.send(b"".join(raw.head("GET", "/health", None, fields) for _ in range(3)))
        assert [client.read_answer().status for _ in range(3)] == [200] * 3


@pytest.mark.parametrize("pieces", [1, 3], ids=["at once", "in pieces"])
@pytest.mark.parametrize(
    "request_line", ["HEAD /%s HTTP/1.1", "\r\nHEAD /%s HTTP/1.1", "HEAD / HTTP/1.1\r\nX: %s"]
)
def test_a_head_that_the_server_refuses_has_no_body_either(
    server: Service, request_line: str, pieces: int
) -> None:
    request = (request_line % ("a" * 9000)).encode() + b"\r\nHost: h\r\n\r\n"
    with Connection(server.port) as client:
        if pieces > 1:
            client.send_slowly([request[:3], request[3:6]], 0.05)
            request = request[6:]
        client.send(request)
        answer = client.read_answer("HEAD")
        assert answer.status in (414, 431)
        assert int(answer.header("content-length") or 0) > 0
        assert client.read_rest() == b""


def test_a_head_with_a_coding_that_the_server_refuses_has_no_body(server: Service) -> None:
    """And its answer the id that it came with, as one whose head was read."""
    fields = {CODING: "gzip, chunked", "X-Request-ID": "given"}
    with Connection(server.port) as client:
        client.send(raw.head("HEAD", "/health", None, fields))
        answer = client.read_answer("HEAD")
        assert answer.status in (400, 501)
        if answer.status == 501:
            assert answer.header("x-request-id") == "given"
        assert client.read_rest() == b""


HUGE = 200_000_000_000_000
TUS = {"Tus-Resumable": "1.0.0"}
APPENDED = {**TUS, "Upload-Offset": "0", "Content-Type": "application/offset+octet-stream"}
CREATED = {**TUS, "Upload-Metadata": "filename YQ=="}
IETF = {"Upload-Draft-Interop-Version": "8", "Upload-Complete": "?1"}
MOST = 3 * 1024 * 1024
BEGUN = content(MOST, "begun")
CONTENT_LENGTH = {"Content-Length": str(2 * MOST)}
CUTS = {
    "within the length": (CONTENT_LENGTH, b"hello", 5),
    "after much of the length": (CONTENT_LENGTH, BEGUN, MOST),
    "within a chunk": ({CODING: "chunked"}, raw.chunk(b"hello") + b"5\r\nab", 7),
    "within a chunk's size": ({CODING: "chunked"}, raw.chunk(b"hello") + b"5", 5),
    "behind a chunk": ({CODING: "chunked"}, raw.chunk(b"hello"), 5),
    "behind many chunks": ({CODING: "chunked"}, b"".join([raw.chunk(b"hello")] * 1000), 5000),
}
ENDS = {
    "closed": Connection.close,
    "half-closed": Connection.half_close,
    "reset": Connection.reset,
}


def _offset_at(server: Service, location: str) -> int:
    with Connection(server.port) as client:
        client.send(raw.head("HEAD", location, server.token, TUS))
        return int(client.read_answer("HEAD").header("upload-offset") or -1)


def _unfinished(server: Service, token: str) -> list[int]:
    with Connection(server.port) as client:
        client.send(raw.head("GET", "/api/uploads", token))
        return [upload["offset"] for upload in json.loads(client.read_answer().body)]


def _cut(server: Service, end: str, request: bytes) -> Connection:
    """Send all of it in one write, if it fits in one, and the end of the connection with it."""
    client = Connection(server.port)
    client.send(request)
    ENDS[end](client)
    return client


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("cut", CUTS)
def test_bytes_that_come_with_the_end_of_a_connection_are_kept(
    server: Service, cut: str, end: str
) -> None:
    """Whoever asks at once learns of all of them."""
    framing, sent, kept = CUTS[cut]
    for _ in range(1 if len(sent) == MOST else 3):
        with Connection(server.port) as client:
            length = {"Upload-Length": str(2 * MOST), "Content-Length": "0"}
            client.send(raw.head("POST", "/api/uploads", server.token, {**CREATED, **length}))
            location = client.read_answer("POST").header("location") or ""
        path = location.removeprefix("http://localhost")
        head = raw.head("PATCH", path, server.token, {**APPENDED, **framing})
        with _cut(server, end, head + sent):
            offset = _offset_at(server, path)
        # A reset throws away what its sender's kernel has not sent.
        assert offset == kept or (end == "reset" and len(sent) == MOST and offset > 0)


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("begin", ["tus", "IETF"])
def test_bytes_that_come_with_the_beginning_and_the_end_are_kept(
    server: Service, begin: str, end: str
) -> None:
    for cut, (framing, sent, kept) in CUTS.items():
        token = str(uuid.uuid4())
        if begin == "tus":
            said = {"Upload-Length": str(2 * MOST), "Content-Type": APPENDED["Content-Type"]}
            head = raw.head("POST", "/api/uploads", token, {**CREATED, **said, **framing})
        else:
            head = raw.head("PUT", "/api/files/a", token, {**IETF, **framing})
        # A kernel throws away what it has not sent yet when it resets: also where a socket that
        # was closed is told something, as in a 104.
        resets = end == "reset" or (begin == "IETF" and end == "closed")
        least = 1 if resets and len(sent) == MOST else kept
        with _cut(server, end, head + sent):
            until(
                lambda: _unfinished(server, token)[:1] >= [least],  # noqa: B023
                f"{cut}: all is there",
            )


@pytest.mark.parametrize("end", ENDS)
def test_of_a_put_that_comes_with_the_end_nothing_is_kept(server: Service, end: str) -> None:
    for number, (framing, sent, _) in enumerate(CUTS.values()):
        path = f"/api/files/cut-{end}-{number}"
        _cut(server, end, raw.head("PUT", path, server.token, framing) + sent).close()
        with Connection(server.port) as client:
            client.send(raw.head("GET", path, server.token))
            assert client.read_answer().status == 404
    until(lambda: not open_blobs(server), "nothing is open any more")


def test_connections_that_end_with_their_requests_leave_nothing(server: Service) -> None:
    """None stays open, also not of those whose request is never asked for its body."""
    unread = raw.head("GET", "/health", None, {"Content-Length": "9"}) + b"hello"
    refused = raw.head("PUT", "/api/files/a", None, {"Content-Length": "9"}) + b"hello"
    for _ in range(5):
        for end in ENDS:
            for request in (unread, refused, unread + b"more", refused + b"more"):
                _cut(server, end, request).close()
    until(lambda: open_connections(server) == 0, "all are closed")


SAID = {"Content-Length": str(HUGE)}
DEFERRED = {"Upload-Defer-Length": "1", **CREATED, "Content-Type": APPENDED["Content-Type"]}
LARGE_UPLOAD = {"Upload-Length": str(HUGE), **CREATED}
PARTIAL = {**IETF, "Upload-Complete": "?0"}
FORESEEN = {
    "a body": ("PUT", "/api/files/a", SAID, 507),
    "an upload": ("POST", "/api/uploads", {**LARGE_UPLOAD, "Content-Length": "0"}, 507),
    "an upload with its first bytes": (
        "POST",
        "/api/uploads",
        {**LARGE_UPLOAD, "Content-Type": APPENDED["Content-Type"]},
        507,
    ),
    "first bytes": ("POST", "/api/uploads", {**DEFERRED, **SAID}, 507),
    "bytes": ("PATCH", "{upload}", {**APPENDED, **SAID}, 507),
    "a length that is said late": (
        "PATCH",
        "{upload}",
        {**APPENDED, "Upload-Length": str(HUGE)},
        507,
    ),
    "an upload of the IETF's": ("PUT", "/api/files/a", {**IETF, **SAID}, 507),
    "a length of the IETF's": (
        "PUT",
        "/api/files/a",
        {**PARTIAL, "Upload-Length": str(HUGE)},
        507,
    ),
    "first bytes of the IETF's": ("PUT", "/api/files/a", {**PARTIAL, **SAID}, 507),
    "bytes of the IETF's": (
        "PATCH",
        "{upload}",
        {**PARTIAL, **SAID, "Upload-Offset": "0", "Content-Type": "application/partial-upload"},
        507,
    ),
    "what a link does not admit": ("PUT", "{link}", {"Content-Length": "11"}, 413),
    "a digest": ("PUT", "/api/files/a", {"Repr-Digest": "sha-3=:eA==:"}, 400),
    "a condition": ("PUT", "/api/files/a", {"If-Match": '"other"'}, 412),
    "metadata": ("PUT", "/api/files/a", {"X-Object-Meta-A": "a" * 4000}, 400),
    "a token": ("PUT", "/api/files/a", {"X-Auth-Token": "none"}, 401),
    "a method": ("POST", "/api/files/a", {}, 405),
    "a type": ("PATCH", "{upload}", {**APPENDED, "Content-Type": "text/plain"}, 415),
    "an offset": ("PATCH", "{upload}", {**APPENDED, "Upload-Offset": "3"}, 409),
}


@pytest.mark.parametrize("case", FORESEEN)
def test_nobody_is_asked_for_a_body_that_is_known_to_be_refused(server: Service, case: str) -> None:
    """RFC 9110, 10.1.1: the final answer comes instead of ``100``."""
    method, path, said, status = FORESEEN[case]
    with Connection(server.port) as client:
        begin = {**CREATED, "Upload-Defer-Length": "1", "Content-Length": "0"}
        client.send(raw.head("POST", "/api/uploads", server.token, begin))
        upload = client.read_answer("POST").header("location") or ""
    link = made(server, "a-link", "PUT", max_size=10)
    path = path.replace("{upload}", upload).replace("{link}", link)
    fields = {"Content-Length": "5", **said, "Expect": "100-continue"}
    with Connection(server.port, patience=3) as client:
        client.send(raw.head(method, path.removeprefix("http://localhost"), server.token, fields))
        answer = client.read_answer(method)
    assert (answer.status, 100 in answer.interim) == (status, False)
    assert answer.header("content-type") == "application/problem+json"
