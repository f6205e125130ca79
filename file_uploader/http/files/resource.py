"""One file: PUT, POST, GET, HEAD and DELETE of ``/api/files/{name}``."""

from __future__ import annotations

from functools import partial

from starlette.responses import Response

from file_uploader.http import caching, problems
from file_uploader.http.fields import conditions, target
from file_uploader.http.resumable.resource import Resumable
from file_uploader.http.resumable.versions import version_of
from file_uploader.http.routing import Call, Endpoint
from file_uploader.storage.base import Storage

from .content import Contents, planned


class Files:
    """The endpoints of one file, on any store."""

    def __init__(self, storage: Storage, contents: Contents, resumable: Resumable) -> None:
        self._storage = storage
        self._contents = contents
        self._resumable = resumable

    @property
    def endpoints(self) -> dict[str, Endpoint]:
        """By method."""
        return {
            "GET": self.get,
            "HEAD": self.head,
            "PUT": self.put,
            "POST": self.post,
            "DELETE": self.delete,
        }

    async def put(self, call: Call) -> Response:
        """Store the body, or begin an upload in several requests with it."""
        name = target.file_name(call.path)
        plan = planned(call, name)
        return await self._resumable.create(
            call, plan, store=partial(self._contents.put, call, call.container, name, plan)
        )

    async def post(self, call: Call) -> Response:
        """Do what PUT does, for clients of resumable uploads that can only POST."""
        if version_of(call.headers).complete(call.headers) is None:
            allowed = [method for method in self.endpoints if method != "POST"]
            return problems.response(
                problems.METHOD_NOT_ALLOWED,
                "POST is possible for resumable uploads only, with Upload-Complete; use PUT.",
                {"Allow": ", ".join([*allowed, "OPTIONS"])},
            )
        return await self.put(call)

    async def get(self, call: Call) -> Response:
        """Send the file."""
        return await self._contents.get(call, call.container, target.file_name(call.path))

    async def head(self, call: Call) -> Response:
        """Describe the file."""
        return await self._contents.head(call, call.container, target.file_name(call.path))

    async def delete(self, call: Call) -> Response:
        """Remove the file."""
        name = target.file_name(call.path)
        target.parameters(call.query, ())
        precondition = conditions.write_precondition(call.headers)
        await self._storage.delete(call.container, name, precondition=precondition)
        return Response(status_code=204, headers=caching.PRIVATE)
