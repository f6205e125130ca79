"""Routing on the raw path, and authentication before anything else is looked at.

The only place where a request gets a container: by its token, or by a link that verifies.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from file_uploader.errors import Unauthenticated
from file_uploader.http.fields.base_url import BaseURL
from file_uploader.http.fields.headers import Fields
from file_uploader.http.fields.target import LINKS, METHODS, SERVER, link_of, upload_path
from file_uploader.links import Link, LinkMethod, Links
from file_uploader.model.names import Container
from file_uploader.tokens import HEADER, parse_token

from . import context, problems
from .fields import base_url


@dataclass(frozen=True, slots=True)
class Call:
    """One request that has a right to something in one container: by a token, or by a link.

    ``path`` is as it was sent, below ``base``. What an endpoint enters into ``resources`` is let go
    of once the answer is out.
    """

    container: Container
    base: BaseURL
    path: bytes
    query: bytes
    headers: Headers
    receive: Receive
    send: Send
    resources: AsyncExitStack

    def upload_url(self, upload_id: str) -> str:
        """Where this client finds its upload: a URL, since not every client resolves a path."""
        return self.base.reference(upload_path(upload_id))

    async def inform(self, status: int, headers: Mapping[str, str]) -> None:
        """Send an interim response (RFC 9110, 15.2), where there may be one: before the final."""
        raw = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
        await self.send({"type": "http.response.informational", "status": status, "headers": raw})


Endpoint = Callable[[Call], Awaitable[Response]]
LinkEndpoint = Callable[[Call, Link], Awaitable[Response]]
OpenEndpoint = Callable[[Headers], Awaitable[Response]]


class Route(Protocol):
    """A resource, or several below one path, whose template is ``path``: ``/api/files/{name}``."""

    path: str

    def takes(self, path: bytes) -> bool:
        """Whether a raw path is one of its own; its method does not count."""
        ...

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request for that path."""
        ...


class Routes:
    """All there is, as an ASGI application: the first route that takes a path answers for it."""

    def __init__(self) -> None:
        self.table: Sequence[Route] = ()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request; the last route of the table takes whatever is left."""
        path = scope["raw_path"]
        for route in self.table:
            if route.takes(path):
                if (here := context.current()) is not None:
                    here.route = route.path
                await route.handle(scope, receive, send)
                return


class Entrances:
    """What is behind each port: of those that are named, something of their own."""

    def __init__(self, by_port: Mapping[int | None, ASGIApp], others: ASGIApp) -> None:
        self._by_port = by_port
        self._others = others

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, whatever it says of itself: by where it came in."""
        _, port = scope["server"] or ("", None)
        await self._by_port.get(port, self._others)(scope, receive, send)


class PrivateRoute:
    """A resource, or all below one, that only an authenticated client reaches.

    ``path`` may end in a variable, which stands for whatever follows; one that does not may have a
    slash at its end. The comparison is byte by byte, so that an encoded slash or letter never
    selects a route. ``described`` are
    headers that tell whoever asks with OPTIONS what is possible here.
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
        literal, variable, _ = path.partition("{")
        self._raw = literal.encode()
        self._spelled = _spelled(path)
        self._below = bool(variable)
        self._endpoints = endpoints

    def takes(self, path: bytes) -> bool:
        """See `Route.takes`."""
        return path.startswith(self._raw) if self._below else path in self._spelled

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Authenticate, call the endpoint, send what it answers."""
        if scope["method"] == "OPTIONS":
            await _allowed(self.methods, self._described)(scope, receive, send)
            return
        fields = Fields(scope["headers"])
        container = authenticate(fields)
        endpoint = self._endpoints.get(scope["method"])
        if endpoint is None:
            await _not_allowed(scope["method"], self.methods)(scope, receive, send)
            return
        await _answer(endpoint, (container, fields), scope, receive, send)


class LinkRoute:
    """All below ``/api/links/``: what whoever has a link reaches, without a token."""

    path = f"{LINKS.decode()}/{{link}}/{{name}}"
    methods = ("GET", "HEAD", "PUT", "OPTIONS")

    def __init__(self, links: Links, endpoints: Mapping[str, LinkEndpoint]) -> None:
        self._links = links
        self._endpoints = endpoints

    def takes(self, path: bytes) -> bool:
        """See `Route.takes`."""
        return path.startswith(LINKS + b"/")

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Verify the link, call the endpoint, send what it answers."""
        method = scope["method"]
        if method == "OPTIONS":
            await _allowed(self.methods)(scope, receive, send)
            return
        text, name = link_of(scope["raw_path"])
        link = (await self._links.keys()).verify(text, name, datetime.now(UTC))
        admitted = ("GET", "HEAD") if link.method is LinkMethod.GET else ("PUT",)
        if method not in admitted:
            await _not_allowed(method, (*admitted, "OPTIONS"))(scope, receive, send)
            return
        endpoint = self._endpoints[method]
        fields = Fields(scope["headers"])
        who = (link.container, fields)
        await _answer(lambda call: endpoint(call, link), who, scope, receive, send)


class PublicRoute:
    """A resource that needs no token and tells nothing of any client.

    ``path`` is the whole of it, ``/`` too; any other may have a slash at its end.
    """

    methods = ("GET", "HEAD", "OPTIONS")

    def __init__(self, path: str, endpoint: OpenEndpoint) -> None:
        self.path = path
        self._spelled = _spelled(path)
        self._endpoint = endpoint

    def takes(self, path: bytes) -> bool:
        """See `Route.takes`."""
        return path in self._spelled

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Call the endpoint and send what it answers."""
        method = scope["method"]
        if method == "OPTIONS":
            response = _allowed(self.methods)
        elif method not in self.methods:
            response = _not_allowed(method, self.methods)
        else:
            response = await self._endpoint(Fields(scope["headers"]))
        await response(scope, receive, send)


class NoRoute:
    """The end of the table: nothing is here, and under ``/api/`` only its clients learn that."""

    path = context.NOWHERE

    def takes(self, _path: bytes) -> bool:
        """Take whatever is left."""
        return True

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer `404`; but OPTIONS of no path in particular with what there is at all."""
        if scope["method"] == "OPTIONS" and scope["raw_path"] == SERVER:
            await _allowed(METHODS)(scope, receive, send)
            return
        if scope["raw_path"].startswith(b"/api/") and scope["method"] != "OPTIONS":
            authenticate(Fields(scope["headers"]))
        response = problems.response(
            problems.NOT_FOUND, "There is nothing here; files are at /api/files/{name}."
        )
        await response(scope, receive, send)


def authenticate(headers: Headers) -> Container:
    """The container of whoever sent these headers: the only way from a token to one.

    Raises `Unauthenticated`.
    """
    values = headers.getlist(HEADER)
    if not values:
        raise Unauthenticated(f"Send {HEADER} with a UUID of your own making.")
    if len(values) > 1:
        raise Unauthenticated(f"Send {HEADER} once, not {len(values)} times.")
    return Container.of(parse_token(values[0].strip(" \t")))


def _spelled(path: str) -> set[bytes]:
    """The raw paths that mean a resource: people configure URLs with a slash at their end."""
    return {path.encode(), f"{path.rstrip('/')}/".encode()}


async def _answer(
    endpoint: Endpoint, who: tuple[Container, Fields], scope: Scope, receive: Receive, send: Send
) -> None:
    """Call the endpoint, and send what it answers while it still has its resources."""
    container, fields = who
    if (here := context.current()) is not None:
        here.container = container.name
    async with AsyncExitStack() as resources:
        call = Call(
            container,
            scope[base_url.KEY],
            scope["raw_path"],
            scope["query_string"],
            fields,
            receive,
            send,
            resources,
        )
        response = await endpoint(call)
        await response(scope, receive, send)


def _allowed(methods: tuple[str, ...], described: Mapping[str, str] | None = None) -> Response:
    return Response(status_code=204, headers={"Allow": ", ".join(methods), **(described or {})})


def _not_allowed(method: str, methods: tuple[str, ...]) -> Response:
    allow = ", ".join(methods)
    return problems.response(
        problems.METHOD_NOT_ALLOWED,
        f"The method {method!r} is not possible here; use {allow}.",
        {"Allow": allow},
    )
