"""Routing on the raw path, and authentication before anything else is looked at.

The only place where a request gets a container: by its token, or by a link that verifies.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.routing import BaseRoute, Match
from starlette.types import Receive, Scope, Send

from file_uploader.links import Link, LinkMethod, Links
from file_uploader.model import Container

from . import problems
from .auth import authenticate
from .target import LINKS, link_of, raw_path, upload_path


@dataclass(frozen=True, slots=True)
class Call:
    """One request that has a right to something in one container: by a token, or by a link.

    What an endpoint enters into ``resources`` is let go of once the answer is out.
    """

    container: Container
    scheme: str
    path: bytes
    query: bytes
    headers: Headers
    receive: Receive
    send: Send
    resources: AsyncExitStack

    def url(self, path: str) -> str:
        """A path of this service as the client gets there; the path alone if it names no host."""
        host = self.headers.get("host")
        return path if host is None else f"{self.scheme}://{host}{path}"

    def upload_url(self, upload_id: str) -> str:
        """Where this client finds its upload: a URL, since not every client resolves a path."""
        return self.url(upload_path(upload_id))

    async def inform(self, status: int, headers: Mapping[str, str]) -> None:
        """Send an interim response (RFC 9110, 15.2), where there may be one: before the final."""
        raw = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
        await self.send({"type": "http.response.informational", "status": status, "headers": raw})


Endpoint = Callable[[Call], Awaitable[Response]]
LinkEndpoint = Callable[[Call, Link], Awaitable[Response]]
OpenEndpoint = Callable[[Headers], Awaitable[Response]]


class PrivateRoute(BaseRoute):
    """A resource, or all below one, that only an authenticated client reaches.

    ``path`` that ends in ``/`` stands for everything that begins with it; the comparison is byte
    by byte, so that an encoded slash or letter never selects a route. ``described`` are headers
    that tell whoever asks with OPTIONS what is possible here.
    """

    def __init__(
        self,
        path: str,
        endpoints: Mapping[str, Endpoint],
        described: Mapping[str, str] | None = None,
    ) -> None:
        self.path = path
        self._described = described
        self.methods = (*endpoints, "OPTIONS")
        self._raw = path.encode()
        self._endpoints = endpoints

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Look at the raw path alone; a method that is not there is answered by `handle`."""
        return _match(self._raw, scope)

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Authenticate, call the endpoint, send what it answers."""
        if scope["method"] == "OPTIONS":
            await _allowed(self.methods, self._described)(scope, receive, send)
            return
        container = authenticate(Headers(scope=scope))
        endpoint = self._endpoints.get(scope["method"])
        if endpoint is None:
            await _not_allowed(scope["method"], self.methods)(scope, receive, send)
            return
        await _answer(endpoint, container, scope, receive, send)


class LinkRoute(BaseRoute):
    """All below ``/api/links/``: what whoever has a link reaches, without a token."""

    path = f"{LINKS.decode()}/"
    methods = ("GET", "HEAD", "PUT", "OPTIONS")

    def __init__(self, links: Links, endpoints: Mapping[str, LinkEndpoint]) -> None:
        self._links = links
        self._endpoints = endpoints

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Look at the raw path alone."""
        return _match(self.path.encode(), scope)

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Verify the link, call the endpoint, send what it answers."""
        method = scope["method"]
        if method == "OPTIONS":
            await _allowed(self.methods)(scope, receive, send)
            return
        text, name = link_of(raw_path(scope["raw_path"]))
        link = (await self._links.keys()).verify(text, name, datetime.now(UTC))
        admitted = ("GET", "HEAD") if link.method is LinkMethod.GET else ("PUT",)
        if method not in admitted:
            await _not_allowed(method, (*admitted, "OPTIONS"))(scope, receive, send)
            return
        endpoint = self._endpoints[method]
        await _answer(lambda call: endpoint(call, link), link.container, scope, receive, send)


class PublicRoute(BaseRoute):
    """A resource that needs no token and tells nothing of any client.

    ``path`` is the whole of it, ``/`` too.
    """

    methods = ("GET", "HEAD", "OPTIONS")

    def __init__(self, path: str, endpoint: OpenEndpoint) -> None:
        self.path = path
        self._raw = path.encode()
        self._endpoint = endpoint

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Look at the raw path alone."""
        found = scope["type"] == "http" and raw_path(scope["raw_path"]) == self._raw
        return (Match.FULL if found else Match.NONE), {}

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Call the endpoint and send what it answers."""
        method = scope["method"]
        if method == "OPTIONS":
            response = _allowed(self.methods)
        elif method not in self.methods:
            response = _not_allowed(method, self.methods)
        else:
            response = await self._endpoint(Headers(scope=scope))
        await response(scope, receive, send)


class NoRoute(BaseRoute):
    """The end of the table: nothing is here, and under ``/api/`` only its clients learn that."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Take whatever is left."""
        return (Match.FULL if scope["type"] == "http" else Match.NONE), {}

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer `404`."""
        if raw_path(scope["raw_path"]).startswith(b"/api/") and scope["method"] != "OPTIONS":
            authenticate(Headers(scope=scope))
        response = problems.response(
            problems.NOT_FOUND, "There is nothing here; files are at /api/files/{name}."
        )
        await response(scope, receive, send)


async def _answer(
    endpoint: Endpoint, container: Container, scope: Scope, receive: Receive, send: Send
) -> None:
    """Call the endpoint, and send what it answers while it still has its resources."""
    async with AsyncExitStack() as resources:
        call = Call(
            container,
            scope["scheme"],
            raw_path(scope["raw_path"]),
            scope["query_string"],
            Headers(scope=scope),
            receive,
            send,
            resources,
        )
        response = await endpoint(call)
        await response(scope, receive, send)


def _match(own: bytes, scope: Scope) -> tuple[Match, Scope]:
    if scope["type"] != "http":
        return Match.NONE, {}
    path = raw_path(scope["raw_path"])
    found = path.startswith(own) if own.endswith(b"/") else path == own
    return (Match.FULL if found else Match.NONE), {}


def _allowed(methods: tuple[str, ...], described: Mapping[str, str] | None = None) -> Response:
    return Response(status_code=204, headers={"Allow": ", ".join(methods), **(described or {})})


def _not_allowed(method: str, methods: tuple[str, ...]) -> Response:
    allow = ", ".join(methods)
    return problems.response(
        problems.METHOD_NOT_ALLOWED,
        f"{method} is not possible here; use {allow}.",
        {"Allow": allow},
    )
