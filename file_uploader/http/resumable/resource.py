"""The dialect of Resumable Uploads for HTTP (draft-ietf-httpbis-resumable-upload).

Sections named here are those of the draft. What differs between its versions is in
`file_uploader.http.resumable.versions`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from math import ceil
from time import monotonic
from types import MappingProxyType

from starlette.datastructures import Headers
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
from file_uploader.uploads.append import Acknowledge, Piece
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


class Resumable:
    """The endpoints, on any store. ``interim``: whether interim responses may be sent."""

    def __init__(
        self, uploads: Uploads, contents: Contents, limits: TransferLimits, *, interim: bool
    ) -> None:
        self._uploads = uploads
        self._contents = contents
        self._transfer = limits
        self._interim = interim

    @property
    def described(self) -> dict[str, str]:
        """What OPTIONS tells of a resource that takes resumable uploads (4.1.4)."""
        return {"accept-patch": MEDIA_TYPE, **self._limits(NEWEST, self._uploads.expiry)}

    async def create(self, call: Call, version: Version, *, complete: bool) -> Response:
        """Begin an upload, with its first bytes (4.2); ``complete``: they are all there are.

        Everything that can be refused is refused before anything is made. A complete one is served
        as an ordinary request where its client cannot be told the upload's URI in time, or the
        store can keep no upload.
        """
        plan = planned(call)
        if complete and not self._informs(version):
            return await self._at_once(call, version, plan)
        expected, piece = _digests(call, complete=complete)
        plan = replace(plan, digests=expected)
        try:
            length = self._length(call.headers, piece, complete=complete)
            upload = await self._uploads.create(call.container, plan, length)
        except FileUploaderError as error:
            if complete and isinstance(error, ResumableUnsupported):
                return await self._at_once(call, version, plan)
            return self._refusal(version, error)
        place = {"location": call.upload_url(upload.id)}
        if self._informs(version):
            await call.inform(SUPPORTED, {**version.named, **place, **self._left(version, upload)})
        try:
            if complete or piece.length != 0:
                upload = await self._append(call, version, upload.id, piece, 0, final=complete)
        except FileUploaderError as error:
            answer = self._refusal(version, error, place)
            return await self._with_offset(call, version, upload.id, answer)
        return self._accepted(call, version, upload, 201, place)

    async def _at_once(self, call: Call, version: Version, plan: UploadPlan) -> Response:
        """Serve a request that brings all there is, and answer its failure as an upload's."""
        try:
            return await store_whole(self._contents, call, version, plan)
        except FileUploaderError as error:
            return self._refusal(version, error)

    async def head(self, call: Call) -> Response:
        """Tell the offset (4.3)."""
        return await self._answered(call, self._head)

    async def patch(self, call: Call) -> Response:
        """Append the body (4.4)."""
        return await self._answered(call, self._patch)

    async def delete(self, call: Call) -> Response:
        """Forget the upload, never its file (4.5)."""
        return await self._answered(call, self._delete)

    async def _answered(
        self, call: Call, endpoint: Callable[[Call, Version], Awaitable[Response]]
    ) -> Response:
        target.parameters(call.query, ())
        version = version_of(call.headers)
        try:
            return await endpoint(call, version)
        except NoSuchUpload as error:
            return self._refusal(version, error)
        except FileUploaderError as error:
            answer = self._refusal(version, error)
            return await self._with_offset(call, version, target.upload_id(call.path), answer)

    async def _head(self, call: Call, version: Version) -> Response:
        version.refuse_appending(call.headers)
        upload = await self._uploads.look(call.container, target.upload_id(call.path))
        headers = {
            **caching.NOT_KEPT,
            "upload-offset": str(upload.offset),
            **version.says(complete=upload.state is UploadState.COMPLETE),
            **self._left(version, upload),
        }
        if upload.length is not None:
            headers["upload-length"] = str(upload.length)
        return Response(status_code=204, headers=headers)

    async def _patch(self, call: Call, version: Version) -> Response:
        if version.typed:
            require_type(call.headers.get("content-type"), MEDIA_TYPE)
        offset = structured.integer(call.headers, "Upload-Offset")
        if offset is None:
            raise InvalidHeader("Send Upload-Offset with the offset at which these bytes begin.")
        final = version.appends_last(call.headers)
        expected = digests.of_piece(call.headers)
        piece = Piece(incoming(call.receive), content_length(call.headers), expected)
        upload_id = target.upload_id(call.path)
        upload = await self._append(call, version, upload_id, piece, offset, final=final)
        return self._accepted(call, version, upload, version.appended)

    async def _delete(self, call: Call, version: Version) -> Response:
        version.refuse_appending(call.headers)
        await self._uploads.cancel(call.container, target.upload_id(call.path))
        return Response(status_code=204, headers={**caching.PRIVATE, **version.named})

    async def _append(
        self,
        call: Call,
        version: Version,
        upload_id: str,
        piece: Piece,
        offset: int,
        *,
        final: bool,
    ) -> Upload:
        return await self._uploads.append(
            call.container,
            upload_id,
            piece,
            offset=offset,
            length=structured.integer(call.headers, "Upload-Length"),
            final=final,
            repeats=version.repeats,
            acknowledge=self._acknowledge(call, version),
        )

    def _acknowledge(self, call: Call, version: Version) -> Acknowledge:
        """What tells the client how far its upload has come, where it may be told."""
        informs = self._informs(version) and version.progress
        informed = monotonic()

        async def acknowledge(upload: Upload) -> None:
            nonlocal informed
            if informs and monotonic() - informed >= PROGRESS_INTERVAL:
                informed = monotonic()
                offset = {"upload-offset": str(upload.offset)}
                await call.inform(SUPPORTED, {**version.named, **offset})

        return acknowledge

    def _informs(self, version: Version) -> bool:
        return self._interim and version.number is not None

    def _length(self, headers: Headers, piece: Piece, *, complete: bool) -> int | None:
        """The length that a creation says (4.1.3); checked against its own body."""
        size = piece.length
        length = said_length(headers, size, complete=complete)
        self._transfer.check_size(size)
        return size if complete else length

    def _accepted(
        self,
        call: Call,
        version: Version,
        upload: Upload,
        status: int,
        place: Mapping[str, str] = _NOWHERE,
    ) -> Response:
        """The answer to bytes that were all stored: of the upload, or the target's own (4.4)."""
        complete = upload.state is UploadState.COMPLETE
        headers = {
            **caching.PRIVATE,
            **place,
            **version.says(complete=complete),
            "upload-offset": str(upload.offset),
        }
        if upload.result is not None:
            headers["etag"] = f'"{upload.result.etag}"'
            headers.update(digests.described(call.headers, upload.result))
        if complete:
            return Response(status_code=204, headers=headers)
        return Response(status_code=status, headers={**headers, **self._left(version, upload)})

    def _refusal(
        self, version: Version, error: FileUploaderError, place: Mapping[str, str] = _NOWHERE
    ) -> Response:
        """The answer to an error; it says whether the target has refused the whole (4.1.2)."""
        answer = problems.answer(error)
        if isinstance(error, NoSuchUpload):
            return answer
        complete = isinstance(error, PreconditionFailed | DigestMismatch)
        complete = complete and not isinstance(error, PieceMismatch)
        answer.headers.update(version.says(complete=complete))
        if not complete:
            answer.headers.update(place)
        if isinstance(error, OffsetMismatch):
            answer.headers["upload-offset"] = str(error.expected)
        if isinstance(error, FileTooLarge):
            answer.headers.update(self._limits(version, self._uploads.expiry))
        return answer

    async def _with_offset(
        self, call: Call, version: Version, upload_id: str, answer: Response
    ) -> Response:
        """A refusal with the offset of what it leaves there, where the version has that in it."""
        if version.tells_offset and "upload-offset" not in answer.headers:
            with suppress(FileUploaderError, TimeoutError):
                async with asyncio.timeout(_LOOK):
                    left = await self._uploads.peek(call.container, upload_id)
                answer.headers["upload-offset"] = str(left.offset)
        return answer

    def _left(self, version: Version, upload: Upload) -> dict[str, str]:
        return self._limits(version, upload.expires - datetime.now(UTC))

    def _limits(self, version: Version, lifetime: timedelta) -> dict[str, str]:
        """``Upload-Limit`` (4.1.4), where the version has it."""
        if version.lifetime is None:
            return {}
        most = self._transfer.max_size
        limits = {} if most is None else {"max-size": most}
        limits[version.lifetime] = max(0, ceil(lifetime.total_seconds()))
        return {"upload-limit": ", ".join(f"{key}={value}" for key, value in limits.items())}


async def store_whole(
    contents: Contents,
    call: Call,
    version: Version,
    plan: UploadPlan,
    limits: TransferLimits | None = None,
) -> Response:
    """Store what a request brings that says that it is all there is; see `Contents.store`."""
    return await contents.store(
        call,
        plan,
        limits=limits,
        said=said_length(call.headers, content_length(call.headers), complete=True),
        about=version.says(complete=True),
    )


def _digests(call: Call, *, complete: bool) -> tuple[Mapping[str, bytes], Piece]:
    """The digests that the whole must have, and the first piece with those of its own (10).

    Of a request that brings all there is, every digest speaks of the whole, so that what came
    before a cut counts: nothing does of a piece that must have a digest and was cut.
    """
    if complete:
        of_content, of_whole = {}, digests.announced(call.headers)
    else:
        of_content = digests.of_content(call.headers)
        of_whole = digests.announced_by(call.headers, "Repr-Digest")
    piece = Piece(incoming(call.receive), content_length(call.headers), of_content)
    return of_whole, piece
