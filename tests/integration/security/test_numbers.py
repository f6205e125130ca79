"""Numbers and documents that are made to break whoever reads them: each is answered."""

from __future__ import annotations

import gzip
import json

import pytest

from tests.support import raw
from tests.support.raw import Answer, Connection
from tests.support.service import Service
from tests.support.services import Lend

LARGE = b"x" * 100_000
DIGITS = (19, 20, 100, 4000, 4299, 4300, 4301, 8000)
NOT_ASCII = ["\u0663", "\uff13", "\u00b2", "1\u0663", "\U0001d7d9"]
NO_NUMBERS = [
    "",
    "-1",
    "+1",
    "1_0",
    "1.0",
    "1e3",
    "0x10",
    "1 ",
    "\t1",
    "1,1",
    "NaN",
    "Infinity",
    "--1",
]


@pytest.fixture
def running(shared_service: Lend) -> Service:
    return shared_service("local")


def _said(
    running: Service, method: str, path: str, fields: dict[str, str], body: bytes = b""
) -> Answer:
    with Connection(running.port) as client:
        client.send(raw.head(method, path, running.token, fields) + body)
        return client.read_answer(method)


@pytest.mark.parametrize("digits", DIGITS)
@pytest.mark.parametrize("digit", ["9", "0"])
@pytest.mark.parametrize("path", ["/api/files/a", "/health"])
def test_a_length_of_any_number_of_digits(
    running: Service, path: str, digit: str, digits: int
) -> None:
    method = "GET" if path == "/health" else "PUT"
    # Enough of it to be more than the index keeps: only then is its length looked at.
    begun = LARGE if (method, digit) == ("PUT", "9") else b""
    answer = _said(running, method, path, {"Content-Length": digit * digits}, begun)
    # The parser in C takes no number beyond 64 bits, the one in Python none beyond 4,300 digits.
    assert answer.status in (400, 200 if method == "GET" else 507 if begun else 204)


@pytest.mark.parametrize("digits", DIGITS)
def test_a_chunk_of_any_size(running: Service, digits: int) -> None:
    """No such chunk ends, so its client is only waited for, and does not wait for ever."""
    head = raw.head("PUT", "/api/files/a", running.token, {"Transfer-Encoding": "chunked"})
    with Connection(running.port) as client:
        client.send(head + b"f" * digits + b"\r\nbegin")
        client.half_close()
        try:
            assert client.read_answer("PUT").status == 400
        except raw.ConnectionEndedError as error:
            if not str(error).endswith("after b''"):
                raise
    assert _said(running, "HEAD", "/api/files/a", {}).status in (200, 204, 404)


TUS = {"Tus-Resumable": "1.0.0", "Upload-Metadata": "filename YQ=="}
APPEND = {"Tus-Resumable": "1.0.0", "Content-Type": "application/offset+octet-stream"}
PIECE = {"Content-Type": "application/partial-upload", "Upload-Complete": "?0"}
NEVER = "/api/uploads/01a20b6e9bd9" + "5" * 20
HEADERS: list[tuple[str, str, str, dict[str, str]]] = [
    ("POST", "/api/uploads", "Upload-Length", TUS),
    ("POST", "/api/uploads", "Upload-Defer-Length", TUS),
    ("PATCH", NEVER, "Upload-Offset", APPEND),
    ("PATCH", NEVER, "Upload-Length", {**APPEND, "Upload-Offset": "0"}),
    ("PATCH", NEVER, "Upload-Offset", PIECE),
    ("PUT", "/api/files/a", "Upload-Length", {"Upload-Complete": "?0"}),
    ("PUT", "/api/files/a", "Upload-Draft-Interop-Version", {"Upload-Complete": "?0"}),
    ("GET", "/api/files/a", "Want-Repr-Digest", {}),
    ("GET", "/api/files", "Accept", {}),
]


@pytest.mark.parametrize("row", HEADERS, ids=lambda row: f"{row[0]} {row[2]}")
def test_a_header_that_is_a_number(
    running: Service, row: tuple[str, str, str, dict[str, str]]
) -> None:
    method, path, name, fields = row
    values = ["9" * digits for digits in DIGITS] + ["0" * 8000, str(2**63), str(2**63 - 1)]
    values += [
        *NO_NUMBERS,
        "\xb2",
        "\xb9\xb2",
        "sha-256=99999",
        "a/b;q=" + "9" * 7000,
        "a/b;q=1e999",
    ]
    for value in values:
        lines = [f"{each}: {said}" for each, said in {**fields, name: value}.items()]
        head = "\r\n".join(
            [f"{method} {path} HTTP/1.1", "Host: h", f"X-Auth-Token: {running.token}", *lines]
        )
        with Connection(running.port) as client:
            client.send(head.encode("latin-1") + b"\r\n\r\n")
            status = client.read_answer(method).status
        assert status < 500 or status == 507, (name, value[:40])


def test_a_parameter_that_is_a_number(running: Service) -> None:
    for digits in DIGITS:
        status = _said(running, "GET", f"/api/files?limit={'9' * digits}", {}).status
        assert status == (200 if digits <= 18 else 400)
    for text in (*NOT_ASCII, *NO_NUMBERS):
        encoded = "".join(f"%{byte:02x}" for byte in text.encode())
        assert _said(running, "GET", f"/api/files?limit={encoded}", {}).status == 400, text


def _document(running: Service, data: bytes, **more: str) -> Answer:
    fields = {"Content-Type": "application/json", "Content-Length": str(len(data)), **more}
    return _said(running, "POST", "/api/links", fields, data)


NAME = b'{"name": "a", '
DOCUMENTS = {
    "deep lists": b"[" * 8000,
    "deep lists that end": b"[" * 4000 + b"]" * 4000,
    "deep objects": b'{"a":' * 1600,
    "depth in a member": NAME + b'"method": ' + b"[" * 4000 + b"]" * 4000 + b"}",
    "depth in a name": b'{"name": ' + b"[" * 4000 + b"]" * 4000 + b"}",
    "a long number": NAME + b'"expires_in": ' + b"9" * 8000 + b"}",
    "a number that is as long as is read": NAME + b'"expires_in": ' + b"9" * 4300 + b"}",
    "a negative number": NAME + b'"expires_in": -' + b"9" * 4000 + b"}",
    "a number beyond all": NAME + b'"expires_in": 1e999999}',
    "a long fraction": NAME + b'"expires_in": 0.' + b"9" * 8000 + b"}",
    "a fraction": NAME + b'"expires_in": 5.5}',
    "a tiny fraction": NAME + b'"expires_in": 5.' + b"0" * 7000 + b"1}",
    "an exponent beyond all": NAME + b'"expires_in": 1e' + b"9" * 8000 + b"}",
    "no number": NAME + b'"expires_in": NaN}',
    "an infinite number": NAME + b'"expires_in": -Infinity}',
    "a truth": NAME + b'"expires_in": true}',
    "digits of another script": NAME + '"expires_in": \u0663}'.encode(),
    "a number in a text": NAME + b'"expires_in": "5"}',
    "a member twice": b'{"name": "a", "name": "b"}',
    "a member twice, escaped": b'{"name": "a", "n\\u0061me": "b"}',
    "a member twice, deep": NAME + b'"method": {"a": 1, "a": 2}}',
    "many members": b"{" + b",".join(b'"%d":0' % number for number in range(1000)) + b"}",
    "half of a pair": b'{"name": "\\ud800"}',
    "halves in the wrong order": b'{"name": "\\udc00\\ud800"}',
    "a NUL": b'{"name": "a\\u0000b"}',
    "a line's end": b'{"name": "a\\r\\nb"}',
    "a mark of byte order": b'\xef\xbb\xbf{"name": "a"}',
    "UTF-16": '{"name": "a"}'.encode("utf-16"),
    "UTF-32": '{"name": "a"}'.encode("utf-32"),
    "Latin-1": '{"name": "\xe9"}'.encode("latin-1"),
    "two documents": b'{"name": "a"}{"name": "b"}',
    "a comment": b'{"name": "a"} // b',
    "a list": b'["name", "a"]',
    "a text": b'"name"',
    "nothing": b"",
    "null": b"null",
    "a prototype": NAME + b'"__proto__": {"admin": true}}',
    "a class": NAME + b'"__class__": "x"}',
    "compressed": gzip.compress(b'{"name": "a"}'),
}


@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_document(running: Service, name: str) -> None:
    answer = _document(running, DOCUMENTS[name])
    assert answer.status == 400, answer
    assert len(answer.body) < 2 * len(DOCUMENTS[name]) + 1000


def test_what_is_compressed_is_never_expanded(running: Service) -> None:
    """Neither a document nor a file: what is stored is what was sent, and counted as that."""
    bomb = gzip.compress(b"\0" * 10**7, 9)
    assert len(bomb) < 12_000
    assert _document(running, bomb[:8000], **{"Content-Encoding": "gzip"}).status == 400
    assert _document(running, bomb, **{"Content-Encoding": "gzip"}).status == 413
    fields = {"Content-Encoding": "gzip", "Content-Length": str(len(bomb))}
    assert _said(running, "PUT", "/api/files/bomb", fields, bomb).status == 204
    answer = _said(running, "GET", "/api/files/bomb", {"Accept-Encoding": "identity"})
    assert (answer.body, answer.header("content-encoding")) == (bomb, "gzip")
    listed = json.loads(_said(running, "GET", "/api/files?details=true&prefix=bomb", {}).body)
    assert [entry["size"] for entry in listed] == [len(bomb)]
