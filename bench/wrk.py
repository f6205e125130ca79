"""Many small requests to the service, by wrk: new files and old ones, anywhere in a container."""

from __future__ import annotations

import re
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tests.support.service import Service

_COMMON = """
local next_number = 0
function setup(thread) thread:set("number", next_number); next_number = next_number + 1 end
function init() math.randomseed(number + 1) end
wrk.headers["X-Auth-Token"] = "{token}"
local function place() return string.format("/api/files/%08d", math.random({files}) - 1) end
function done(summary, latency)
    local e = summary.errors
    print(string.format("errors %d", e.connect + e.read + e.write + e.status + e.timeout))
    local p50, p99 = latency:percentile(50), latency:percentile(99)
    print(string.format("p50 %f p99 %f", p50 / 1000, p99 / 1000))
end
"""

_GET = """
function request() return wrk.format("GET", place()) end
"""

_PUT = """
local count = 0
local body = string.rep("x", {size})
function request()
    count = count + 1
    return wrk.format("PUT", string.format("%s-%d-%d", place(), number, count), nil, body)
end
"""


@dataclass(frozen=True)
class Result:
    """``rate`` in requests a second, percentiles in milliseconds, failed requests."""

    rate: float
    p50: float
    p99: float
    errors: int


def get(running: Service, files: int, connections: int, seconds: float) -> Result:
    """GET of files that `bench.fill` made, ``files`` of them, in random order."""
    return _run(running, _GET, connections, seconds, files=files)


def put(running: Service, files: int, connections: int, seconds: float, size: int) -> Result:
    """PUT of new files of ``size`` bytes, at random places between those of `bench.fill`.

    Once for each service: the next time, the names would be the same.
    """
    return _run(running, _PUT, connections, seconds, files=files, size=size)


def _run(running: Service, script: str, connections: int, seconds: float, **values: int) -> Result:
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "script.lua"
        path.write_text((_COMMON + script).format(token=running.token, **values))
        command = [
            *("wrk", "-t", str(min(2, connections)), "-c", str(connections)),
            *("-d", f"{seconds:.0f}s", "--timeout", "30s", "-s", str(path), running.url),
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    found = re.search(
        r"Requests/sec: +([\d.]+).*errors (\d+)\np50 ([\d.]+) p99 ([\d.]+)", done.stdout, re.DOTALL
    )
    if found is None:
        raise RuntimeError(done.stdout)
    return Result(float(found[1]), float(found[3]), float(found[4]), int(found[2]))
