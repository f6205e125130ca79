"""Routing on the raw path, and authentication before anything else is looked at.

The only place where a request gets a container: by its token, or by a link that verifies.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, Generic, TypeVar

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from file_uploader.errors import Unauthenticated
from file_uploader.http.fields.base_url import BaseURL
from file_uploader.http.fields.headers import Fields
from file_uploader.http.fields.target import LINKS, METHODS, SERVER, file_name, link_of, upload_path
from file_uploader.links import Link, LinkMethod, Links
from file_uploader.model.names import Container, FileName
from file_uploader.tokens import HEADER, parse_token

from . import context, problems
from .fields import base_url


@dataclass(frozen=True)
class Call:
    """One request that has a right to something in one container: by a token, or by a link.

    ``linked`` is the file that the link is for. ``path`` is as it was sent, below ``base``. What an
    endpoint enters into ``resources`` is let go of once the answer is out.
    """

    container: Container
    linked: FileName | None
    headers: Headers
    base: BaseURL
    path: bytes
    query: bytes
    receive: Receive
    send: Send
    resources: AsyncExitStack

    @cached_property
    def name(self) -> FileName:
        """The file that it is about. Raises `InvalidName`."""
        return self.linked or file_name(self.path)

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


E = TypeVar("E")


class Route(Generic[E]):
    """A resource, or all below one, whose template is ``path``: ``/api/files/{name}``.

    A variable stands for whatever follows. A path without one may have a slash at its end: so do
    people configure URLs. The comparison is byte by byte, so that an encoded slash or letter never
    selects a route. ``endpoints`` are by method, and ``described`` headers that tell whoever asks
    with OPTIONS what is possible here.
    """

    def __init__(
        self, path: str, endpoints: Mapping[str, E], described: Mapping[str, str] | None = None
    ) -> None:
        self.path = path
        self.methods = (*endpoints, "OPTIONS")
        self._endpoints = endpoints
        self.allowed = {"Allow": ", ".join(self.methods), **(described or {})}
        literal, variable, _ = path.partition("{")
        self._begins = literal.encode() if variable else None
        self._spelled = {path.encode(), f"{path.rstrip('/')}/".encode()}

    def takes(self, path: bytes) -> bool:
        """Whether a raw path is one of its own; its method does not count."""
        return path in self._spelled if self._begins is None else path.startswith(self._begins)

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request for that path; OPTIONS has been answered."""
        raise NotImplementedError


class Routes:
    """All there is, as an ASGI application: the first route that takes a path answers for it.

    What comes in at a port that is in ``at_port`` has a table of its own, whatever it says of
    itself.
    """

    def __init__(self) -> None:
        self.table: Sequence[Route[Any]] = ()
        self.at_port: dict[int | None, Sequence[Route[Any]]] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request; the last route of the table takes whatever is left."""
        path = scope["raw_path"]
        _, port = scope["server"] or ("", None)
        for route in self.at_port.get(port, self.table):
            if route.takes(path):
                break
        if (here := context.current()) is not None:
            here.route = route.path
        if scope["method"] == "OPTIONS" and route.methods:
            await Response(status_code=204, headers=route.allowed)(scope, receive, send)
        else:
            await route.handle(scope, receive, send)


class PrivateRoute(Route[Endpoint]):
    """A resource, or all below one, that only an authenticated client reaches."""

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Authenticate, call the endpoint, send what it answers."""
        fields = Fields(scope["headers"])
        container = authenticate(fields)
        endpoint = self._endpoints.get(scope["method"])
        if endpoint is None:
            await _not_allowed(scope["method"], self.methods)(scope, receive, send)
        else:
            await _answer(endpoint, (container, None, fields), scope, receive, send)


class LinkRoute(Route[LinkEndpoint]):
    """All below ``/api/links/``: what whoever has a link reaches, without a token."""

    def __init__(self, links: Links, endpoints: Mapping[str, LinkEndpoint]) -> None:
        super().__init__(f"{LINKS.decode()}/{{link}}/{{name}}", endpoints)
        self._links = links

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Verify the link, call the endpoint, send what it answers."""
        method = scope["method"]
        text, name = link_of(scope["raw_path"])
        link = (await self._links.keys()).verify(text, name, datetime.now(UTC))
        admitted = ("GET", "HEAD") if link.method is LinkMethod.GET else ("PUT",)
        if method not in admitted:
            await _not_allowed(method, (*admitted, "OPTIONS"))(scope, receive, send)
            return
        endpoint = self._endpoints[method]
        who = (link.container, link.name, Fields(scope["headers"]))
        await _answer(lambda call: endpoint(call, link), who, scope, receive, send)


class PublicRoute(Route[OpenEndpoint]):
    """A resource that needs no token and tells nothing of any client."""

    def __init__(self, path: str, endpoint: OpenEndpoint) -> None:
        super().__init__(path, {"GET": endpoint, "HEAD": endpoint})

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Call the endpoint and send what it answers."""
        endpoint = self._endpoints.get(scope["method"])
        if endpoint is None:
            response = _not_allowed(scope["method"], self.methods)
        else:
            response = await endpoint(Fields(scope["headers"]))
        await response(scope, receive, send)


class NoRoute(Route[OpenEndpoint]):
    """The end of the table: nothing is here, and under ``/api/`` only its clients learn that."""

    def __init__(self) -> None:
        self.path, self.methods = context.NOWHERE, ()

    def takes(self, _path: bytes) -> bool:
        """Take whatever is left."""
        return True

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer `404`; but OPTIONS of no path in particular with what there is at all."""
        if scope["method"] == "OPTIONS" and scope["raw_path"] == SERVER:
            allowed = {"Allow": ", ".join(METHODS)}
            await Response(status_code=204, headers=allowed)(scope, receive, send)
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


async def _answer(
    endpoint: Endpoint,
    who: tuple[Container, FileName | None, Headers],
    scope: Scope,
    receive: Receive,
    send: Send,
) -> None:
    """Call the endpoint, and send what it answers while it still has its resources."""
    if (here := context.current()) is not None:
        here.container = who[0].name
    async with AsyncExitStack() as resources:
        base, path, query = scope[base_url.KEY], scope["raw_path"], scope["query_string"]
        call = Call(*who, base, path, query, receive, send, resources)
        response = await endpoint(call)
        await response(scope, receive, send)


def _not_allowed(method: str, methods: tuple[str, ...]) -> Response:
    allow = ", ".join(methods)
    return problems.response(
        problems.METHOD_NOT_ALLOWED,
        f"The method {method!r} is not possible here; use {allow}.",
        {"Allow": allow},
    )
