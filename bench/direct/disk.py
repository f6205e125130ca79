"""The disk itself: files that are written and synced (fdatasync), and read, without a server."""

from __future__ import annotations

import itertools
import os
import sys
import threading
import time
from pathlib import Path

from bench.clients import MIB, Result, large
from bench.direct.driver import all_of, serve, told


class Disk:
    """A directory."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def put_large(self, source: str, count: int, parallel: int) -> Result:
        """Copy, a MiB at a time, and sync."""

        def put(number: int) -> None:
            target = self._directory / large(number)
            with Path(source).open("rb") as file, target.open("wb", buffering=0) as output:
                while data := file.read(MIB):
                    output.write(data)
                os.fdatasync(output.fileno())

        size = Path(source).stat().st_size
        return Result(count * size / MIB, all_of(put, count, parallel))

    def get_large(self, size: int, count: int, parallel: int) -> Result:
        """Read, a MiB at a time; what was written just before comes from memory."""

        def get(number: int) -> None:
            with (self._directory / large(number)).open("rb", buffering=0) as file:
                while file.read(MIB):
                    pass

        return Result(count * size / MIB, all_of(get, count, parallel))

    def put_small(self, size: int, connections: int, seconds: float) -> Result:
        """New files, each synced, on as many threads as others have connections."""
        data = os.urandom(size)
        run = time.time_ns()
        numbers = itertools.count()
        latencies: list[float] = []
        began = time.perf_counter()

        def put() -> None:
            while (start := time.perf_counter()) < began + seconds:
                target = self._directory / f"new-{run}-{next(numbers)}"
                with target.open("wb", buffering=0) as output:
                    output.write(data)
                    os.fdatasync(output.fileno())
                latencies.append(time.perf_counter() - start)

        threads = [threading.Thread(target=put) for _ in range(connections)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return told(latencies, time.perf_counter() - began)


if __name__ == "__main__":
    serve(Disk(Path(sys.argv[1])))
