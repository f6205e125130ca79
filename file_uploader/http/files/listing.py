"""A client's list of files: ``GET`` and ``HEAD /api/files``."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from urllib.parse import quote, urlencode

from starlette.responses import Response

from file_uploader.errors import InvalidParameter
from file_uploader.http import caching
from file_uploader.http.fields import target
from file_uploader.http.fields.headers import combined
from file_uploader.http.fields.negotiation import choose
from file_uploader.http.routing import Call
from file_uploader.http.streams import Streamed
from file_uploader.model.listing import ListedPrefix, ListEntry, ListQuery
from file_uploader.storage.base import Storage

from .formats import FORMATS, JSON, LINES, TEXT, rfc3339

MAX_PAGE = 10_000
"""Entries of an answer with a ``limit``: they wait in memory until it is known what comes next."""

Pages = AsyncIterator[Sequence[ListEntry]]


class Listing:
    """The endpoints of the list, on any store."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    async def head(self, call: Call) -> Response:
        """What the container holds, where the store can tell."""
        target.parameters(call.query, ())
        usage = await self._storage.usage(call.container)
        headers = dict(caching.LISTED)
        if usage is not None:
            headers["x-container-object-count"] = str(usage.files)
            headers["x-container-bytes-used"] = str(usage.size)
        return Response(status_code=204, headers=headers)

    async def get(self, call: Call) -> Response:
        """The list, streamed; with ``limit`` a page of it and a link to the next."""
        given = target.parameters(call.query, ("prefix", "delimiter", "marker", "limit", "details"))
        details = given.get("details", "false")
        if details not in ("true", "false"):
            raise InvalidParameter("details has to be true or false.")
        offered = (JSON, LINES) if details == "true" else (JSON, LINES, TEXT)
        media_type = choose(combined(call.headers, "Accept"), offered)
        query = ListQuery(
            prefix=given.get("prefix", ""),
            delimiter=given.get("delimiter", ""),
            marker=given.get("marker", ""),
            limit=_limit(given),
        )
        charset = "; charset=utf-8" if media_type == TEXT else ""
        headers = {**caching.LISTED, "content-type": media_type + charset}
        if query.limit is None:
            pages = self._storage.list(call.container, query)
        else:
            entries, following = await self._page(call, query, query.limit)
            if following is not None:
                onward = urlencode({**given, "marker": following}, quote_via=quote)
                headers["link"] = f'<?{onward}>; rel="next"'
            pages = _single(entries)
        render = _describe if details == "true" else _name
        return Streamed(FORMATS[media_type](pages, render), 200, headers)

    async def _page(
        self, call: Call, query: ListQuery, limit: int
    ) -> tuple[list[ListEntry], str | None]:
        """One page, and the marker of the next if there is one: it takes an entry more to know."""
        size = min(limit, MAX_PAGE)
        entries: list[ListEntry] = []
        async for page in self._storage.list(call.container, replace(query, limit=size + 1)):
            entries.extend(page)
        if len(entries) <= size:
            return entries, None
        return entries[:size], entries[size - 1].name


def _limit(given: dict[str, str]) -> int | None:
    value = given.get("limit")
    if value is None:
        return None
    if not (value.isascii() and value.isdigit() and len(value) <= 18 and int(value) >= 1):
        raise InvalidParameter("limit has to be a whole number, 1 or more.")
    return int(value)


def _name(entry: ListEntry) -> object:
    return entry.name


def _describe(entry: ListEntry) -> object:
    if isinstance(entry, ListedPrefix):
        return {"prefix": entry.name}
    return {
        "name": entry.name,
        "size": entry.size,
        "etag": f'"{entry.etag}"',
        "last_modified": rfc3339(entry.modified),
    }


async def _single(entries: Sequence[ListEntry]) -> Pages:
    if entries:
        yield entries
