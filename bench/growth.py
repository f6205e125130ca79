"""How the service grows: with the files of a container, with connections, sizes and workers.

Each figure has a name with its unit, and each measurement is a row of them; all rows go into one
JSON file, by part. A part that is measured again replaces its rows and leaves the others.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import json
import random
import resource
import shutil
import statistics
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tests.support.service import LocalBackend, Service, service

from .clients import large, wrk
from .clients.http import Http
from .fill import fill
from .measure import watched
from .programs import leave_on_signals

MIB = 2**20
GIB = 2**30
SMALL = 4096
"""Bytes of a small file."""
WORKERS = 2
CONNECTIONS = 32
"""Of small requests, where it is not their number that grows."""
PRELOADED = 1000
"""Files that are read, where it is not their number that grows."""
AT_ONCE = 4
AT_ONCE_ROUNDS = 3
LARGE = 256 * MIB
"""So many large files of so many bytes are sent at the same time, so often."""
TIMED = 500
"""Requests of which each is timed, one after the other."""
LIST_SECONDS = 5.0
"""For so long a list is read."""

Row = dict[str, float]


@dataclass(frozen=True)
class Plan:
    """What is measured: ``seconds`` of each load of small requests; ``sizes`` in bytes."""

    seconds: float
    files: Sequence[int]
    connections: Sequence[int]
    sizes: Sequence[int]
    workers: Sequence[int] = (1, 2, 3, 4)


FULL = Plan(
    seconds=8,
    files=[10**3, 10**4, 10**5, 10**6, 10**7],
    connections=[1, 32, 256, 1000, 5000],
    sizes=[MIB, 16 * MIB, 256 * MIB, GIB, 10 * GIB, 50 * GIB],
)
QUICK = Plan(
    seconds=2, files=FULL.files[:3], connections=FULL.connections[:3], sizes=FULL.sizes[:4]
)


def by_container(disk: Path, plan: Plan) -> Iterator[Row]:
    """With the number of files in a container; they have one byte each, new ones 4 KiB."""
    for files in plan.files:
        with serving(disk, files=files, size=1) as running:
            index = running.log.parent / "data" / "index.db"
            row: Row = {"files": files, "index MiB": index.stat().st_size / MIB}
            with watched([running.process.pid]) as cost:
                row |= lists(running, files)
                row |= small_requests(running, files, CONNECTIONS, plan.seconds)
                row |= deletes(running, files)
            yield row | {"peak MiB": cost.peak / MIB}


def by_connections(disk: Path, plan: Plan) -> Iterator[Row]:
    """With the number of connections; files have 4 KiB."""
    for connections in plan.connections:
        with serving(disk, files=PRELOADED, size=SMALL) as running:
            with watched([running.process.pid]) as cost:
                row = small_requests(running, PRELOADED, connections, plan.seconds)
            yield {"connections": connections, **row, "peak MiB": cost.peak / MIB}


def by_size(disk: Path, plan: Plan) -> Iterator[Row]:
    """With the size of a file; small ones are sent again and again, until it is 1 GiB."""
    with serving(disk) as running:
        client = client_of(running)
        for size in plan.sizes:
            if not fits(size, disk):
                print(f"left out: a file of {size // MIB} MiB: too little room", file=sys.stderr)
                continue
            times = max(1, min(256, GIB // size))
            row: Row = {"size MiB": size / MIB}
            peak = 0
            with sparse(disk, size) as source:
                transfers = {
                    "PUT": partial(client.put_large, source, count=1, parallel=1),
                    "GET": partial(client.get_large, size, count=1, parallel=1),
                }
                for verb, transfer in transfers.items():
                    with watched([running.process.pid]) as cost:
                        rates = [transfer().rate for _ in range(times)]
                    row[f"{verb} MiB/s"] = statistics.median(rates)
                    row[f"{verb} CPU s/GiB"] = cost.cpu / (size * times / GIB)
                    peak = max(peak, cost.peak)
            client.request("DELETE", [large(0)])
            yield row | {"peak MiB": peak / MIB}


def by_workers(disk: Path, plan: Plan) -> Iterator[Row]:
    """With the number of workers: small requests, and large files at once."""
    for workers in plan.workers:
        with serving(disk, workers=workers, files=PRELOADED, size=SMALL) as running:
            with watched([running.process.pid]) as cost:
                row = small_requests(running, PRELOADED, CONNECTIONS, plan.seconds)
                row |= large_at_once(running, disk)
            yield {"workers": workers, **row, "peak MiB": cost.peak / MIB}


PARTS: dict[str, Callable[[Path, Plan], Iterator[Row]]] = {
    "container": by_container,
    "connections": by_connections,
    "size": by_size,
    "workers": by_workers,
}


def main() -> None:
    """Measure, print each row, and write what there is after each part."""
    options = argparse.ArgumentParser(prog="python -m bench.growth", description=__doc__)
    options.add_argument("--only", choices=PARTS, help="one part; else all")
    options.add_argument("--quick", action="store_true", help="less of everything: 2 minutes")
    options.add_argument("--disk", type=Path, default=Path.cwd(), help="where the server stores")
    options.add_argument("--json", type=Path, default=Path("build/bench/growth.json"))
    chosen = options.parse_args()
    leave_on_signals()
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))  # For connections; children inherit.
    chosen.json.parent.mkdir(parents=True, exist_ok=True)
    figures = json.loads(chosen.json.read_text()) if chosen.json.exists() else {}
    for part in [chosen.only] if chosen.only else PARTS:
        rows = []
        for row in PARTS[part](chosen.disk, QUICK if chosen.quick else FULL):
            print(", ".join(f"{name}: {value:,.4g}" for name, value in row.items()), flush=True)
            rows.append(row)
        figures[part] = rows
        chosen.json.write_text(json.dumps(figures, indent=1))


@contextlib.contextmanager
def serving(
    disk: Path, *, workers: int = WORKERS, files: int = 0, size: int = 1
) -> Iterator[Service]:
    """The service on a new embedded store, with so many files of ``size`` bytes in it."""
    with tempfile.TemporaryDirectory(prefix="bench-", dir=disk) as temporary:
        directory = Path(temporary).resolve()
        token = str(uuid.uuid4())
        if files:
            fill(directory / "data", token, files, size)
        backend = LocalBackend(directory / "data")
        with service(backend, directory / "service.log", workers=workers) as running:
            running.token = token
            yield running


def small_requests(running: Service, files: int, connections: int, seconds: float) -> Row:
    """GET of any of the container's files, then PUT of new ones of 4 KiB."""
    client = client_of(running)
    read = wrk.run("pick", client.base, client.headers, connections, seconds, files)
    written = wrk.run("insert", client.base, client.headers, connections, seconds, files, SMALL)
    row: Row = {}
    for verb, result in (("PUT", written), ("GET", read)):
        row[f"{verb} 1/s"] = result.rate
        row[f"{verb} p50 ms"] = result.p50 or 0.0
        row[f"{verb} p99 ms"] = result.p99 or 0.0
    return row | {"errors": read.errors + written.errors}


def large_at_once(running: Service, disk: Path) -> Row:
    """Large files that are sent at the same time; which worker takes one is up to the kernel."""
    client = client_of(running)
    with sparse(disk, LARGE) as source:
        rates = [client.put_large(source, AT_ONCE, AT_ONCE).rate for _ in range(AT_ONCE_ROUNDS)]
    return {f"{AT_ONCE} PUT at once MiB/s": statistics.median(rates)}


def client_of(running: Service) -> Http:
    """How requests are put on it."""
    return Http(running.files, {"X-Auth-Token": running.token})


def lists(running: Service, files: int) -> Row:
    """The list of all files, a page from its middle, and their number."""
    page = f"?limit=1000&marker={files // 2:08}"
    with connected(running) as client:
        firsts = [listed(client, running, seconds=0)[0] for _ in range(5)]
        _, rate = listed(client, running, seconds=LIST_SECONDS)
        pages = [timed(client, running, "GET", page) for _ in range(20)]
        count = timed(client, running, "HEAD", "")
    return {
        "first byte ms": statistics.median(firsts) * 1000,
        "names/s": rate,
        "page ms": statistics.median(pages) * 1000,
        "count ms": count * 1000,
    }


def listed(
    client: http.client.HTTPConnection, running: Service, seconds: float
) -> tuple[float, float]:
    """Seconds to the first byte of the list of names, and names a second, read for so long."""
    began = time.perf_counter()
    headers = {"X-Auth-Token": running.token, "Accept": "text/plain"}
    client.request("GET", "/api/files", headers=headers)
    answer = client.getresponse()
    names = answer.read(1).count(b"\n")
    first = time.perf_counter() - began
    while (chunk := answer.read1()) and time.perf_counter() - began < seconds:
        names += chunk.count(b"\n")
    taken = time.perf_counter() - began
    client.close()  # It connects again by itself.
    return first, names / taken


def deletes(running: Service, files: int) -> Row:
    """DELETE of files anywhere in the container, one after the other."""
    names = random.Random(files).sample(range(files), min(TIMED, files))
    with connected(running) as client:
        took = [timed(client, running, "DELETE", f"/{number:08}") for number in names]
    return {
        "DELETE p50 ms": statistics.median(took) * 1000,
        "DELETE p99 ms": statistics.quantiles(took, n=100)[98] * 1000,
    }


@contextlib.contextmanager
def connected(running: Service) -> Iterator[http.client.HTTPConnection]:
    """One connection, that is kept alive."""
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", running.port)) as client:
        yield client


def timed(client: http.client.HTTPConnection, running: Service, verb: str, below: str) -> float:
    """Seconds of a request for what is below ``/api/files``."""
    began = time.perf_counter()
    client.request(verb, f"/api/files{below}", headers={"X-Auth-Token": running.token})
    answer = client.getresponse()
    answer.read()
    taken = time.perf_counter() - began
    if answer.status not in (200, 204):
        raise RuntimeError(f"{answer.status} for {verb} {below}")
    return taken


@contextlib.contextmanager
def sparse(disk: Path, size: int) -> Iterator[Path]:
    """A file of ``size`` bytes that takes no room."""
    with tempfile.NamedTemporaryFile(prefix="bench-", dir=disk) as file:
        file.truncate(size)
        yield Path(file.name)


def fits(size: int, disk: Path) -> bool:
    """Whether the disk has room for a file, and for its successor meanwhile, with a margin."""
    return shutil.disk_usage(disk).free > size * 1.1 + 2 * GIB


if __name__ == "__main__":
    main()
