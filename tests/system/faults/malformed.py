"""Requests that no client should send, and requests hidden in others.

In all of them `NAME` and `TOKEN` stand for a file of the case's own, and for the client's token;
what is called ``NAME-kept`` is there, with the content `KEPT`.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass

from tests.support import raw

NAME = b"@NAME@"
TOKEN = b"@TOKEN@"
KEPT = b"kept"
CONTENT = b"hello"
MOST = 64 * 1024
"""The ``MAX_FILE_SIZE`` that these are meant for."""

Statuses = set[int]


def request(
    *fields: str,
    body: bytes = b"",
    line: str = "PUT /api/files/@NAME@ HTTP/1.1",
    token: str | None = "@TOKEN@",
    end: bytes = b"\r\n",
) -> bytes:
    """A request with these header lines, byte for byte; ``end`` is behind the last of them."""
    known = ["Host: localhost", *([] if token is None else [f"X-Auth-Token: {token}"])]
    head = "\r\n".join([line, *known, *fields]).encode("latin-1")
    return head + b"\r\n" + end + body


def named(data: bytes, name: str, token: str) -> bytes:
    """The requests of one case, with its name and token."""
    return data.replace(NAME, name.encode()).replace(TOKEN, token.encode())


LENGTH = "Content-Length"
CODING = "Transfer-Encoding"
CHUNKED = f"{CODING}: chunked"
CHUNKS = raw.chunk(CONTENT) + raw.chunk(b"")

GET_KEPT = request("Connection: close", line="GET /api/files/@NAME@-kept HTTP/1.1")
"""Ends the connection."""

SMUGGLED = (
    request(f"{LENGTH}: 8", body=b"smuggled", line="PUT /api/files/@NAME@-canary HTTP/1.1")
    + request(line="DELETE /api/files/@NAME@-kept HTTP/1.1")
    + GET_KEPT
)
"""Must not be taken for requests behind, or in, what is refused."""

BEHIND = request(f"{LENGTH}: 8", body=b"smuggled", line="PUT /api/files/@NAME@-canary HTTP/1.1") + (
    request("Connection: close", line="GET /api/files/@NAME@-behind HTTP/1.1")
)
"""May be taken for requests, but only by all who see them."""

BAD_LENGTHS = {
    "a plus": "+5",
    "a minus": "-5",
    "minus zero": "-0",
    "hex digits": "0x5",
    "an underscore": "1_0",
    "a space in it": "1 0",
    "nothing": "",
    "a fraction": "5.0",
    "an exponent": "1e1",
    "another script's digits": "\xd9\xa5",
    "quotes": '"5"',
    "a vertical tab": "\x0b5",
    "a form feed": "5\x0c",
    "a NUL": "5\0",
    "the same twice": "5, 5",
    "two values": "5, 6",
    "an empty member": "5,",
}

TOO_LONG = {
    "more than 64 bits": str(2**64 + 5),
    "4,000 digits": "9" * 4000,
    "8,000 digits": "9" * 8000,
}
"""Numbers all of them, which one may refuse as too large as well."""

BAD_CODINGS = {
    "xchunked": "xchunked",
    "chunk": "chunk",
    "identity": "identity",
    "chunked before identity": "chunked, identity",
    "identity before chunked": "identity, chunked",
    "gzip": "gzip",
    "gzip before chunked": "gzip, chunked",
    "gzip behind chunked": "chunked, gzip",
    "chunked twice": "chunked, chunked",
    "a parameter": "chunked;q=1",
    "quotes": '"chunked"',
    "a comma before": ",chunked",
    "a comma behind": "chunked,",
    "a vertical tab before": "\x0bchunked",
    "a vertical tab behind": "chunked\x0b",
    "a form feed": "\x0cchunked",
    "a NUL behind": "chunked\0",
    "a space that is none": "\xa0chunked",
    "two words": "chunked chunked",
    "nothing": "",
}

BAD_CHUNKS = {
    "negative": b"-5\r\nhello\r\n0\r\n\r\n",
    "a plus": b"+5\r\nhello\r\n0\r\n\r\n",
    "0x": b"0x5\r\nhello\r\n0\r\n\r\n",
    "an h": b"5h\r\nhello\r\n0\r\n\r\n",
    "an underscore": b"0_5\r\nhello\r\n0\r\n\r\n",
    "nothing": b"\r\nhello\r\n0\r\n\r\n",
    "a space before": b" 5\r\nhello\r\n0\r\n\r\n",
    "a vertical tab before": b"\x0b5\r\nhello\r\n0\r\n\r\n",
    "a NUL": b"5\0\r\nhello\r\n0\r\n\r\n",
    "quotes": b'"5"\r\nhello\r\n0\r\n\r\n',
    "a comma": b"5,5\r\nhello\r\n0\r\n\r\n",
    "LF behind the size": b"5\nhello\r\n0\r\n\r\n",
    "CR behind the size": b"5\rhello\r\n0\r\n\r\n",
    "no line end behind the data": b"5\r\nhello0\r\n\r\n",
    "LF behind the data": b"5\r\nhello\n0\r\n\r\n",
    "CR behind the data": b"5\r\nhello\r0\r\n\r\n",
    "two bytes behind the data": b"5\r\nhelloXX0\r\n\r\n",
    "more data than the size": b"5\r\nhello, world\r\n0\r\n\r\n",
    "LF behind the last chunk": b"5\r\nhello\r\n0\n\r\n",
    "LF at the end": b"5\r\nhello\r\n0\r\n\n",
    "minus zero": b"5\r\nhello\r\n-0\r\n\r\n",
    "0x0": b"5\r\nhello\r\n0x0\r\n\r\n",
    "LF in an extension": b"5;a\nb\r\nhello\r\n0\r\n\r\n",
    "CR in an extension": b"5;a\rb\r\nhello\r\n0\r\n\r\n",
}

REFUSED: dict[str, tuple[bytes, Statuses]] = {
    "a length, then chunks": (request(f"{LENGTH}: 5", CHUNKED, body=CHUNKS), {400}),
    "chunks, then a length": (request(CHUNKED, f"{LENGTH}: 5", body=CHUNKS), {400}),
    "chunks and no length": (request(CHUNKED, f"{LENGTH}: 0", body=CHUNKS), {400}),
    "a length and a coding": (
        request(f"{LENGTH}: 5", f"{CODING}: xchunked", body=CHUNKS),
        {400, 501},
    ),
    "a length and chunks in HTTP/1.0": (
        request(f"{LENGTH}: 5", CHUNKED, body=CHUNKS, line="PUT /api/files/@NAME@ HTTP/1.0"),
        {400},
    ),
    "chunks in HTTP/1.0": (
        request(CHUNKED, body=CHUNKS, line="PUT /api/files/@NAME@ HTTP/1.0"),
        {400},
    ),
    "two equal lengths": (request(f"{LENGTH}: 5", f"{LENGTH}: 5", body=CONTENT), {400}),
    "two lengths": (request(f"{LENGTH}: 0", f"{LENGTH}: 5", body=CONTENT), {400}),
    "two codings": (request(CHUNKED, CHUNKED, body=CHUNKS), {400}),
    "two codings, the last identity": (
        request(CHUNKED, f"{CODING}: identity", body=CHUNKS),
        {400, 501},
    ),
    "two codings, the first identity": (
        request(f"{CODING}: identity", CHUNKED, body=CHUNKS),
        {400, 501},
    ),
    **{
        f"a length with {what}": (request(f"{LENGTH}: {value}", body=CONTENT), {400})
        for what, value in BAD_LENGTHS.items()
    },
    **{
        f"a length of {what}": (
            request(f"{LENGTH}: {value}", body=CONTENT),
            {400, 413, 431},
        )
        for what, value in TOO_LONG.items()
    },
    **{
        f"a coding: {what}": (request(f"{CODING}: {value}", body=CHUNKS), {400, 501})
        for what, value in BAD_CODINGS.items()
    },
    **{
        f"a chunk: {what}": (request(CHUNKED, body=chunks), {400})
        for what, chunks in BAD_CHUNKS.items()
    },
    "a space before a length's colon": (request(f"{LENGTH} : 5", body=CONTENT), {400}),
    "a tab before a length's colon": (request(f"{LENGTH}\t: 5", body=CONTENT), {400}),
    "a space before a coding's colon": (request(f"{CODING} : chunked", body=CHUNKS), {400}),
    "a vertical tab before a coding's colon": (
        request(f"{CODING}\x0b: chunked", body=CHUNKS),
        {400},
    ),
    "a NUL in a coding's name": (request(f"{CODING}\0: chunked", body=CHUNKS), {400}),
    "a folded coding": (request(f"{CODING}:", " chunked", body=CHUNKS), {400, 501}),
    "a folded length": (request(f"{LENGTH}: 5", " 0", body=CONTENT), {400}),
    "a folded header": (request("X-Note: a", " b", f"{LENGTH}: 5", body=CONTENT), {400}),
    "a coding that is folded into another header": (
        request("X-Note: a", f" {CODING}: chunked", body=CHUNKS),
        {400},
    ),
    "a header that begins with a tab": (request(f"\t{LENGTH}: 5", body=CONTENT), {400}),
    "a header without a name": (request(": a"), {400}),
    "a header without a colon": (request("nonsense"), {400}),
    "a header's name in brackets": (request("X(Note): a"), {400}),
    "a header's name with a letter that is none": (request("X-N\xf6te: a"), {400}),
    "LF behind the request line": (
        request(line="PUT /api/files/@NAME@ HTTP/1.1\nX-Note: a"),
        {400},
    ),
    "LF behind a header": (request(f"X-Note: a\n{CHUNKED}", body=CHUNKS), {400}),
    "LF at the end of the head": (request(f"{LENGTH}: 5", body=CONTENT, end=b"\n"), {400}),
    "LF alone": (b"PUT /api/files/@NAME@ HTTP/1.1\nHost: localhost\nContent-Length: 5\n\n", {400}),
    "CR before a coding": (request(f"X-Note: a\r{CHUNKED}", body=CHUNKS), {400}),
    "CR behind a header": (request("X-Note: a\r"), {400}),
    **{
        f"a control character: {character!r}": (request(f"X-Note: a{character}b"), {400})
        for character in "\0\x01\x08\x0b\x0c\x1b\x7f"
    },
    "no version": (b"GET /api/files/@NAME@-kept\r\n", {400}),
    **{
        f"the version {version!r}": (
            request(line=f"PUT /api/files/@NAME@ {version}"),
            {400, 505},
        )
        for version in (
            *("HTTP/0.9", "HTTP/1.2", "HTTP/1.10", "HTTP/01.1", "HTTP/2", "HTTP/2.0", "HTTP/3.0"),
            *("http/1.1", "HTTP/1.1 ", "HTTP/1", "HTTP/1.1HTTP/1.1", "HTTP/-1.1", "1.1", "ICY/1.1"),
        )
    },
    "the preface of HTTP/2": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", {400, 505}),
    **{
        f"the target {target!r}": (request(line=f"GET {target} HTTP/1.1"), {400})
        for target in (
            *("*", "localhost", "localhost:80", "api/files/kept", "?", ""),
            *("/a b", "/a\tb", "/a\0b", "/a\x7fb", "/a\xff"),
        )
    },
    **{
        f"the method {method!r}": (
            request(line=f"{method} /api/files/@NAME@-kept HTTP/1.1"),
            {400, 501},
        )
        for method in ("put", "P(T", "", "PUT\t", "P\0T", "A" * 100)
    },
    "a long request line": (request(line=f"GET /{'a' * 100_000} HTTP/1.1"), {414}),
    "a long header": (request(f"X-Note: {'a' * 100_000}"), {431}),
    "a header with a long name": (request(f"X-{'a' * 100_000}: a"), {400, 431}),
    "10,000 headers": (request(*[f"X-Note-{number}: a" for number in range(10_000)]), {431}),
    "a chunk with a large extension": (
        request(CHUNKED, body=b"5;a=" + b"a" * 200_000 + b"\r\nhello\r\n0\r\n\r\n"),
        {400},
    ),
    "a chunk whose size has 17 digits": (
        request(CHUNKED, body=b"1" + b"0" * 15 + b"5\r\nhello\r\n0\r\n\r\n"),
        {400, 408},
    ),
    "a chunk whose size has 100 digits": (
        request(CHUNKED, body=b"f" * 100 + b"\r\nhello\r\n0\r\n\r\n"),
        {400, 408},
    ),
}
"""Each is answered once, with one of these statuses; then the connection is closed."""


@dataclass(frozen=True)
class Taken:
    """A request that looks odd, and what it means: CONTENT is stored."""

    data: bytes
    may_be_refused: bool = False


TAKEN: dict[str, Taken] = {
    "spaces around a length": Taken(request(f"{LENGTH}: \t 5 \t ", body=CONTENT)),
    "no space before a length": Taken(request(f"{LENGTH}:5", body=CONTENT)),
    "zeros before a length": Taken(request(f"{LENGTH}: 0005", body=CONTENT)),
    "a length in capitals": Taken(request("CONTENT-LENGTH: 5", body=CONTENT)),
    "a coding in capitals": Taken(request("TRANSFER-ENCODING: CHUNKED", body=CHUNKS)),
    "a tab around a coding": Taken(request(f"{CODING}:\tchunked\t", body=CHUNKS)),
    "TE is no coding": Taken(request("TE: chunked", f"{LENGTH}: 5", body=CONTENT)),
    "an empty line before": Taken(b"\r\n" + request(f"{LENGTH}: 5", body=CONTENT)),
    "a header with an underscore": Taken(
        request(f"{LENGTH}: 5", "Transfer_Encoding: chunked", body=CONTENT)
    ),
    "another header with an underscore": Taken(request(CHUNKED, "Content_Length: 3", body=CHUNKS)),
    "zeros before a chunk's size": Taken(
        request(CHUNKED, body=b"0000005\r\nhello\r\n0000\r\n\r\n"), may_be_refused=True
    ),
    "17 digits of a chunk's size": Taken(
        request(CHUNKED, body=b"0" * 16 + b"5\r\nhello\r\n0\r\n\r\n"), may_be_refused=True
    ),
    "chunks of one byte": Taken(
        request(CHUNKED, body=b"".join(raw.chunk(bytes([each])) for each in CONTENT) + CHUNKS[-5:])
    ),
    "chunks with extensions": Taken(
        request(CHUNKED, body=b'5;a;b=c;d="e;\\"f"\r\nhello\r\n0;g\r\n\r\n')
    ),
    **{
        f"an extension: {extension!r}": Taken(
            request(CHUNKED, body=b"5;" + extension + b"\r\nhello\r\n0\r\n\r\n"),
            may_be_refused=True,
        )
        for extension in (b"a=\0", b"=b", b'a="b', b"\xff", b" ")
    },
    "a space before an extension": Taken(
        request(CHUNKED, body=b"5 ;a=b\r\nhello\r\n0\r\n\r\n"), may_be_refused=True
    ),
    "a space behind a chunk's size": Taken(
        request(CHUNKED, body=b"5 \r\nhello\r\n0\r\n\r\n"), may_be_refused=True
    ),
    **{
        f"a trailer: {trailer}": Taken(
            request(CHUNKED, body=CHUNKS[:-2] + trailer.encode() + b"\r\n\r\n"),
            may_be_refused=True,
        )
        for trailer in (
            *("X-Note: a", f"{LENGTH}: 500", CHUNKED, "Host: other", "Connection: upgrade"),
            *("X-Auth-Token: 11111111-2222-4333-8444-555555555555", "If-Match: none", "nonsense"),
            *(" folded", "X-Note : a", "PUT /api/files/@NAME@-canary HTTP/1.1", "X-\0: a"),
        )
    },
    "a second space before the target": Taken(
        request(f"{LENGTH}: 5", body=CONTENT, line="PUT  /api/files/@NAME@ HTTP/1.1"),
        may_be_refused=True,
    ),
    "a second space before the version": Taken(
        request(f"{LENGTH}: 5", body=CONTENT, line="PUT /api/files/@NAME@  HTTP/1.1"),
        may_be_refused=True,
    ),
    "an absolute target": Taken(
        request(f"{LENGTH}: 5", body=CONTENT, line="PUT http://localhost/api/files/@NAME@ HTTP/1.1")
    ),
    "an absolute target on another host": Taken(
        request(f"{LENGTH}: 5", body=CONTENT, line="PUT http://a.test:1/api/files/@NAME@ HTTP/1.1")
    ),
}
"""What is behind them is the next request. Some may be refused as well, and then nothing is."""


@dataclass(frozen=True)
class Hiding:
    """A request with `SMUGGLED` as its body, which the application answers without wanting it.

    ``padding`` is in front of that.
    """

    line: str
    statuses: Statuses
    fields: tuple[str, ...] = ()
    token: str | None = "@TOKEN@"
    padding: bytes = b""

    @property
    def method(self) -> str:
        return self.line.partition(" ")[0]

    def head(self, *further: str) -> bytes:
        return request(*self.fields, *further, line=self.line, token=self.token)


TUS = ("Tus-Resumable: 1.0.0", "Content-Type: application/offset+octet-stream")
NOWHERE = "0" * 32

HIDING: Mapping[str, Hiding] = {
    "without a token": Hiding("PUT /api/files/@NAME@ HTTP/1.1", {401}, token=None),
    "with a token that is none": Hiding("PUT /api/files/@NAME@ HTTP/1.1", {401}, token="nonsense"),
    "to a bad name": Hiding("PUT /api/files/%FF HTTP/1.1", {400}),
    "to nothing": Hiding("PUT /api/nothing HTTP/1.1", {404}),
    "to nothing without a token": Hiding("PUT /nothing HTTP/1.1", {404}, token=None),
    "with a condition that fails": Hiding(
        "PUT /api/files/@NAME@ HTTP/1.1", {412}, ('If-Match: "other"',)
    ),
    "with a bad digest": Hiding("PUT /api/files/@NAME@ HTTP/1.1", {400}, ("Content-MD5: x",)),
    "with more than is taken": Hiding(
        "PUT /api/files/@NAME@ HTTP/1.1", {408, 413}, padding=b"x" * (MOST + 1)
    ),
    "with a range": Hiding("PUT /api/files/@NAME@ HTTP/1.1", {400}, ("Content-Range: x",)),
    "with a method that is not here": Hiding("POST /api/files HTTP/1.1", {405}),
    "with an unknown method": Hiding("BREW /api/files/@NAME@-kept HTTP/1.1", {405}),
    "with CONNECT": Hiding("CONNECT localhost:80 HTTP/1.1", {400, 404, 405}),
    "with GET": Hiding("GET /api/files/@NAME@-kept HTTP/1.1", {200}),
    "with HEAD": Hiding("HEAD /api/files/@NAME@-kept HTTP/1.1", {200}),
    "with OPTIONS": Hiding("OPTIONS /api/files/@NAME@-kept HTTP/1.1", {204}),
    "with OPTIONS for all": Hiding("OPTIONS * HTTP/1.1", {200, 204, 404}),
    "with DELETE": Hiding("DELETE /api/files/@NAME@ HTTP/1.1", {404}),
    "with a list": Hiding("GET /api/files?limit=0 HTTP/1.1", {400}),
    "to a link": Hiding("PUT /api/links/1.x/@NAME@ HTTP/1.1", {403}, token=None),
    "to the page": Hiding("POST / HTTP/1.1", {405}, token=None),
    "to the health": Hiding("GET /health HTTP/1.1", {200}, token=None),
    "as an upload that is not there": Hiding(
        f"PATCH /api/uploads/{NOWHERE} HTTP/1.1", {404}, (*TUS, "Upload-Offset: 0")
    ),
    "as an upload of another version": Hiding(
        "POST /api/uploads HTTP/1.1", {412}, ("Tus-Resumable: 0.1",)
    ),
    "as an upload without a length": Hiding("POST /api/uploads HTTP/1.1", {400}, TUS),
}
"""Nothing of their bodies is ever done."""


VALID = (
    request(f"{LENGTH}: 5", body=CONTENT),
    request("Expect: 100-continue", f"{LENGTH}: 5", body=CONTENT),
    request(CHUNKED, body=b"3;a=b\r\nhel\r\n2\r\nlo\r\n0\r\nX-Note: a\r\n\r\n"),
    request("X-Note: a", line="GET /api/files/@NAME@ HTTP/1.1"),
    request(f"{LENGTH}: 0", line="DELETE /api/files/@NAME@ HTTP/1.1"),
)
MUTATIONS = (
    *(b"\r", b"\n", b"\r\n", b"\r\n\r\n", b" ", b"\t", b"\0", b"\x0b", b"\xff", b":", b",", b";"),
    *(b"0", b"5", b"a", b"-", b"+", b"_", b'"', b"%"),
    *(b"Content-Length: 3\r\n", b"Transfer-Encoding: chunked\r\n", b"0\r\n\r\n"),
)


def mutated(seed: object) -> bytes:
    """A valid request with a few changes behind its target: more bytes, other ones, or fewer."""
    chance = random.Random(str(seed))
    data = bytearray(chance.choice(VALID))
    first = data.index(b" HTTP") + 1
    for _ in range(chance.choice((1, 1, 1, 2, 3))):
        at = chance.randrange(first, len(data))
        removed = chance.choice((0, 0, 0, 1, 1, 2))
        data[at : at + removed] = (
            chance.choice((*MUTATIONS, b"")) if removed else (chance.choice(MUTATIONS))
        )
    return bytes(data)
