"""What is known of a request while it is served: for its log lines, its figures and its answers.

It is found wherever the request is worked on, also in what works on after its answer.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from file_uploader import tokens

HEADER = "X-Request-ID"

NOWHERE = "-"
"""The route of a request that leads to none."""

# What is found in use: UUIDs, ULIDs, hexadecimal and base64 numbers, also with a name before them.
_ID = re.compile(rb"[A-Za-z0-9+/=@_.:-]{1,128}")
_HEADER, _TOKEN = HEADER.lower().encode(), tokens.HEADER.lower().encode()


@dataclass(slots=True)
class RequestContext:
    """A request and its answer.

    ``route`` is a template of paths, ``container`` a name, ``prefix`` what the client has before
    each path of ours, and ``status`` 0 until it is answered. ``received`` and ``sent`` are bytes of
    the two bodies, and ``seconds`` how long it took.
    """

    id: str
    route: str = NOWHERE
    container: str | None = None
    prefix: str = ""
    status: int = 0
    received: int = 0
    sent: int = 0
    seconds: float = 0.0


_current: ContextVar[RequestContext | None] = ContextVar("request", default=None)


def begin(headers: Iterable[tuple[bytes, bytes]] = ()) -> RequestContext:
    """Begin one, under the id that the client or a proxy has given it, or a new one."""
    context = _of(headers)
    _current.set(context)
    return context


def current() -> RequestContext | None:
    """The one that is being served here; None outside of any."""
    return _current.get()


@contextmanager
def refused(headers: Iterable[tuple[bytes, bytes]] = ()) -> Iterator[RequestContext]:
    """One that the server itself answers: the current one, in this block."""
    context = _of(headers)
    before = _current.set(context)
    try:
        yield context
    finally:
        _current.reset(before)


def _of(headers: Iterable[tuple[bytes, bytes]]) -> RequestContext:
    ids, tokens = [], []
    for name, value in headers:
        if name == _HEADER:
            ids.append(value)
        elif name == _TOKEN:
            tokens.append(value.strip(b" \t").lower())
    if len(ids) == 1 and _ID.fullmatch(ids[0]):
        given = ids[0].lower()
        # It is logged, which a token never is.
        if not any(token and token in given for token in tokens):
            return RequestContext(ids[0].decode("ascii"))
    return RequestContext(secrets.token_hex(16))
