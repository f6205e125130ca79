"""The span of each request, as OpenTelemetry's conventions for HTTP servers name things."""

from __future__ import annotations

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from file_uploader import tracing
from file_uploader.http import context


async def traced(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    """Run the application in a span, without the target, since that can be secret."""
    with tracing.request_span(scope["method"], Headers(scope=scope)) as span:
        try:
            await app(scope, receive, send)
        finally:
            span.set_attribute("http.request.method", scope["method"])
            if (here := context.current()) is not None:
                span.update_name(f"{scope['method']} {here.route}")
                span.set_attribute("http.route", here.route)
                span.set_attribute("http.request.header.x-request-id", [here.id])
                span.set_attribute("file_uploader.container", here.container or "")
                span.set_attribute("http.response.status_code", here.status or 500)
