"""`Range` as an attack: no more is sent than the file has, nothing fails, and CPU is bounded."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

from tests.support import raw
from tests.support.bodies import content
from tests.support.raw import Connection
from tests.support.rounds import rounds
from tests.support.service import Service
from tests.support.stored import put

pytestmark = pytest.mark.alone

SIZE = 300_000
LIMIT = 8190 - len("Range: \r\n")
HEAD = 1500
"""Bytes that the head of an answer has at most here."""

CPU = 0.02
"""Seconds of CPU that one of these requests takes at most, on average: ten times what it takes."""

_VALUES = [
    "bytes=0-0,-1" * 1000,
    "bytes=" + "0-0,-1," * 1000,
    "bytes=" + ",".join(f"{first}-" for first in range(1500)),
    "bytes=" + ",".join(f"{first}-{SIZE}" for first in range(700)),
    "bytes=" + ",".join(f"-{last}" for last in range(1, 1600)),
    "bytes=0-,0-,0-,0-,0-",
    "bytes=0-99,50-149,100-199",
    "bytes=5-4",
    "bytes=4-5,3-2",
    "bytes=-0",
    "bytes=-0,-1",
    "bytes=-",
    "bytes=--1",
    "bytes=1--1",
    "bytes=+1-2",
    "bytes=1.0-2",
    "bytes=0x0-0x1",
    "bytes=1e3-",
    "bytes=\xb2-",
    "bytes=",
    "bytes",
    "=0-1",
    "bytes==0-1",
    "bytes=0-1=2",
    *(f"bytes={number}-" for number in (SIZE - 1, SIZE, 2**31, 2**32, 2**63 - 1, 2**63, 2**64)),
    *(f"bytes=0-{number}" for number in (SIZE - 1, SIZE, 2**31, 2**32, 2**63, 2**64, 10**1000)),
    *(f"bytes=-{number}" for number in (SIZE, SIZE + 1, 2**63, 2**64, 10**3999)),
    "bytes=" + "9" * (LIMIT - 7) + "-",
    "bytes=0-" + "9" * (LIMIT - 8),
    "bytes=-" + "9" * (LIMIT - 7),
    "bytes=" + "0" * (LIMIT - 8) + "1-",
    "bytes" + " " * (LIMIT - 9) + "=0-1",
    "bytes=" + " " * (LIMIT - 9) + "0-1",
    "bytes=0-1" + "\t" * (LIMIT - 10) + ",",
    "bytes" + " \t" * 2000 + "x" + " \t" * 2000,
    "bytes = 0-1",
    "bytes\xa0=0-1",
    "BYTES=0-1",
    "bits=0-1",
    "items=0-1",
    "none=0-1",
    "seconds=0-10",
    "bytes=0-1, bits=0-1",
    "," * LIMIT,
    "bytes=" + "," * (LIMIT - 6),
    "bytes=" + "-" * (LIMIT - 6),
    "b" * LIMIT,
    "",
]
VALUES = [value[:LIMIT] for value in _VALUES]
"""Each as long as one header can be at most."""

IF_RANGE = [
    None,
    "{etag}",
    "W/{etag}",
    '"x"',
    "Thu, 01 Jan 2099 00:00:00 GMT",
    '"' * 4000,
    "x" * 99,
]
OTHER = [
    {},
    {"If-None-Match": '"x"'},
    {"If-Match": "*"},
    {"If-Match": '"x"'},
    {"Want-Repr-Digest": "x"},
]


def _cpu(running: Service) -> float:
    """Seconds of CPU that its workers have used."""
    return sum(map(_cpu_of, running.workers()))


def _cpu_of(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _etag(running: Service) -> str:
    with Connection(running.port) as client:
        client.send(raw.head("HEAD", "/api/files/f", running.token))
        etag = client.read_answer("HEAD").header("etag")
    assert etag is not None
    return etag


def _ask(client: Connection, running: Service, fields: dict[str, str]) -> tuple[int, int]:
    """The status of an answer, and all the bytes that it has."""
    lines = [f"{name}: {value}" for name, value in fields.items()]
    request = "\r\n".join(
        ["GET /api/files/f HTTP/1.1", "Host: h", f"X-Auth-Token: {running.token}", *lines]
    )
    client.send(request.encode("latin-1") + b"\r\n\r\n")
    head = client.read_head()
    named = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:-2])
    assert b"transfer-encoding" not in named
    status = int(head[9:12])
    size = 0 if status == 304 else int(named[b"content-length"])
    body = client.read_body(size)
    if status == 206:
        first, last, whole = (
            named[b"content-range"].removeprefix(b"bytes ").replace(b"/", b"-").split(b"-")
        )
        assert (int(last) - int(first) + 1, int(whole)) == (size, SIZE)
        assert bool(body == DATA[int(first) : int(last) + 1])
    elif status == 200:
        assert bool(body == DATA)
    return status, len(head) + len(body)


DATA = content(SIZE)


@pytest.mark.smoke
def test_nobody_gets_more_than_the_file(running: Service) -> None:
    seed = int(os.environ.get("SEED", random.randrange(2**32)))
    print(f"SEED={seed}")
    pick = random.Random(seed)
    put(running, {"f": ("text/plain", DATA)})
    etag = _etag(running)
    asked = [{"Range": value} for value in VALUES]
    for _ in range(rounds(100, 20_000)):
        fields = {"Range": pick.choice([*VALUES, _made(pick), _made(pick)])}
        if condition := pick.choice(IF_RANGE):
            fields["If-Range"] = condition.format(etag=etag)
        asked.append({**fields, **pick.choice(OTHER)})
    before, statuses = _cpu(running), set()
    with Connection(running.port) as client:
        for fields in asked:
            status, sent = _ask(client, running, fields)
            assert sent <= SIZE + HEAD, fields
            statuses.add(status)
    assert statuses == {200, 206, 412, 416}
    spent = (_cpu(running) - before) / len(asked)
    print(f"{spent * 1000:.2f} ms of CPU for each of {len(asked)}")
    assert spent < CPU


def _made(pick: random.Random) -> str:
    """A value of pieces of its grammar."""
    pieces = ["bytes=", "bytes", "=", "-", ",", " ", "\t", "0", "1", "299999", "300000", "9" * 50]
    return "".join(pick.choices(pieces, k=pick.randrange(9)))


def test_a_line_for_each_range_is_a_bad_request(running: Service) -> None:
    """They cannot be joined (RFC 9110, 5.3), and nothing is sent of the file."""
    put(running, {"f": ("text/plain", DATA)})
    lines = "".join(f"Range: bytes={number}-\r\n" for number in range(90))
    head = f"GET /api/files/f HTTP/1.1\r\nHost: h\r\nX-Auth-Token: {running.token}\r\n{lines}\r\n"
    with Connection(running.port) as client:
        client.send(head.encode())
        answer = client.read_answer()
    assert (answer.status, answer.problem["type"]) == (400, "/docs/api.md#invalid-header")
