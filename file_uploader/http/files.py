"""One file: PUT, POST, GET, HEAD and DELETE of ``/api/files/{name}``."""

from __future__ import annotations

from starlette.responses import Response

from file_uploader.body import ClientBody
from file_uploader.errors import InvalidHeader, NoSuchFile, PreconditionFailed, StorageUnavailable
from file_uploader.model import ByteRange, FileInfo, FileName, TransferLimits, UploadPlan
from file_uploader.storage.base import Content, Storage

from . import conditions, digests, metadata, problems, ranges, target
from .headers import content_length, single
from .interop import version_of
from .problems import PRIVATE
from .resumable import Resumable
from .routing import Call, Endpoint
from .streams import Streamed, incoming

_OPEN_TRIES = 10
"""How often a file may be replaced between a look at it and its opening."""

_SANDBOX = {
    "x-content-type-options": "nosniff",
    "content-security-policy": "sandbox; default-src 'none'",
}
"""So that a page or an SVG that somebody uploaded runs no script at this origin."""


class Files:
    """The endpoints of one file, on any store."""

    def __init__(self, storage: Storage, resumable: Resumable, limits: TransferLimits) -> None:
        self._storage = storage
        self._resumable = resumable
        self._limits = limits

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
        """Store the body. Everything that can be refused is refused before it is read."""
        name = target.file_name(call.path)
        target.parameters(call.query, ())
        if "content-range" in call.headers:
            raise InvalidHeader("Content-Range is not possible on PUT (RFC 9110, 14.5).")
        plan = UploadPlan(
            name,
            metadata=metadata.read(call.headers),
            precondition=conditions.write_precondition(call.headers),
        )
        answer = await self._resumable.create(call, plan)
        return await self._put(call, name, plan) if answer is None else answer

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

    async def _put(self, call: Call, name: FileName, plan: UploadPlan) -> Response:
        wanted = digests.wanted(call.headers)
        body = ClientBody(
            incoming(call.receive),
            length=content_length(call.headers),
            limits=self._limits,
            expected=digests.announced(call.headers),
            algorithms={"sha256", *(digests.ALGORITHMS[name][0] for name in wanted)},
        )
        if plan.precondition:
            plan.precondition.check(await self._current(call))
        info = await self._storage.put(
            call.container, name, body, metadata=plan.metadata, precondition=plan.precondition
        )
        headers = {**PRIVATE, "etag": f'"{info.etag}"'}
        version = version_of(call.headers)
        if version.complete(call.headers):
            headers.update(version.says(complete=True))
        if wanted:
            found = {name: body.digests[digests.ALGORITHMS[name][0]] for name in wanted}
            headers["repr-digest"] = digests.render(found)
        return Response(status_code=204, headers=headers)

    async def get(self, call: Call) -> Response:
        """Send the file, a range of it, or nothing where the client has it already."""
        download = _download(call)
        if not conditions.CONDITIONAL.intersection(call.headers):
            content = await self._open(call)
            return self._send(call, content, None, download=download)
        tries = _OPEN_TRIES
        while True:
            info = await self._info(call)
            if conditions.not_modified(call.headers, info):
                return Response(status_code=304, headers=_describe(call, info, download=download))
            byte_range = _requested_range(call, info)
            try:
                content = await self._open(call, etag=info.etag, byte_range=byte_range)
            except PreconditionFailed:
                tries -= 1
                if not tries:
                    raise StorageUnavailable(
                        "The file is being replaced all the time; try again."
                    ) from None
                continue
            return self._send(call, content, byte_range, download=download)

    async def head(self, call: Call) -> Response:
        """Describe the file; Range counts for GET only (RFC 9110, 14.2)."""
        download = _download(call)
        info = await self._info(call)
        headers = _describe(call, info, download=download)
        if conditions.not_modified(call.headers, info):
            return Response(status_code=304, headers=headers)
        return Response(headers={**headers, "content-length": str(info.size)})

    async def delete(self, call: Call) -> Response:
        """Remove the file."""
        name = target.file_name(call.path)
        target.parameters(call.query, ())
        precondition = conditions.write_precondition(call.headers)
        await self._storage.delete(call.container, name, precondition=precondition)
        return Response(status_code=204, headers=PRIVATE)

    async def _info(self, call: Call) -> FileInfo:
        return await self._storage.head(call.container, target.file_name(call.path))

    async def _current(self, call: Call) -> FileInfo | None:
        try:
            return await self._info(call)
        except NoSuchFile:
            return None

    async def _open(
        self, call: Call, *, etag: str | None = None, byte_range: ByteRange | None = None
    ) -> Content:
        name = target.file_name(call.path)
        return await call.resources.enter_async_context(
            self._storage.open(call.container, name, etag=etag, byte_range=byte_range)
        )

    def _send(
        self, call: Call, content: Content, byte_range: ByteRange | None, *, download: bool
    ) -> Response:
        headers = _describe(call, content.info, download=download)
        size, status = content.info.size, 200
        if byte_range is not None:
            headers["content-range"] = ranges.content_range(byte_range, size)
            size, status = byte_range.size, 206
        headers["content-length"] = str(size)
        return Streamed(content.chunks, status, headers, self._limits.idle_timeout)


def _download(call: Call) -> bool:
    return "download" in target.parameters(call.query, ("download",))


def _requested_range(call: Call, info: FileInfo) -> ByteRange | None:
    if not conditions.range_applies(call.headers, info):
        return None
    return ranges.requested(single(call.headers, "Range"), info.size)


def _describe(call: Call, info: FileInfo, *, download: bool) -> dict[str, str]:
    """The headers of every answer that speaks of one version of a file."""
    headers = {
        **PRIVATE,
        **_SANDBOX,
        **metadata.render(info.metadata),
        "accept-ranges": "bytes",
        "etag": f'"{info.etag}"',
        "last-modified": conditions.http_date(info.modified),
    }
    headers.update(digests.described(call.headers, info))
    if download:
        headers["content-disposition"] = metadata.attachment(info.name)
    return headers
