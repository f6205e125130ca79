"""Signed links: made with a token at ``/api/links``, used without one below it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from math import ceil
from time import time
from typing import Any

from starlette.responses import JSONResponse, Response

from file_uploader.errors import InvalidHeader, InvalidName, InvalidParameter
from file_uploader.http import caching
from file_uploader.http.fields import target
from file_uploader.http.fields.base_url import DEPENDS_ON
from file_uploader.http.files.content import Contents, planned
from file_uploader.http.resumable.resource import store_whole
from file_uploader.http.resumable.versions import begun
from file_uploader.http.routing import Call
from file_uploader.links import MAX_SIZE, Link, LinkMethod, Links
from file_uploader.model import storable
from file_uploader.model.conditions import EntityTags, Precondition
from file_uploader.model.files import TransferLimits
from file_uploader.model.names import Container, FileName
from file_uploader.storage.base import Storage

from . import json_body
from .redirect import redirected

DEFAULT_LIFETIME = 3600
MAX_LIFETIME = 7 * 24 * 3600
"""Seconds."""

_MEMBERS = ("name", "method", "expires_in", "max_size", "overwrite")


class LinkResources:
    """The endpoints: of links, and of what one leads to; ``direct``: at the store itself."""

    def __init__(
        self,
        links: Links,
        storage: Storage,
        limits: TransferLimits,
        *,
        direct: bool,
    ) -> None:
        self._links = links
        self._storage = storage
        self._limits = limits
        self._direct = direct
        # What a browser may do with a file names its URL, and so depends on what tells that.
        self._contents = Contents(
            storage, limits, kept=lambda file: caching.by_link(file.cache_control, DEPENDS_ON)
        )

    async def post(self, call: Call) -> Response:
        """Make a link."""
        target.parameters(call.query, ())
        link = _described(await json_body.read(call, self._limits), call.container)
        await self._storage.claim(call.container)
        text = (await self._links.keys()).sign(link)
        return JSONResponse(
            {
                "url": call.base.url(target.link_path(text, link.name)),
                "expires": link.expires.isoformat().replace("+00:00", "Z"),
            },
            status_code=201,
            headers={**caching.NOT_KEPT, **caching.NOSNIFF},
        )

    async def get(self, call: Call, link: Link) -> Response:
        """Send the link's file, or say where the store sends it."""
        if self._direct:
            elsewhere = await redirected(self._storage, call, link)
            if elsewhere is not None:
                return elsewhere
        return await self._contents.get(call)

    async def head(self, call: Call, _link: Link) -> Response:
        """Describe the link's file."""
        return await self._contents.head(call)

    async def put(self, call: Call, link: Link) -> Response:
        """Store the body as the link's file, in one piece."""
        plan, upload = planned(call), begun(call.headers)
        version, complete = upload or (None, True)
        if not complete:
            # A part, stored as if it were the whole, would look complete.
            raise InvalidHeader(
                "A link takes a file in one piece: Upload-Complete has to be ?1, or left out."
            )
        if not link.overwrite:
            plan = replace(plan, precondition=_only_new(plan.precondition))
        limits = self._limits.within(link.max_size)
        if version is None:
            return await self._contents.put(call, plan, limits=limits)
        return await store_whole(self._contents, call, version, plan, limits)


def _described(document: dict[str, Any], container: Container) -> Link:
    """The link that a document asks for. Raises `InvalidParameter` and `InvalidName`."""
    for member in document:
        if member not in _MEMBERS:
            raise InvalidParameter(f"Unknown member {member!r}; known here: {', '.join(_MEMBERS)}.")
    name = document.get("name")
    if not isinstance(name, str):
        raise InvalidName("The member 'name' has to be there, and a string: a file's name.")
    method = document.get("method", "GET")
    if method not in tuple(LinkMethod):
        raise InvalidParameter('The member \'method\' has to be "GET" or "PUT".')
    if method == LinkMethod.GET and not document.keys().isdisjoint(("max_size", "overwrite")):
        raise InvalidParameter("The members 'max_size' and 'overwrite' are for \"PUT\" only.")
    overwrite = document.get("overwrite", False)
    if not isinstance(overwrite, bool):
        raise InvalidParameter("The member 'overwrite' has to be true or false.")
    lifetime = _number(document, "expires_in", MAX_LIFETIME)
    file_name = FileName(name)
    if method == LinkMethod.PUT:
        storable.check_name(file_name)
    return Link(
        container=container,
        name=file_name,
        method=LinkMethod(method),
        expires=datetime.fromtimestamp(ceil(time()) + (lifetime or DEFAULT_LIFETIME), UTC),
        max_size=_number(document, "max_size", MAX_SIZE),
        overwrite=overwrite,
    )


def _number(document: dict[str, Any], member: str, most: int) -> int | None:
    """A member that is a whole number from 1 on; None without it."""
    if member not in document:
        return None
    value = document[member]
    # In Python true is a number, and in JSON it is not.
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= most:
        raise InvalidParameter(f"The member {member!r} has to be a whole number, 1 to {most}.")
    return value


def _only_new(precondition: Precondition) -> Precondition:
    """That there is no such file: then an If-Match never holds, and everything else does.

    Which tags and dates the request names makes no difference, so that the answer tells none of
    those of the file that is there.
    """
    never = None if precondition.if_match is None else EntityTags()
    return Precondition(if_match=never, if_none_match=EntityTags(any=True))
