"""The uploads in several requests: ``/api/uploads`` and ``/api/uploads/{id}``, in two dialects.

A request that says ``Tus-Resumable`` speaks tus, any other the IETF's Resumable Uploads. Both speak
of the same uploads.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Protocol

from starlette.responses import Response

from file_uploader.http import caching
from file_uploader.http.fields.headers import combined
from file_uploader.http.fields.negotiation import choose
from file_uploader.http.files.formats import FORMATS, JSON, LINES, rfc3339
from file_uploader.http.tus.headers import VERSION
from file_uploader.http.tus.resource import Tus
from file_uploader.model.uploads import Upload
from file_uploader.uploads.rules import Uploads

from .fields import target
from .refusals import UnsupportedTusVersion
from .routing import Call, Endpoint
from .streams import Streamed

PAGE = 100
"""Entries of the list that are sent at once."""


class Dialect(Protocol):
    """One protocol's way to speak of an upload."""

    async def head(self, call: Call) -> Response:
        """Where the upload goes on."""
        ...

    async def patch(self, call: Call) -> Response:
        """Go on with the upload."""
        ...

    async def delete(self, call: Call) -> Response:
        """Forget the upload."""
        ...


class UploadResources:
    """The endpoints of both resources."""

    def __init__(self, uploads: Uploads, tus: Tus, resumable: Dialect) -> None:
        self._uploads = uploads
        self._tus = tus
        self._resumable = resumable

    @property
    def endpoints(self) -> dict[str, Endpoint]:
        """Those of all uploads, by method."""
        return {"GET": self.list, "HEAD": self.list, "POST": self.create}

    @property
    def endpoints_of_one(self) -> dict[str, Endpoint]:
        """Those of one upload, by method."""
        return {
            "GET": self.head,
            "HEAD": self.head,
            "PATCH": self.patch,
            "DELETE": self.delete,
        }

    async def list(self, call: Call) -> Response:
        """The client's unfinished uploads, streamed."""
        target.parameters(call.query, ())
        media_type = choose(combined(call.headers, "Accept"), (JSON, LINES))
        chunks = FORMATS[media_type](_pages(self._uploads.list(call.container)), _describe)
        headers = {**caching.LISTED, "content-type": media_type}
        return Streamed(chunks, 200, headers)

    async def create(self, call: Call) -> Response:
        """Begin an upload with tus; the other dialect does so on the file itself."""
        if "tus-resumable" not in call.headers:
            raise UnsupportedTusVersion(VERSION)
        return await self._tus.create(call)

    async def head(self, call: Call) -> Response:
        """Where the upload goes on."""
        return await self._dialect(call).head(call)

    async def patch(self, call: Call) -> Response:
        """Go on with the upload."""
        return await self._dialect(call).patch(call)

    async def delete(self, call: Call) -> Response:
        """Forget the upload."""
        return await self._dialect(call).delete(call)

    def _dialect(self, call: Call) -> Dialect:
        return self._tus if "tus-resumable" in call.headers else self._resumable


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
