"""The dialect of tus 1.0.0, with its extensions.

Sections named here are those of the protocol's text. What holds for every request and answer of
it, its version and the method that a header may name, is in `file_uploader.http.tus.protocol`.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass

from starlette.responses import Response

from file_uploader.errors import (
    BodyError,
    FileTooLarge,
    FileUploaderError,
    InconsistentLength,
    InvalidHeader,
    InvalidName,
    NoSuchUpload,
    NotAppendable,
    Overloaded,
    PieceMismatch,
    StorageError,
    Superseded,
)
from file_uploader.http import caching, problems
from file_uploader.http.fields import conditions, digests, metadata, target
from file_uploader.http.fields.headers import bytes_number, content_length, has_body
from file_uploader.http.fields.negotiation import require_type
from file_uploader.http.refusals import ChecksumMismatch, UnsupportedTusVersion
from file_uploader.http.routing import Call
from file_uploader.http.streams import incoming
from file_uploader.model.files import Metadata, TransferLimits
from file_uploader.model.names import FileName
from file_uploader.model.uploads import Upload, UploadPlan, UploadState, upload_created
from file_uploader.uploads.append import Piece
from file_uploader.uploads.rules import Uploads

from . import headers as tus_headers

MEDIA_TYPE = "application/offset+octet-stream"
EXTENSIONS = (
    "creation",
    "creation-with-upload",
    "creation-defer-length",
    "termination",
    "checksum",
    "expiration",
    "concatenation",
)

_NOTED = {"tus_metadata": "upload-metadata", "tus_concat": "upload-concat"}
"""Headers of the creation that are given back word for word, by the note that they are kept in."""

_LEFT_TO_RESUME = (BodyError, ChecksumMismatch, StorageError, Overloaded, Superseded)
"""How the first bytes of an upload may fail so that it is still there, as if none had come."""


def described(limits: TransferLimits) -> dict[str, str]:
    """What OPTIONS tells ("OPTIONS" and "Tus-Checksum-Algorithm")."""
    said = {
        "Tus-Version": tus_headers.VERSION,
        "Tus-Extension": ",".join(EXTENSIONS),
        "Tus-Checksum-Algorithm": ",".join(tus_headers.ALGORITHMS),
    }
    if limits.max_size is not None:
        said["Tus-Max-Size"] = str(limits.max_size)
    return said


@dataclass(frozen=True, slots=True)
class Tus:
    """The endpoints, on any store."""

    uploads: Uploads
    limits: TransferLimits

    async def create(self, call: Call) -> Response:
        """Begin an upload, with its first bytes where there are some; or put others together.

        Everything that can be refused is refused before anything is made.
        """
        if "tus-resumable" not in call.headers:
            raise UnsupportedTusVersion(tus_headers.VERSION)
        target.parameters(call.query, ())
        concat = tus_headers.concat(call.headers, call.path)
        plan = _plan(call, concat)
        expected = tus_headers.digests_of(call.headers)
        if plan.sources:
            _check_concatenation(call, expected)
            return _created(call, await self.uploads.concatenate(call.container, plan))
        length = tus_headers.length_or_deferred(call.headers)
        piece = self._first_piece(call, length, expected)
        upload = await self.uploads.create(call.container, plan, length)
        if piece is None:
            return _created(call, upload)
        try:
            return _created(call, await self._append(call, upload.id, piece, offset=0))
        except FileTooLarge:
            with suppress(FileUploaderError):  # nobody else knows of it
                await self.uploads.cancel(call.container, upload.id)
            raise
        except _LEFT_TO_RESUME as error:
            answer = problems.answer(error)
            answer.headers.update(_place(call, upload))
            if isinstance(error, BodyError | ChecksumMismatch):
                with suppress(FileUploaderError):
                    left = await self.uploads.peek(call.container, upload.id)
                    answer.headers["upload-offset"] = str(left.offset)
            return answer

    async def head(self, call: Call) -> Response:
        """Tell the offset, and what the creation said."""
        target.parameters(call.query, ())
        upload = await self.uploads.look(call.container, target.upload_id(call.path))
        headers = {**caching.PRIVATE, "upload-offset": str(upload.offset), **_expires(upload)}
        if upload.length is None:
            headers["upload-defer-length"] = "1"
        else:
            headers["upload-length"] = str(upload.length)
        for note, header in _NOTED.items():
            if note in upload.plan.notes:
                headers[header] = upload.plan.notes[note]
        return Response(headers=headers)

    async def patch(self, call: Call) -> Response:
        """Append the body."""
        upload_id = target.upload_id(call.path)
        try:
            upload = await self._patch(call, upload_id)
        except NoSuchUpload:
            raise
        except StorageError as error:
            # "Upload-Expires": in every answer to a PATCH, also where the record cannot be read.
            answer = problems.answer(error)
            expires = upload_created(upload_id) + self.uploads.expiry
            answer.headers["upload-expires"] = conditions.http_date(expires)
            return answer
        except FileUploaderError as error:
            answer = problems.answer(error)
            with suppress(FileUploaderError):
                left = await self.uploads.peek(call.container, upload_id)
                answer.headers.update(_expires(left))
            return answer
        return Response(status_code=204, headers=_appended(call, upload))

    async def delete(self, call: Call) -> Response:
        """Forget the upload, never its file ("Termination")."""
        target.parameters(call.query, ())
        await self.uploads.cancel(call.container, target.upload_id(call.path))
        return Response(status_code=204, headers=caching.PRIVATE)

    def _first_piece(
        self, call: Call, length: int | None, expected: dict[str, bytes]
    ) -> Piece | None:
        """What the creation brings ("Creation With Upload"); None if nothing is to be appended."""
        size = content_length(call.headers)
        if has_body(call.headers.raw):
            require_type(call.headers.get("content-type"), MEDIA_TYPE)
        elif length != 0 and not expected:
            return None
        if size is not None and length is not None and size > length:
            raise InconsistentLength(f"Upload-Length is {length}, and this body has {size} bytes.")
        self.limits.check_size(size)
        return Piece(incoming(call.receive), size, expected)

    async def _patch(self, call: Call, upload_id: str) -> Upload:
        target.parameters(call.query, ())
        require_type(call.headers.get("content-type"), MEDIA_TYPE)
        offset = bytes_number(call.headers, "Upload-Offset")
        if offset is None:
            raise InvalidHeader("Send Upload-Offset with the offset at which these bytes begin.")
        length = tus_headers.length(call.headers)
        expected = tus_headers.digests_of(call.headers, goes_on=True)
        piece = Piece(incoming(call.receive), content_length(call.headers), expected)
        return await self._append(call, upload_id, piece, offset=offset, length=length)

    async def _append(
        self, call: Call, upload_id: str, piece: Piece, *, offset: int, length: int | None = None
    ) -> Upload:
        try:
            return await self.uploads.append(
                call.container, upload_id, piece, offset=offset, length=length
            )
        except PieceMismatch as error:
            raise ChecksumMismatch(str(error)) from None


def _check_concatenation(call: Call, expected: Mapping[str, bytes]) -> None:
    if "upload-length" in call.headers or "upload-defer-length" in call.headers:
        raise InvalidHeader(
            "A final upload is as long as its parts; send neither Upload-Length nor"
            " Upload-Defer-Length."
        )
    if expected or has_body(call.headers.raw):
        raise NotAppendable(
            "A final upload is put together from others; send neither a body nor its digest."
        )


def _plan(call: Call, concat: tus_headers.Concat | None) -> UploadPlan:
    given, said = tus_headers.metadata(call.headers)
    notes = {} if given is None else {"tus_metadata": given}
    if concat is not None:
        notes["tus_concat"] = concat.given
    partial = concat is not None and not concat.sources
    return UploadPlan(
        name=None if partial else _name(said),
        metadata=metadata.read(call.headers, _content_type(said)),
        precondition=conditions.write_precondition(call.headers),
        digests=digests.announced_by(call.headers, "Repr-Digest"),
        sources=() if concat is None else concat.sources,
        notes=notes,
    )


def _name(said: Mapping[str, bytes]) -> FileName:
    """``filename``, or what else clients call it, in the folders of ``relativePath``.

    That is what browsers know of a file in a folder, its own name with it. A name that has folders
    in it is the whole name already.
    """
    name = said.get("filename", said.get("name"))
    path = _said(said, "relativePath").removeprefix(b"/")
    if name is None and not path:
        raise InvalidHeader(
            "Upload-Metadata has to hold the file's name as 'filename', in base64; only partial"
            " uploads need none."
        )
    if name is None:
        name = path
    elif b"/" not in name:
        folders, slash, _ = path.rpartition(b"/")
        name = folders + slash + name
    try:
        return FileName(name.decode())
    except UnicodeDecodeError:
        raise InvalidName("The file's name in Upload-Metadata has to be UTF-8.") from None


def _content_type(said: Mapping[str, bytes]) -> str:
    given = (_said(said, "filetype") or _said(said, "type")).decode("latin-1").strip()
    return given or Metadata().content_type


def _said(said: Mapping[str, bytes], key: str) -> bytes:
    """A value that may be missing, also as JavaScript writes that down."""
    value = said.get(key, b"")
    return b"" if value in (b"null", b"undefined") else value


def _created(call: Call, upload: Upload) -> Response:
    headers = {**_appended(call, upload), **_place(call, upload)}
    return Response(status_code=201, headers=headers)


def _place(call: Call, upload: Upload) -> dict[str, str]:
    return {"location": call.upload_url(upload.id), **_expires(upload)}


def _appended(call: Call, upload: Upload) -> dict[str, str]:
    """The headers of what went well, and once the file is there those of its PUT."""
    headers = {**caching.PRIVATE, "upload-offset": str(upload.offset), **_expires(upload)}
    if upload.result is not None:
        headers["etag"] = f'"{upload.result.etag}"'
        headers.update(digests.described(call.headers, upload.result))
    return headers


def _expires(upload: Upload) -> dict[str, str]:
    """``Upload-Expires`` ("Expiration"): until when there is something to lose."""
    if upload.state is UploadState.COMPLETE and upload.plan.name is not None:
        return {}
    return {"upload-expires": conditions.http_date(upload.expires)}
