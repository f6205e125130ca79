"""Traces, as a collector gets them: one span for each request, and what was done for it below."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from tests.support import raw
from tests.support.raw import Connection
from tests.support.service import LocalBackend, S3Backend, Service, service
from tests.support.services import Lend
from tests.support.witness import store

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


@dataclass
class Collector:
    """``spans`` are those that came, ``services`` whose they are."""

    endpoint: str = ""
    spans: list[Any] = field(default_factory=list)
    services: set[str] = field(default_factory=set)

    def named(self, name: str) -> list[Any]:
        return [span for span in self.spans if span.name == name]


@contextmanager
def collector() -> Iterator[Collector]:
    """Take spans by OTLP over HTTP."""
    collected = Collector()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            for of_resource in ExportTraceServiceRequest.FromString(body).resource_spans:
                about = {each.key: each.value for each in of_resource.resource.attributes}
                collected.services.add(about["service.name"].string_value)
                for of_scope in of_resource.scope_spans:
                    collected.spans.extend(of_scope.spans)
            self.send_response(200)
            self.send_header("Content-Type", "application/x-protobuf")
            answer = ExportTraceServiceResponse().SerializeToString()
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        collected.endpoint = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield collected
        finally:
            server.shutdown()
            thread.join()


def _loads_otlp(running: Service) -> bool:
    """Whether a worker has loaded what OTLP is written with."""
    return "google/_upb" in Path(f"/proc/{running.workers()[0]}/maps").read_text()


def _attributes(span: Any) -> dict[str, Any]:
    return {
        each.key: getattr(each.value, each.value.WhichOneof("value")) for each in span.attributes
    }


def _ask(running: Service, method: str, path: str, token: str | None) -> str:
    with Connection(running.port) as client:
        traceparent = {"traceparent": f"00-{TRACE}-{PARENT}-01"}
        client.send(raw.head(method, path, token, traceparent))
        return client.read_answer(method).header("x-request-id") or ""


def test_a_request_is_a_span_of_its_clients_trace(tmp_path: Path, log: Path) -> None:
    backend = LocalBackend(tmp_path / "data")
    with collector() as seen:
        settings = {"OTEL_EXPORTER_OTLP_ENDPOINT": seen.endpoint, "OTEL_SERVICE_NAME": "files"}
        with service(backend, log, workers=2, settings=settings) as running:
            store(running, "secret-name", b"x")
            first = _ask(running, "GET", "/api/files/secret-name", running.token)
            second = _ask(running, "GET", "/api/files/none", running.token)
            _ask(running, "GET", "/api/files", None)
            assert _loads_otlp(running)
            assert running.stop() == 0, "what waits is sent before the end"
    assert seen.services == {"files"}
    found, missing = (
        span
        for identity in (first, second)
        for span in seen.named("GET /api/files/{name}")
        if identity in str(_attributes(span))
    )
    assert (found.trace_id.hex(), found.parent_span_id.hex()) == (TRACE, PARENT)
    about = _attributes(found)
    assert about["http.response.status_code"] == 200
    assert about["http.route"] == "/api/files/{name}"
    assert len(about["file_uploader.container"]) == 32
    assert _attributes(missing)["http.response.status_code"] == 404
    below = [span for span in seen.spans if span.parent_span_id == found.span_id]
    assert [span.name for span in below] == ["store.open"]
    failed = [span for span in seen.spans if span.parent_span_id == missing.span_id]
    assert [_attributes(span)["error.type"] for span in failed] == ["NoSuchFile"]
    assert seen.named("PUT /api/files/{name}"), "a request without a trace begins one"
    [refused] = seen.named("GET /api/files")
    assert _attributes(refused)["http.response.status_code"] == 401
    assert "secret-name" not in str(seen.spans)
    assert running.token not in str(seen.spans)


def test_requests_to_s3_are_below_it(ceph_backend: S3Backend, log: Path) -> None:
    with collector() as seen:
        settings = {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": f"{seen.endpoint}/v1/traces"}
        with service(ceph_backend, log, settings=settings) as running:
            store(running, "a", b"x")
            assert running.stop() == 0
    [request] = seen.named("PUT /api/files/{name}")
    below = {span.name for span in seen.spans if span.trace_id == request.trace_id}
    assert {"store.put", "s3.put_object"} <= below


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"OTEL_SDK_DISABLED": "true", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"},
        {"OTEL_TRACES_EXPORTER": "none", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"},
    ],
)
def test_otherwise_nothing_of_it_is_loaded(shared_service: Lend, settings: dict[str, str]) -> None:
    running = shared_service("local", settings)
    store(running, "a", b"x")
    assert not _loads_otlp(running)


def test_a_collector_that_is_not_there_stops_nothing(tmp_path: Path, log: Path) -> None:
    settings = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"}
    with service(LocalBackend(tmp_path / "data"), log, settings=settings) as running:
        store(running, "a", b"x")
        assert running.stop() == 0
