"""Which protocol a request speaks that is about an upload, and the list of all uploads.

A request to ``/api/uploads/{id}`` that says ``Tus-Resumable`` speaks tus, any other the IETF's
Resumable Uploads. Both speak of the same uploads: one of tus begins at ``/api/uploads``, one of the
IETF's on the file itself.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

from starlette.responses import Response

from file_uploader.http import caching
from file_uploader.http.fields.headers import combined
from file_uploader.http.fields.negotiation import choose
from file_uploader.http.files.formats import FORMATS, JSON, LINES, rfc3339
from file_uploader.http.resumable.resource import Resumable
from file_uploader.http.resumable.versions import begun
from file_uploader.model.uploads import Upload
from file_uploader.uploads.rules import Uploads

from . import problems
from .fields import target
from .routing import Call, Endpoint
from .streams import Streamed

PAGE = 100
"""Entries of the list that are sent at once."""


def stored(ordinary: Endpoint, resumable: Resumable) -> Endpoint:
    """What stores a file: in one request, or with the first of several."""

    async def endpoint(call: Call) -> Response:
        upload = begun(call.headers)
        if upload is None:
            return await ordinary(call)
        version, complete = upload
        return await resumable.create(call, version, complete=complete)

    return endpoint


async def no_ordinary_post(_call: Call) -> Response:
    """Refuse what only clients of resumable uploads need, some of which can only POST."""
    return problems.response(
        problems.METHOD_NOT_ALLOWED,
        "POST is possible for resumable uploads only, with Upload-Complete; use PUT.",
        {"Allow": "GET, HEAD, PUT, DELETE, OPTIONS"},
    )


def spoken(tus: Endpoint, resumable: Endpoint) -> Endpoint:
    """What answers for an upload, in the protocol of the request."""

    async def endpoint(call: Call) -> Response:
        return await (tus if "tus-resumable" in call.headers else resumable)(call)

    return endpoint


def listed(uploads: Uploads) -> Endpoint:
    """What lists a client's unfinished uploads, streamed."""

    async def endpoint(call: Call) -> Response:
        target.parameters(call.query, ())
        media_type = choose(combined(call.headers, "Accept"), (JSON, LINES))
        chunks = FORMATS[media_type](_pages(uploads.list(call.container)), _describe)
        headers = {**caching.LISTED, "content-type": media_type}
        return Streamed(chunks, 200, headers)

    return endpoint


async def _pages(uploads: AsyncIterator[Upload]) -> AsyncIterator[Sequence[Upload]]:
    page: list[Upload] = []
    async for upload in uploads:
        page.append(upload)
        if len(page) == PAGE:
            yield page
            page = []
    if page:
        yield page


def _describe(upload: Upload) -> object:
    name = upload.plan.name
    return {
        "id": upload.id,
        "name": None if name is None else name.value,
        "offset": upload.offset,
        "length": upload.length,
        "created": rfc3339(upload.created),
        "expires": rfc3339(upload.expires),
    }
