"""Files below a URL, written and read as any HTTP client would: curl for large ones, wrk else."""

from __future__ import annotations

import http.client
import os
import time
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from bench.clients import KEPT, MIB, Result, curl, kept, large, slow, wrk

_THREADS = 8
_PATIENCE = 60.0


@dataclass(frozen=True)
class Http:
    """``base`` is without a slash at its end; ``headers`` go with every request."""

    base: str
    headers: Mapping[str, str] = field(default_factory=dict)

    def put_large(self, source: Path, count: int, parallel: int) -> Result:
        """Store a file so many times, ``parallel`` at once."""
        seconds = curl.put(source, self._large(count), self.headers, parallel)
        return Result(count * source.stat().st_size / MIB, seconds)

    def get_large(self, size: int, count: int, parallel: int) -> Result:
        """Read what `put_large` has stored."""
        return Result(count * size / MIB, curl.get(self._large(count), self.headers, parallel))

    def keep(self, size: int) -> None:
        """Store the files that `get_small` reads, unless the last of them is there."""
        if self.request("HEAD", [kept(size, KEPT - 1)])[0] != 200:
            self.store([kept(size, number) for number in range(KEPT)], size)

    def put_small(self, size: int, connections: int, seconds: float) -> Result:
        """Store new files."""
        return self._wrk("put", connections, seconds, _run(), size)

    def get_small(self, size: int, connections: int, seconds: float) -> Result:
        """Read the files of `keep`."""
        return self._wrk("get", connections, seconds, f"kept-{size}", KEPT)

    def delete(self, prefix: str, count: int, connections: int, seconds: float) -> Result:
        """Delete the files ``prefix-0`` and so on, in at most so many seconds."""
        threads = wrk.threads(connections)
        return self._wrk("delete", connections, seconds, prefix, count, threads)

    def mixed(self, sizes: Iterable[int], connections: int, seconds: float) -> Result:
        """70 % GET of the files of `keep`, 20 % PUT of new ones, 10 % DELETE of those."""
        return self._wrk("mixed", connections, seconds, _run(), KEPT, *sizes)

    def put_slowly(self, size: int, connections: int, seconds: float) -> Result:
        """Store so many files at once, each a little at a time."""
        return slow.put(self.base, self.headers, size, connections, seconds)

    def store(self, names: Iterable[str], size: int) -> None:
        """Store files that are there when this returns. Raises `RuntimeError`."""
        found = set(self.request("PUT", names, os.urandom(size)))
        if not found <= {200, 201, 204}:
            raise RuntimeError(f"PUT was answered {sorted(found)}")

    def request(self, method: str, names: Iterable[str], body: bytes | None = None) -> list[int]:
        """Ask for each name, some at once, and return the statuses."""
        parts = urlsplit(self.base)
        todo = list(names)

        def ask(share: list[str]) -> list[int]:
            connection = http.client.HTTPConnection(parts.netloc, timeout=_PATIENCE)
            statuses = []
            for name in share:
                connection.request(method, f"{parts.path}/{name}", body, dict(self.headers))
                answer = connection.getresponse()
                answer.read()
                statuses.append(answer.status)
            connection.close()
            return statuses

        shares = [todo[number::_THREADS] for number in range(_THREADS)]
        with ThreadPoolExecutor(_THREADS) as pool:
            return [status for share in pool.map(ask, shares) for status in share]

    def _large(self, count: int) -> list[str]:
        return [f"{self.base}/{large(number)}" for number in range(count)]

    def _wrk(self, script: str, connections: int, seconds: float, *arguments: object) -> Result:
        return wrk.run(script, self.base, self.headers, connections, seconds, *arguments)


def _run() -> str:
    """A prefix that no run before has used."""
    return f"new-{time.time_ns()}"
