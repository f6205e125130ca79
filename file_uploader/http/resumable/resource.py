"""The dialect of Resumable Uploads for HTTP (draft-ietf-httpbis-resumable-upload).

Sections named here are those of the draft. What differs between its versions is in
`file_uploader.http.resumable.versions`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from math import ceil
from time import monotonic
from types import MappingProxyType

from starlette.responses import Response

from file_uploader.errors import (
    DigestMismatch,
    FileTooLarge,
    FileUploaderError,
    InvalidHeader,
    NoSuchUpload,
    OffsetMismatch,
    PieceMismatch,
    PreconditionFailed,
    ResumableUnsupported,
)
from file_uploader.http import caching, problems
from file_uploader.http.fields import digests, structured, target
from file_uploader.http.fields.headers import content_length
from file_uploader.http.fields.negotiation import require_type
from file_uploader.http.files.content import Contents, planned
from file_uploader.http.routing import Call
from file_uploader.http.streams import incoming
from file_uploader.model.files import TransferLimits
from file_uploader.model.uploads import Upload, UploadPlan, UploadState
from file_uploader.uploads.append import Piece
from file_uploader.uploads.rules import Uploads

from .versions import NEWEST, Version, said_length, version_of

MEDIA_TYPE = "application/partial-upload"

SUPPORTED = 104
"""Upload Resumption Supported, the status of an interim response (5)."""

PROGRESS_INTERVAL = 1.0
"""Seconds between interim responses that tell how far an upload has come."""

_LOOK = 1.0
"""Seconds that a refusal waits for an offset that it is to tell: its store may be what failed."""

_NOWHERE: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Resumable:
    """The endpoints, on any store. ``interim``: whether interim responses may be sent."""

    uploads: Uploads
    contents: Contents
    transfer: TransferLimits
    interim: bool

    @property
    def described(self) -> dict[str, str]:
        """What OPTIONS tells of a resource that takes resumable uploads (4.1.4)."""
        return {"accept-patch": MEDIA_TYPE, **self.limits(NEWEST, self.uploads.expiry)}

    def limits(self, version: Version, lifetime: timedelta) -> dict[str, str]:
        """``Upload-Limit`` (4.1.4), where the version has it."""
        if version.lifetime is None:
            return {}
        most = self.transfer.max_size
        limits = {} if most is None else {"max-size": most}
        limits[version.lifetime] = max(0, ceil(lifetime.total_seconds()))
        return {"upload-limit": ", ".join(f"{key}={value}" for key, value in limits.items())}

    async def create(self, call: Call, version: Version, *, complete: bool) -> Response:
        """Begin an upload, with its first bytes (4.2); ``complete``: they are all there are.

        Everything that can be refused is refused before anything is made. A complete one is served
        as an ordinary request where its client cannot be told the upload's URI in time, or the
        store can keep no upload.
        """
        return await _Exchange(self, call, version).create(complete=complete)

    async def head(self, call: Call) -> Response:
        """Tell the offset (4.3)."""
        return await self._answered(call, _Exchange.head)

    async def patch(self, call: Call) -> Response:
        """Append the body (4.4)."""
        return await self._answered(call, _Exchange.patch)

    async def delete(self, call: Call) -> Response:
        """Forget the upload, never its file (4.5)."""
        return await self._answered(call, _Exchange.delete)

    async def _answered(
        self, call: Call, answer: Callable[[_Exchange], Awaitable[Response]]
    ) -> Response:
        target.parameters(call.query, ())
        exchange = _Exchange(self, call, version_of(call.headers))
        try:
            return await answer(exchange)
        except NoSuchUpload:
            raise
        except FileUploaderError as error:
            return await exchange.refused(error, target.upload_id(call.path))


class _Exchange:
    """One request and its answers, in the version that its client speaks."""

    def __init__(self, protocol: Resumable, call: Call, version: Version) -> None:
        self._protocol = protocol
        self._uploads = protocol.uploads
        self._call = call
        self._version = version
        self._informs = protocol.interim and version.number is not None
        self._informed = monotonic()

    async def create(self, *, complete: bool) -> Response:
        call, headers = self._call, self._call.headers
        plan = planned(call)
        if complete and not self._informs:
            return await self._at_once(plan)
        size = content_length(headers)
        if complete:
            # Every digest speaks of the whole, so that what came before a cut counts: nothing does
            # of a piece that must have a digest and was cut (10).
            expected, of_whole = {}, digests.announced(headers)
        else:
            expected = digests.of_content(headers)
            of_whole = digests.announced_by(headers, "Repr-Digest")
        piece = Piece(incoming(call.receive), size, expected)
        try:
            length = said_length(headers, size, complete=complete)
            self._protocol.transfer.check_size(size)
            upload = await self._uploads.create(
                call.container, replace(plan, digests=of_whole), size if complete else length
            )
        except FileUploaderError as error:
            if complete and isinstance(error, ResumableUnsupported):
                return await self._at_once(plan)
            return await self.refused(error)
        place = {"location": call.upload_url(upload.id)}
        if self._informs:
            await call.inform(SUPPORTED, {**self._version.named, **place, **self._left(upload)})
        try:
            if complete or size != 0:
                upload = await self._append(upload.id, piece, 0, final=complete)
        except FileUploaderError as error:
            return await self.refused(error, upload.id, place)
        return self._accepted(upload, 201, place)

    async def _at_once(self, plan: UploadPlan) -> Response:
        """Serve a request that brings all there is, and answer its failure as an upload's."""
        try:
            return await store_whole(self._protocol.contents, self._call, self._version, plan)
        except FileUploaderError as error:
            return await self.refused(error)

    async def head(self) -> Response:
        call, version = self._call, self._version
        version.refuse_appending(call.headers)
        upload = await self._uploads.look(call.container, target.upload_id(call.path))
        headers = {
            **caching.NOT_KEPT,
            "upload-offset": str(upload.offset),
            **version.says(complete=upload.state is UploadState.COMPLETE),
            **self._left(upload),
        }
        if upload.length is not None:
            headers["upload-length"] = str(upload.length)
        return Response(status_code=204, headers=headers)

    async def patch(self) -> Response:
        call, headers = self._call, self._call.headers
        if self._version.typed:
            require_type(headers.get("content-type"), MEDIA_TYPE)
        offset = structured.integer(headers, "Upload-Offset")
        if offset is None:
            raise InvalidHeader("Send Upload-Offset with the offset at which these bytes begin.")
        final = self._version.appends_last(headers)
        expected = digests.of_piece(headers)
        piece = Piece(incoming(call.receive), content_length(headers), expected)
        upload = await self._append(target.upload_id(call.path), piece, offset, final=final)
        return self._accepted(upload, self._version.appended)

    async def delete(self) -> Response:
        call, version = self._call, self._version
        version.refuse_appending(call.headers)
        await self._uploads.cancel(call.container, target.upload_id(call.path))
        return Response(status_code=204, headers={**caching.PRIVATE, **version.named})

    async def _append(self, upload_id: str, piece: Piece, offset: int, *, final: bool) -> Upload:
        self._informed = monotonic()
        return await self._uploads.append(
            self._call.container,
            upload_id,
            piece,
            offset=offset,
            length=structured.integer(self._call.headers, "Upload-Length"),
            final=final,
            repeats=self._version.repeats,
            acknowledge=self._acknowledge,
        )

    async def _acknowledge(self, upload: Upload) -> None:
        """Tell the client how far its upload has come, where it may be told."""
        told = self._informs and self._version.progress
        if told and monotonic() - self._informed >= PROGRESS_INTERVAL:
            self._informed = monotonic()
            offset = {"upload-offset": str(upload.offset)}
            await self._call.inform(SUPPORTED, {**self._version.named, **offset})

    def _accepted(
        self, upload: Upload, status: int, place: Mapping[str, str] = _NOWHERE
    ) -> Response:
        """The answer to bytes that were all stored: of the upload, or the target's own (4.4)."""
        complete = upload.state is UploadState.COMPLETE
        headers = {
            **caching.PRIVATE,
            **place,
            **self._version.says(complete=complete),
            "upload-offset": str(upload.offset),
        }
        if upload.result is not None:
            headers["etag"] = f'"{upload.result.etag}"'
            headers.update(digests.described(self._call.headers, upload.result))
        if complete:
            return Response(status_code=204, headers=headers)
        return Response(status_code=status, headers={**headers, **self._left(upload)})

    async def refused(
        self,
        error: FileUploaderError,
        upload_id: str | None = None,
        place: Mapping[str, str] = _NOWHERE,
    ) -> Response:
        """The answer to an error; it says whether the target has refused the whole (4.1.2).

        Where the version has that in it, it also says the offset of what is left.
        """
        answer = problems.answer(error)
        if isinstance(error, NoSuchUpload):
            return answer
        complete = isinstance(error, PreconditionFailed | DigestMismatch)
        complete = complete and not isinstance(error, PieceMismatch)
        answer.headers.update(self._version.says(complete=complete))
        if not complete:
            answer.headers.update(place)
        if isinstance(error, FileTooLarge):
            answer.headers.update(self._protocol.limits(self._version, self._uploads.expiry))
        if isinstance(error, OffsetMismatch):
            answer.headers["upload-offset"] = str(error.expected)
        elif upload_id is not None and self._version.tells_offset:
            with suppress(FileUploaderError, TimeoutError):
                async with asyncio.timeout(_LOOK):
                    left = await self._uploads.peek(self._call.container, upload_id)
                answer.headers["upload-offset"] = str(left.offset)
        return answer

    def _left(self, upload: Upload) -> dict[str, str]:
        return self._protocol.limits(self._version, upload.expires - datetime.now(UTC))


async def store_whole(
    contents: Contents,
    call: Call,
    version: Version,
    plan: UploadPlan,
    limits: TransferLimits | None = None,
) -> Response:
    """Store what a request brings that says that it is all there is; see `Contents.put`."""
    return await contents.put(
        call,
        plan,
        limits=limits,
        said=said_length(call.headers, content_length(call.headers), complete=True),
        about=version.says(complete=True),
    )
