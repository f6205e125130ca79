"""One file, read and written whole, and removed, for whoever has a right to it.

Who that is, and which container it is for, was decided before.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from starlette.responses import Response

from file_uploader.errors import (
    BodyLengthMismatch,
    InconsistentLength,
    InvalidHeader,
    PreconditionFailed,
    StorageUnavailable,
)
from file_uploader.http import caching
from file_uploader.http.fields import conditions, digests, metadata, ranges, sandbox, target
from file_uploader.http.fields.headers import content_length, single
from file_uploader.http.routing import Call
from file_uploader.http.streams import Answer, Streamed, incoming
from file_uploader.model.files import ByteRange, FileInfo, Metadata, TransferLimits
from file_uploader.model.uploads import UploadPlan
from file_uploader.storage.base import Storage
from file_uploader.transfer.body import ClientBody

_OPEN_TRIES = 10
"""How often a file may be replaced between a look at it and its opening."""

Caching = Callable[[Metadata], caching.Headers]
"""The headers that tell caches what they may do with a file that has this metadata."""


def planned(call: Call) -> UploadPlan:
    """What the head of a PUT says, its digests aside. Raises `InvalidName` and `InvalidHeader`."""
    name = call.name
    target.parameters(call.query, ())
    if "content-range" in call.headers:
        raise InvalidHeader("Content-Range is not possible on PUT (RFC 9110, 14.5).")
    return UploadPlan(
        name,
        metadata=metadata.read(call.headers),
        precondition=conditions.write_precondition(call.headers),
    )


class Contents:
    """The endpoints of one file, on any store."""

    def __init__(
        self,
        storage: Storage,
        limits: TransferLimits,
        *,
        kept: Caching = lambda _metadata: caching.PRIVATE,
    ) -> None:
        self._storage = storage
        self._limits = limits
        self._kept = kept

    async def put(
        self,
        call: Call,
        plan: UploadPlan | None = None,
        *,
        limits: TransferLimits | None = None,
        said: int | None = None,
        about: Mapping[str, str] = MappingProxyType({}),
    ) -> Response:
        """Store the body. Everything that can be refused is refused before it is read.

        ``plan`` is what the head says, where the caller has read that already; ``limits`` are this
        body's own, where they are not those of all. ``said`` is the length that a body has whose
        Content-Length is missing, and ``about`` are headers of the answer.
        """
        plan = plan or planned(call)
        wanted = digests.wanted(call.headers)
        size = content_length(call.headers)
        body = ClientBody(
            incoming(call.receive),
            length=said if size is None else size,
            limits=limits or self._limits,
            expected=digests.announced(call.headers),
            algorithms=("sha256", *wanted.values()),
        )
        if plan.precondition:
            await plan.precondition.check_now(self._storage.head(call.container, call.name))
        try:
            info = await self._storage.put(
                call.container,
                call.name,
                body,
                metadata=plan.metadata,
                precondition=plan.precondition,
            )
        except BodyLengthMismatch:
            if size is not None:
                raise
            raise InconsistentLength(
                f"Upload-Length is {said}; {body.received} bytes arrived."
            ) from None
        headers = {**caching.PRIVATE, "etag": f'"{info.etag}"', **about}
        if wanted:
            found = {name: body.digests[of_hashlib] for name, of_hashlib in wanted.items()}
            headers["repr-digest"] = digests.render(found)
        return Answer(204, headers)

    async def get(self, call: Call) -> Response:
        """Send the file, a range of it, or nothing where the client has it already."""
        name, download = call.name, download_wanted(call)
        if not conditions.of_read(call.headers):
            return await self._send(call, download=download)
        tries = _OPEN_TRIES
        while True:
            info = await self._storage.head(call.container, name)
            if conditions.not_modified(call.headers, info):
                headers = self._describe(call, info, download=download)
                return Response(status_code=304, headers=headers)
            byte_range = None
            if conditions.range_applies(call.headers, info):
                byte_range = ranges.requested(single(call.headers, "Range"), info.size)
            try:
                return await self._send(
                    call, etag=info.etag, byte_range=byte_range, download=download
                )
            except PreconditionFailed:
                tries -= 1
                if not tries:
                    raise StorageUnavailable(
                        "The file is being replaced all the time; try again."
                    ) from None

    async def head(self, call: Call) -> Response:
        """Describe the file; Range counts for GET only (RFC 9110, 14.2)."""
        name, download = call.name, download_wanted(call)
        info = await self._storage.head(call.container, name)
        headers = self._describe(call, info, download=download)
        if conditions.not_modified(call.headers, info):
            return Response(status_code=304, headers=headers)
        return Response(headers={**headers, "content-length": str(info.size)})

    async def delete(self, call: Call) -> Response:
        """Remove the file."""
        name = call.name
        target.parameters(call.query, ())
        precondition = conditions.write_precondition(call.headers)
        await self._storage.delete(call.container, name, precondition=precondition)
        return Response(status_code=204, headers=caching.PRIVATE)

    async def _send(
        self,
        call: Call,
        *,
        etag: str | None = None,
        byte_range: ByteRange | None = None,
        download: bool,
    ) -> Response:
        content = await call.resources.enter_async_context(
            self._storage.open(call.container, call.name, etag=etag, byte_range=byte_range)
        )
        headers = self._describe(call, content.info, download=download)
        size, status = content.info.size, 200
        if byte_range is not None:
            headers["content-range"] = ranges.content_range(byte_range, size)
            size, status = byte_range.size, 206
        headers["content-length"] = str(size)
        return Streamed(content.chunks, status, headers, size, content.file)

    def _describe(self, call: Call, info: FileInfo, *, download: bool) -> dict[str, str]:
        """The headers of every answer that speaks of one version of a file."""
        headers = {
            **self._kept(info.metadata),
            **sandbox.described(info.metadata.content_type, call.base.reference, call.path),
            **metadata.render(info.metadata),
            "accept-ranges": "bytes",
            "etag": f'"{info.etag}"',
            "last-modified": conditions.http_date(info.modified),
        }
        headers.update(digests.described(call.headers, info))
        if download or sandbox.only_saved(info.metadata.content_type):
            headers["content-disposition"] = metadata.attachment(info.name)
        return headers


def download_wanted(call: Call) -> bool:
    """Whether the file is to be saved, not shown. Raises `InvalidParameter` for another query."""
    return "download" in target.parameters(call.query, ("download",))
