"""The side of a client process: answer calls until there are no more."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict

from bench.clients import Result, percentile


def serve(client: object) -> None:
    """Call the methods of ``client`` as standard input asks, until it ends."""
    for line in sys.stdin:
        method, *arguments = json.loads(line)
        result = getattr(client, method)(*arguments) or Result(0, 1)
        print(json.dumps(asdict(result)), flush=True)


def all_of(do: Callable[[int], object], count: int, parallel: int) -> float:
    """Do something with each number below ``count``, on threads; seconds."""
    began = time.perf_counter()
    with ThreadPoolExecutor(parallel) as pool:
        list(pool.map(do, range(count)))
    return time.perf_counter() - began


def told(latencies: Iterable[float], seconds: float) -> Result:
    """The result of many requests that took so many seconds each."""
    times = [1000 * latency for latency in latencies]
    return Result(len(times), seconds, percentile(times, 0.5), percentile(times, 0.99))
