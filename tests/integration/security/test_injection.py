"""What a client sends never becomes a line of an answer's head, wherever it is given back.

Heads are compared over a real socket, byte for byte: each line is one that the server means to
send, and behind the answer comes that of the next request and nothing else.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, example, given
from hypothesis import settings as how
from hypothesis import strategies as st

from tests.support.raw import Answer, BrokenAnswerError, Connection
from tests.support.rounds import rounds
from tests.support.service import Service
from tests.support.services import CUSTOM, PAGE, Lend


@pytest.fixture
def running(shared_service: Lend) -> Service:
    """Nothing that a client sends is news to it."""
    return shared_service("local", CUSTOM)


INJECTED = b"X-Injected: yes"
PAYLOADS = [
    b"a\r\n" + INJECTED,
    b"a\n" + INJECTED,
    b"a\r" + INJECTED,
    b"a\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n" + INJECTED + b"\r\n\r\n",
    b"a%0d%0a" + INJECTED,
    b"a%250d%250a" + INJECTED,
    b"a\\r\\n" + INJECTED,
    b"a\0" + INJECTED,
    b"a\x0b\x0c\x1c\x1d\x1e" + INJECTED,
    b"a\x7f\x1b[2J" + INJECTED,
    "a\u2028\u2029".encode() + INJECTED,
    "a\u0085".encode() + INJECTED,
    b"a\x85\xa0\xff" + INJECTED,
    "\u010a\u010d\u560a\u560d".encode() + INJECTED,  # whose low bytes are CR and LF
    b'a"; filename="b',
    b'a\\"\\',
    b"a'*=UTF-8''%0d%0a",
    b"=?utf-8?B?DQo=?=",
    b"a, b; c=d",
    b"<https://x.example>; rel=next",
    b"a" * 7000,
    b"\xc3\xa9" * 900,
]

Place = Callable[[bytes], bytes]
"""Makes the bytes of one or more requests, in whose answers the payload may come back."""


def _request(
    method: bytes, target: bytes, *fields: tuple[bytes, bytes], body: bytes | None = None
) -> bytes:
    lines = [method + b" " + target + b" HTTP/1.1", b"Connection: close"]
    if not any(name == b"Host" for name, _ in fields):
        lines.append(b"Host: localhost")
    lines += [name + b": " + value for name, value in fields]
    if body is not None:
        lines.append(b"Content-Length: %d" % len(body))
    return b"\r\n".join(lines) + b"\r\n\r\n" + (body or b"")


def _kept(name: bytes) -> Place:
    return lambda payload: _request(b"PUT", b"/api/files/kept", (name, payload), body=b"x")


def _encoded(payload: bytes) -> bytes:
    return quote(payload, safe="").encode()


def _base64(payload: bytes) -> bytes:
    return base64.b64encode(payload)


TUS = (
    (b"Tus-Resumable", b"1.0.0"),
    (b"Upload-Length", b"3"),
    (b"Content-Type", b"application/offset+octet-stream"),
)
NAMED = (b"Upload-Metadata", b"filename " + _base64(b"kept"))
LINKED = (b"Content-Type", b"application/json")


def _tus(*fields: tuple[bytes, bytes]) -> bytes:
    """All of an upload, so that there is a file in the end."""
    return _request(b"POST", b"/api/uploads", *TUS, *fields, body=b"abc")


PLACES: dict[str, Place] = {
    "a name": lambda text: _request(b"PUT", b"/api/files/" + _encoded(text), body=b"x"),
    "a raw name": lambda text: _request(b"PUT", b"/api/files/" + text, body=b"x"),
    "a parameter": lambda text: _request(b"GET", b"/api/files?prefix=" + _encoded(text)),
    "a parameter's name": lambda text: _request(b"GET", b"/api/files?" + _encoded(text) + b"=1"),
    "a delimiter": lambda text: _request(
        b"GET", b"/api/files?limit=1&delimiter=" + _encoded(text) + b"&prefix="
    ),
    "a path": lambda text: _request(b"GET", b"/api/none/" + _encoded(text)),
    "an upload's id": lambda text: _request(b"GET", b"/api/uploads/" + _encoded(text)),
    "a link": lambda text: _request(b"GET", b"/api/links/" + _encoded(text) + b"/a"),
    "a method": lambda text: _request(text, b"/api/files"),
    "an overriding method": lambda text: _request(
        b"POST", b"/api/uploads", (b"X-HTTP-Method-Override", text)
    ),
    "a host": lambda text: _tus(NAMED, (b"Host", text)),
    "a forwarded scheme": lambda text: _tus(NAMED, (b"X-Forwarded-Proto", text)),
    "a forwarded host": lambda text: _tus(NAMED, (b"X-Forwarded-Host", text)),
    "an origin": lambda text: _request(b"GET", b"/health", (b"Origin", text)),
    "an origin with a cookie": lambda text: _request(
        b"GET", b"/health", (b"Origin", text), (b"Cookie", b"a=b")
    ),
    "a preflight": lambda text: _request(
        b"OPTIONS",
        b"/api/files/a",
        (b"Origin", PAGE.encode()),
        (b"Access-Control-Request-Method", b"PUT"),
        (b"Access-Control-Request-Headers", text),
    ),
    **{
        name.decode(): _kept(name)
        for name in (
            *(b"Content-Type", b"Content-Disposition", b"Content-Language", b"Content-Encoding"),
            *(b"Cache-Control", b"X-Object-Meta-A", b"Want-Repr-Digest", b"Repr-Digest"),
            *(b"If-Match", b"If-None-Match", b"Upload-Complete", b"Upload-Draft-Interop-Version"),
            b"X-Request-ID",
        )
    },
    "a name of metadata": lambda text: _request(
        b"PUT", b"/api/files/kept", (b"X-Object-Meta-" + text, b"x"), body=b"x"
    ),
    "tus metadata": lambda text: _tus((b"Upload-Metadata", b"a " + text), NAMED),
    "a key of tus metadata": lambda text: _tus((b"Upload-Metadata", text + b" eA=="), NAMED),
    "a name in tus metadata": lambda text: _tus((b"Upload-Metadata", b"filename " + _base64(text))),
    "a type in tus metadata": lambda text: _tus(
        (b"Upload-Metadata", NAMED[1] + b",filetype " + _base64(text))
    ),
    "a concatenation": lambda text: _tus(NAMED, (b"Upload-Concat", b"final;" + text)),
    "a part's path": lambda text: _tus(
        NAMED, (b"Upload-Concat", b"final;/api/uploads/" + _encoded(text))
    ),
    "a checksum": lambda text: _tus(NAMED, (b"Upload-Checksum", text)),
    "a version of tus": lambda text: _request(
        b"POST", b"/api/uploads", (b"Tus-Resumable", text), NAMED
    ),
    "a linked name": lambda text: _request(
        b"POST",
        b"/api/links",
        LINKED,
        body=json.dumps({"name": text.decode("utf-8", "surrogateescape")}).encode(),
    ),
    "a member": lambda text: _request(
        b"POST", b"/api/links", LINKED, body=json.dumps({text.decode("latin-1"): 1}).encode()
    ),
    "Accept": lambda text: _request(b"GET", b"/api/files", (b"Accept", text)),
    "Range": lambda text: _request(b"GET", b"/api/files/kept", (b"Range", text)),
    "Expect": lambda text: _request(b"PUT", b"/api/files/a", (b"Expect", text), body=b"x"),
}
READ_BACK = {
    "a name": lambda text: [
        b"/api/files/" + _encoded(text) + b"?download",
        b"/api/files?limit=1",
        b"/api/files?limit=1&prefix=" + _encoded(text),
    ],
    "a raw name": lambda text: [b"/api/files?limit=1", b"/api/files?limit=1&details=true"],
}
"""Where a name that was stored comes back; what else is kept does so where it was put."""

# Every name of a header that there is, in any answer of these.
KNOWN = re.compile(
    rb"server|date|connection|content-(length|type|disposition|language|encoding|range"
    rb"|security-policy)|transfer-encoding|cache-control|vary|allow|etag|last-modified|link"
    rb"|accept(-ranges|-patch)?|location|repr-digest|retry-after|www-authenticate"
    rb"|x-content-type-options|x-request-id|connection-allowlist|x-container-(object-count|bytes-used)"
    rb"|access-control-[a-z-]+|tus-[a-z-]+|upload-[a-z-]+|x-object-meta-[!#$%&'*+.^_`|~0-9a-z-]+"
)
_STATUS_LINE = re.compile(rb"HTTP/1\.1 [1-5][0-9][0-9] [ -~]+")
_FIELD = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+): ([\t\x20-\x7e\x80-\xff]*)")

_SAVED = re.compile(
    rb"\r\nContent-Disposition: attachment; filename=\"[ !#$&-\[\]-~]*\";"
    rb" filename\*=UTF-8''[A-Za-z0-9%._~-]*\r\n",
    re.IGNORECASE,
)


def _heads_are_ours(head: bytes, body: bytes, *, made_of: bytes) -> None:
    """Complain of every line of an answer's head that is not one of the server's own."""
    first, *lines = head.removesuffix(b"\r\n\r\n").split(b"\r\n")
    assert _STATUS_LINE.fullmatch(first), (made_of, head)
    names = []
    for line in lines:
        field = _FIELD.fullmatch(line)
        assert field, (made_of, line)
        names.append(field[1].lower())
        assert KNOWN.fullmatch(names[-1]), (made_of, line)
    assert len(set(names) - {b"vary"}) == len([each for each in names if each != b"vary"]), head
    assert b"content-length" in names or b"transfer-encoding" in names or not body


def _conversation(running: Service, request: bytes) -> tuple[bytes, Answer | None]:
    """Everything that a request is answered with until the connection ends, and that, parsed."""
    with Connection(running.port) as client:
        client.send(request)
        answer = None
        try:
            head = client.read_head()
        except BrokenAnswerError:
            return b"", None
        status = int(head[9:12])
        if status not in (204, 304):
            answer = _with_body(client, head, status)
        with pytest.raises(BrokenAnswerError, match="closed after b''"):
            client.read_head()
        return head, answer


def _with_body(client: Connection, head: bytes, status: int) -> Answer:
    fields = [line.split(b": ", 1) for line in head.rstrip().split(b"\r\n")[1:]]
    headers = [(name.decode().lower(), value.decode("latin-1")) for name, value in fields]
    return Answer(status, "", "HTTP/1.1", headers, client._read_body(headers))


def _check(running: Service, place: str, payload: bytes) -> int:
    """Send a payload from one place; return the status of the answer."""
    token = (b"X-Auth-Token", running.token.encode())
    first, _, rest = PLACES[place](payload).partition(b"\r\n")
    sent = b"\r\n".join([first, b": ".join(token), rest])
    head, answer = _conversation(running, sent)
    assert head, (place, payload)
    body = b"" if answer is None else answer.body
    _heads_are_ours(head, body, made_of=sent)
    status = int(head[9:12])
    assert status < 500 or status == 501, (place, payload, head)
    if answer is not None and status >= 400:
        assert answer.problem["status"] == status
    if status < 300:
        for target in READ_BACK.get(place, lambda _text: [b"/api/files/kept"])(payload):
            read = _request(b"GET", target, token)
            head, answer = _conversation(running, read)
            _heads_are_ours(head, b"" if answer is None else answer.body, made_of=sent + read)
            if target.endswith(b"?download"):
                assert _SAVED.search(head), (payload, head)
            assert int(head[9:12]) in (200, 404), (place, payload, head)
    return status


@pytest.mark.parametrize("place", PLACES)
def test_what_comes_back_is_in_no_line_of_its_own(running: Service, place: str) -> None:
    statuses = {_check(running, place, payload) for payload in PAYLOADS}
    # Some is refused everywhere but where it is decoded from something harmless.
    assert statuses & {400, 401, 403, 404, 405, 406, 412} or place in {
        *("an origin", "an origin with a cookie", "a preflight", "a forwarded scheme"),
        *("a forwarded host", "Want-Repr-Digest", "Upload-Complete", "X-Request-ID"),
    }


PIECES = st.lists(
    st.one_of(
        st.sampled_from([b"\r\n", b"\r", b"\n", b"\0", b"%0d%0a", b": ", b'"', b"\\", b";", b","]),
        st.sampled_from(["\u2028", "\u0085", "\u010a"]).map(str.encode),
        st.binary(max_size=6),
        st.just(INJECTED),
    ),
    max_size=8,
).map(b"".join)


@given(st.sampled_from(sorted(PLACES)), PIECES)
@example("a type in tus metadata", b"text/html\r\n" + INJECTED)
@how(
    max_examples=rounds(150, 20_000),
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    print_blob=True,
)
def test_whatever_it_is(running: Service, place: str, payload: bytes) -> None:
    """A line that a client ends itself is its own to end: it may be a request of two lines."""
    _check(running, place, payload)
