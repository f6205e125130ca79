"""Traces by OpenTelemetry, where its standard environment variables ask for them.

Without them nothing of it is even imported.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager, nullcontext
from typing import TYPE_CHECKING

from .errors import ConfigurationError

if TYPE_CHECKING:
    from opentelemetry.trace import Span, Tracer

_ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
_NAME = "file-uploader"

_NO_SPAN = nullcontext()

_tracer: Tracer | None = None


@asynccontextmanager
async def started() -> AsyncIterator[None]:
    """Trace while this is entered, if the environment names who takes traces, and forbids none.

    Raises `ConfigurationError` where the packages for it are missing.
    """
    exporter = os.environ.get("OTEL_TRACES_EXPORTER", "otlp")
    disabled = os.environ.get("OTEL_SDK_DISABLED", "").lower() == "true"
    if not any(map(os.environ.get, _ENDPOINTS)) or exporter != "otlp" or disabled:
        yield
        return
    global _tracer  # noqa: PLW0603 (one for a process, as OpenTelemetry has it)
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import (  # noqa: PLC0415
            OTLPSpanExporter,
        )
        from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
        from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
        from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415
    except ImportError:
        raise ConfigurationError(
            f"{_ENDPOINTS[0]}: for traces, install `file-uploader[tracing]`."
        ) from None
    name = os.environ.get("OTEL_SERVICE_NAME", _NAME)
    provider = TracerProvider(resource=Resource.create({"service.name": name}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    _tracer = provider.get_tracer(_NAME)
    try:
        yield
    finally:
        _tracer = None
        # It waits for the collector.
        await asyncio.to_thread(provider.shutdown)


def active() -> bool:
    """Whether anything is traced."""
    return _tracer is not None


def span(name: str) -> AbstractContextManager[object]:
    """A step of what is being done; one that fails says with which kind of error."""
    # It does not become the current one: what is under way in a generator would leave it behind.
    return _NO_SPAN if _tracer is None else _ended(_tracer.start_span(name))


@contextmanager
def request_span(method: str, headers: Mapping[str, str]) -> Iterator[Span]:
    """A request, as a part of its client's trace where it has one (W3C Trace Context).

    For when it is `active`.
    """
    from opentelemetry.trace import SpanKind, use_span  # noqa: PLC0415
    from opentelemetry.trace.propagation.tracecontext import (  # noqa: PLC0415
        TraceContextTextMapPropagator,
    )

    assert _tracer is not None  # noqa: S101
    client = TraceContextTextMapPropagator().extract(headers)
    request = _tracer.start_span(method, client, SpanKind.SERVER)
    with _ended(request), use_span(request, record_exception=False, set_status_on_exception=False):
        yield request


@contextmanager
def _ended(span: Span) -> Iterator[None]:
    """End a span behind this block. An error is told by its kind alone: the log has the rest."""
    try:
        yield
    except BaseException as error:
        span.set_attribute("error.type", type(error).__name__)
        raise
    finally:
        span.end()
