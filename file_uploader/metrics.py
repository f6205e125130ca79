"""What the service counts, in Prometheus' terms: sizes in bytes, times in seconds.

Where ``PROMETHEUS_MULTIPROC_DIR`` was set when this was imported, the figures of a process are in
files there, and `exposition` adds those of all processes up; else they are those of this process.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from functools import cache
from time import monotonic

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

# From what a small file takes to what a large one does over a slow line.
_REQUEST_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60, 600)
_STORE_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60)

_TAKE_A_BODY = ("put", "append")

_registry = CollectorRegistry()


def _counter(name: str, help_: str, *labels: str) -> Counter:
    return Counter(f"file_uploader_{name}", help_, labels, registry=_registry)


def _gauge(name: str, help_: str, *labels: str, mode: str = "livesum") -> Gauge:
    return Gauge(
        f"file_uploader_{name}",
        help_,
        labels,
        registry=_registry,
        multiprocess_mode=mode,  # type: ignore[arg-type]
    )


REQUESTS = _counter("requests", "Requests that have ended", "method", "route", "status")
REQUEST_DURATION = Histogram(
    "file_uploader_request_duration_seconds",
    "From a request's head to the end of its answer; the client's own time is in it",
    ("method", "route"),
    registry=_registry,
    buckets=_REQUEST_BUCKETS,
)
RECEIVED = _counter("received_bytes", "Bytes of requests' bodies", "route")
SENT = _counter("sent_bytes", "Bytes of answers' bodies", "route")
IN_PROGRESS = _gauge("requests_in_progress", "Requests that are being served")
REFUSED = _counter("refused_requests", "What was refused before it was a request", "status")
UPLOADS_IN_PROGRESS = _gauge("uploads_in_progress", "Bodies that are being stored")

MEMORY_BUDGET = _gauge("memory_budget_bytes", "MEMORY_BUDGET of all workers")
MEMORY_USED = _gauge("memory_used_bytes", "What uploads hold, or are guaranteed")
SPOOL_USED = _gauge("spool_used_bytes", "What uploads hold beyond the budget, in files")
MEMORY_WAITS = _counter("memory_waits", "Times that an upload waited for its own earlier parts")
MEMORY_REFUSALS = _counter("memory_refusals", "Uploads that were refused for want of memory")

STORE_OPERATIONS = _counter(
    "store_operations", "Calls of the store that have ended", "store", "operation", "outcome"
)
STORE_DURATION = Histogram(
    "file_uploader_store_operation_duration_seconds",
    "From such a call to its end; waiting for a body is in it",
    ("store", "operation"),
    registry=_registry,
    buckets=_STORE_BUCKETS,
)
S3_REQUESTS = _counter("s3_requests", "Attempts at requests to S3", "operation", "outcome")
STORE_RETRIES = _counter("store_retries", "Requests to S3 that were made again", "operation")

SWEEPS = _counter("sweeps", "Sweeps that have ended", "outcome")
SWEPT = _counter("sweep_removed", "What sweeps have removed", "kind")
SWEPT_BYTES = _counter("sweep_removed_bytes", "Bytes of that", "kind")
SWEEP_FINDINGS = _counter(
    "sweep_findings", "What sweeps could not look at or remove, counted in each sweep"
)
LAST_SWEEP = _gauge(
    "sweep_last_success_timestamp_seconds", "When a sweep last went through", mode="max"
)
BUILD = _gauge("build_info", "1, for what runs here", "version", "store", mode="max")

_SHOWN: Mapping[str, str] = {
    "wal_bytes": "Length of the index's log",
    "disk_free_bytes": "Room where files are stored, or spooled",
}


@cache  # Finding a figure by its labels takes longer than counting.
def _of_requests(method: str, route: str) -> tuple[Histogram, Counter, Counter]:
    return REQUEST_DURATION.labels(method, route), RECEIVED.labels(route), SENT.labels(route)


_count_request = cache(REQUESTS.labels)
_count_operation = cache(STORE_OPERATIONS.labels)
_time_operation = cache(STORE_DURATION.labels)


def request_ended(
    method: str, route: str, status: int, *, received: int, sent: int, seconds: float
) -> None:
    """Count a request. ``method`` and ``route`` are of few that are known."""
    _count_request(method, route, status).inc()
    duration, bytes_in, bytes_out = _of_requests(method, route)
    duration.observe(seconds)
    bytes_in.inc(received)
    bytes_out.inc(sent)


def store_operation_began(operation: str) -> float:
    """Note that a call of a store has begun; returns what `store_operation_ended` is to be told."""
    if operation in _TAKE_A_BODY:
        UPLOADS_IN_PROGRESS.inc()
    return monotonic()


def store_operation_ended(
    store: str, operation: str, began: float, error: type[BaseException] | None
) -> None:
    """Count and time a call. Its outcome is ``ok``, the name of its error, or ``cancelled``."""
    if operation in _TAKE_A_BODY:
        UPLOADS_IN_PROGRESS.dec()
    outcome = "ok"
    if error is not None:
        outcome = error.__name__ if issubclass(error, Exception) else "cancelled"
    _count_operation(store, operation, outcome).inc()
    _time_operation(store, operation).observe(monotonic() - began)


def exposition(seen: Mapping[str, float]) -> bytes:
    """All figures as text of `CONTENT_TYPE`; ``seen`` are those that are looked at just now.

    Reads files: for a thread.
    """
    registry = _registry
    if os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
        registry = CollectorRegistry()
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return generate_latest(registry) + generate_latest(_Seen(seen))


class _Seen(Collector):
    """Figures that nobody keeps."""

    def __init__(self, figures: Mapping[str, float]) -> None:
        self._figures = figures

    def collect(self) -> Iterator[Metric]:
        for name, value in self._figures.items():
            yield GaugeMetricFamily(f"file_uploader_{name}", _SHOWN[name], value)
