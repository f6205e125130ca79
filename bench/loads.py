"""What is asked of every server, and how fast it was: each load prepares itself."""

from __future__ import annotations

import http.client
import os
import re
import subprocess
import tempfile
import time
from base64 import b64encode
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from .peers import Peer, needed

MIB = 2**20
PRELOADED = 256
"""Small files that are read in turns."""


@dataclass(frozen=True)
class Result:
    """``rate`` in MiB or requests a second; percentiles in milliseconds, where there are many."""

    rate: float
    p50: float | None = None
    p99: float | None = None
    errors: int = 0


def put_large(peer: Peer, source: Path) -> Result:
    """One PUT of a file, by curl."""
    seconds = _curl(peer, ["--upload-file", str(source), peer.url("large.bin")])
    return Result(source.stat().st_size / MIB / seconds)


def get_large(peer: Peer, source: Path) -> Result:
    """One GET of the file that `put_large` has stored."""
    seconds = _curl(peer, [peer.url("large.bin")])
    return Result(source.stat().st_size / MIB / seconds)


def _curl(peer: Peer, arguments: list[str]) -> float:
    headers = [word for name, value in peer.headers.items() for word in ("-H", f"{name}: {value}")]
    done = subprocess.run(
        [
            *("curl", "--silent", "--show-error", "--fail", "--output", "/dev/null"),
            *("--write-out", "%{time_total}", "-H", "Expect:", *headers, *arguments),
        ],
        capture_output=True,
        text=True,
        check=True,
        timeout=600,
    )
    return float(done.stdout)


_PUT = """
local thread = 0
function setup(it) it:set("number", thread); thread = thread + 1 end
local count = 0
wrk.method = "PUT"
{headers}
local file = io.open("{body}", "rb")
wrk.body = file:read("*a")
function request()
    count = count + 1
    return wrk.format(nil, string.format("{path}/{run}-%d-%d", number, count))
end
"""

_GET = """
{headers}
local count = 0
function request()
    count = count + 1
    return wrk.format(nil, string.format("{path}/kept-%d", count % {preloaded}))
end
"""

_ERRORS = """
function done(summary, latency, requests)
    local e = summary.errors
    print(string.format("errors %d", e.connect + e.read + e.write + e.status + e.timeout))
    local p50, p99 = latency:percentile(50), latency:percentile(99)
    print(string.format("p50 %f p99 %f", p50 / 1000, p99 / 1000))
end
"""


def put_small(peer: Peer, size: int, connections: int, seconds: float) -> Result:
    """PUT of new files, one after the other on each connection."""
    with tempfile.NamedTemporaryFile() as body:
        body.write(os.urandom(size))
        body.flush()
        run = f"p{time.time_ns()}"
        return _wrk(peer, _PUT, connections, seconds, body=body.name, run=run)


def get_small(peer: Peer, size: int, connections: int, seconds: float) -> Result:
    """GET of some files again and again."""
    _preload(peer, size)
    return _wrk(peer, _GET, connections, seconds, preloaded=PRELOADED)


def _preload(peer: Peer, size: int) -> None:
    parts = urlsplit(peer.base)
    connection = http.client.HTTPConnection(parts.netloc, timeout=30)
    for number in range(PRELOADED):
        path = f"{parts.path}/kept-{number}"
        connection.request("PUT", path, os.urandom(size), dict(peer.headers))
        answer = connection.getresponse()
        answer.read()
        if answer.status not in (200, 201, 204):
            raise RuntimeError(f"{peer.name}: {answer.status} for {path}")
    connection.close()


def _wrk(peer: Peer, script: str, connections: int, seconds: float, **values: object) -> Result:
    needed("wrk", "apt-get install wrk")
    headers = "\n".join(f'wrk.headers["{name}"] = "{v}"' for name, v in peer.headers.items())
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as file:
        path = urlsplit(peer.base).path
        file.write(script.format(headers=headers, path=path, **values) + _ERRORS)
        file.flush()
        threads = min(2, connections)
        command = [
            *("wrk", "-t", str(threads), "-c", str(connections), "-d", f"{seconds:.0f}s"),
            *("--timeout", "30s", "-s", file.name, peer.base),
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=600)
    rate = re.search(r"Requests/sec: +([\d.]+)", done.stdout)
    told = re.search(r"errors (\d+)\np50 ([\d.]+) p99 ([\d.]+)", done.stdout)
    if rate is None or told is None:
        raise RuntimeError(done.stdout)
    return Result(float(rate[1]), float(told[2]), float(told[3]), int(told[1]))


def tus(peer: Peer, source: Path, piece: int) -> Result:
    """One tus upload in pieces, on one connection."""
    parts = urlsplit(peer.tus or "")
    size = source.stat().st_size
    connection = http.client.HTTPConnection(parts.netloc, timeout=60)
    common = {**peer.headers, "Tus-Resumable": "1.0.0"}
    name = b64encode(f"tus{time.time_ns()}".encode()).decode()
    began = time.perf_counter()
    fields = {"Upload-Length": str(size), "Upload-Metadata": f"filename {name}"}
    connection.request("POST", parts.path, headers={**common, **fields, "Content-Length": "0"})
    answer = connection.getresponse()
    answer.read()
    place = urlsplit(answer.headers["Location"]).path
    with source.open("rb") as file:
        for offset in range(0, size, piece):
            fields = {
                "Upload-Offset": str(offset),
                "Content-Type": "application/offset+octet-stream",
            }
            body = file.read(piece)
            connection.request("PATCH", place, body, {**common, **fields})
            answer = connection.getresponse()
            answer.read()
            if answer.status != 204:
                raise RuntimeError(f"{peer.name}: {answer.status}")
    taken = time.perf_counter() - began
    connection.close()
    return Result(size / MIB / taken)


def raw_disk(directory: Path, source: Path) -> Result:
    """The same bytes written to the same disk and synced, by nobody's server."""
    target = directory / "raw.bin"
    began = time.perf_counter()
    with source.open("rb") as file, target.open("wb", buffering=0) as output:
        while chunk := file.read(MIB):
            output.write(chunk)
        os.fdatasync(output.fileno())
    taken = time.perf_counter() - began
    target.unlink()
    return Result(source.stat().st_size / MIB / taken)
