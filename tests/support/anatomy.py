"""Requests in named parts, so that a connection can be cut at every kind of place in one."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import accumulate

CRLF = b"\r\n"


@dataclass(frozen=True)
class Part:
    """Some bytes of a request; ``content`` if they are the file's."""

    kind: str
    data: bytes
    content: bool = False


@dataclass(frozen=True)
class Cut:
    """A place: so many bytes of the request are sent, and then so many of the answer are read."""

    kind: str
    sent: int
    read: int = 0


BEFORE_CONTINUE = "before the 100"
AFTER_CONTINUE = "behind the 100"
LAST_BYTE = "before the last byte"
NO_ANSWER = "before the answer"
IN_ANSWER = "in the answer"


class Request:
    """One request; one that ``expects`` a `100` sends no body before it."""

    def __init__(self, head: bytes, body: Iterable[Part] = (), *, expects: bool = False) -> None:
        self.parts = [*_head(head), *body]
        self.head = head
        self.data = b"".join(part.data for part in self.parts)
        self.expects = expects
        self._ends = list(accumulate(len(part.data) for part in self.parts))

    def __len__(self) -> int:
        return len(self.data)

    @property
    def content_end(self) -> int:
        """How many bytes have to be sent until the last one of the file has been."""
        ends = zip(self.parts, self._ends, strict=True)
        return max((end for part, end in ends if part.content), default=len(self.head))

    def content(self, sent: int) -> int:
        """Bytes of the file that are among the first ``sent`` bytes."""
        return sum(
            min(len(part.data), max(0, sent - end + len(part.data)))
            for part, end in zip(self.parts, self._ends, strict=True)
            if part.content
        )

    def cut(self, chance: random.Random, answer: int) -> Cut:
        """A place of any kind, each as likely; the answer has at least ``answer`` bytes."""
        kinds = {part.kind for part in self.parts} | {LAST_BYTE, NO_ANSWER, IN_ANSWER}
        if self.expects:
            kinds |= {BEFORE_CONTINUE, AFTER_CONTINUE}
        kind = chance.choice(sorted(kinds))
        if kind in (BEFORE_CONTINUE, AFTER_CONTINUE):
            return Cut(kind, len(self.head))
        if kind == LAST_BYTE:
            return Cut(kind, len(self) - 1)
        if kind in (NO_ANSWER, IN_ANSWER):
            return Cut(kind, len(self), chance.randrange(1, answer) if kind == IN_ANSWER else 0)
        place = chance.choice([at for at, part in enumerate(self.parts) if part.kind == kind])
        size = len(self.parts[place].data)
        return Cut(kind, self._ends[place] - size + chance.randrange(size))


def framed(head: bytes, content: bytes, chance: random.Random, *, expects: bool = False) -> Request:
    """The request with this head, which announces the content; or the same one, but chunked."""
    length = b"Content-Length: %d\r\n" % len(content)
    assert length in head
    if chance.random() < 0.5:
        return Request(head, announced(content), expects=expects)
    head = head.replace(length, b"Transfer-Encoding: chunked\r\n")
    return Request(head, chunked(content, chance), expects=expects)


def announced(content: bytes) -> Iterator[Part]:
    """A body with a ``Content-Length``."""
    if content:
        yield Part("the content", content, content=True)


def chunked(content: bytes, chance: random.Random) -> Iterator[Part]:
    """A chunked body with everything that one may have."""
    rest = content
    while rest:
        size = chance.randint(1, min(len(rest), 64 * 1024))
        yield Part("a chunk's size", b"%x" % size)
        if chance.random() < 0.5:
            yield Part("a chunk's extension", b';name="a value"')
        yield Part("the line end behind a chunk's size", CRLF)
        yield Part("a chunk", rest[:size], content=True)
        yield Part("the line end behind a chunk", CRLF)
        rest = rest[size:]
    yield Part("the last chunk", b"0\r\n")
    yield Part("a trailer", b"X-Trailer: a value\r\n")
    yield Part("the line end behind trailers", CRLF)


def _head(head: bytes) -> Iterator[Part]:
    line, *fields = head.removesuffix(CRLF + CRLF).split(CRLF)
    yield Part("the request line", line)
    for field in fields:
        name, _, value = field.partition(b":")
        yield Part("a line end", CRLF)
        yield Part("a header's name", name)
        yield Part("a header's value", b":" + value)
    yield Part("the line ends behind the head", CRLF + CRLF)
