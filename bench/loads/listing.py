"""Lists of many files: until the first byte, the whole, and a page from the middle."""

from __future__ import annotations

import statistics
import time
from collections.abc import Mapping, Sequence
from http.client import HTTPConnection
from urllib.parse import urlsplit

from bench.clients import Result
from bench.loads import NAMES, Load, Step
from bench.peers import Listing, Peer, nth_name

GROUP = "Lists"
_PIECE = 2**18
_PATIENCE = 120.0


def listing(count: int, times: int, peers: Sequence[str]) -> Load:
    """The list of ``count`` names, so many times in a row."""
    name = f"{count:,} names"

    def run(peer: Peer) -> Result:
        found = _listing(peer, count)
        wholes = [_whole(found, nth_name(count - 1)) for _ in range(times)]
        more = {"first": 1000 * statistics.median(first for first, _ in wholes)}
        if found.page is not None:
            last = nth_name(min(count // 2 + 1000, count - 1))
            pages = [_read(found.page, found.headers, last)[1] for _ in range(times)]
            more["page"] = 1000 * statistics.median(pages)
        return Result(count * times, sum(whole for _, whole in wholes), more=more)

    def prepare(peer: Peer) -> None:
        _listing(peer, count)

    return Load(GROUP, name, peers, [Step(name, NAMES, run)], prepare)


def _listing(peer: Peer, count: int) -> Listing:
    if peer.listing is None:
        raise TypeError("it cannot list")
    return peer.listing(count)


def _whole(found: Listing, last: str) -> tuple[float, float]:
    """Seconds until the first byte, and until the last."""
    *before, end = found.whole
    read = [_read(url, found.headers) for url in before]
    read.append(_read(end, found.headers, last))
    return read[0][0], sum(whole for _, whole in read)


def _read(url: str, headers: Mapping[str, str], last: str = "") -> tuple[float, float]:
    """The same for one URL, whose answer has to name ``last``. Raises `RuntimeError`."""
    parts = urlsplit(url)
    connection = HTTPConnection(parts.netloc, timeout=_PATIENCE)
    connection.connect()
    began = time.perf_counter()
    connection.request("GET", f"{parts.path}?{parts.query}", headers=dict(headers))
    answer = connection.getresponse()
    pieces = [answer.read(1)]
    first = time.perf_counter() - began
    while piece := answer.read(_PIECE):
        pieces.append(piece)
    whole = time.perf_counter() - began
    connection.close()
    if answer.status != 200 or last.encode() not in b"".join(pieces):
        raise RuntimeError(f"{url} was answered {answer.status}, without {last}")
    return first, whole
