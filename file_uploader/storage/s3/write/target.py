"""The moment a write becomes the file: conditions, lost replies, and verdicts."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

from file_uploader.errors import (
    NoSuchFile,
    PreconditionFailed,
    StorageError,
    StorageFailed,
    StorageUnavailable,
)
from file_uploader.model.conditions import UNCONDITIONAL, Precondition
from file_uploader.model.names import Container, FileName
from file_uploader.storage.s3.buffers.part import Part
from file_uploader.storage.s3.client.errors import Conflict
from file_uploader.storage.s3.client.retry import CONTENDED, retry
from file_uploader.storage.s3.client.settle import settle
from file_uploader.storage.s3.keys import file_info, write_id

from .conditions import COMPLETE, DELETE, Support
from .context import Context
from .multipart import check_there, listed

Write = Callable[..., Awaitable[dict[str, Any]]]
"""Makes one write with the given condition parameters and returns S3's answer."""


@dataclass(frozen=True)
class Target:
    """The object that a write is for: a file's name, and on which condition it is written.

    ``own_id`` is in the metadata of the object that this write makes: None for a deletion.
    """

    context: Context
    container: Container
    name: FileName
    own_id: str | None = None
    precondition: Precondition = UNCONDITIONAL

    @cached_property
    def address(self) -> dict[str, str]:
        """The parameters that name it to botocore."""
        return self.context.keys.files(self.container).address(self.name.value)

    async def begin(self, headers: Mapping[str, Any]) -> str:
        """Create a multipart upload that becomes the file with these headers; return its id."""
        call = self.context.buckets.call
        answer = await call("create_multipart_upload", **self.address, **headers)
        return str(answer["UploadId"])

    async def commit(
        self, operation: str, part: Part | None = None, /, **request: Any
    ) -> dict[str, Any]:
        """Make the file with PutObject or CompleteMultipartUpload.

        Returns S3's answer, or the file as HeadObject shows it where the answer was lost. Raises
        `PreconditionFailed` and `StorageError` when the write did not happen, and
        `StorageUnavailable` or `StorageTimeout` when nobody can tell.
        """
        try:
            return await settle(operation, self._write(operation, part, **request), self.found)
        except NoSuchFile:  # a multipart If-Match on what was deleted since
            raise PreconditionFailed("The file was deleted meanwhile.") from None

    async def complete(self, upload_id: str, etags: Mapping[int, str]) -> dict[str, Any]:
        """`commit` a multipart upload of which these are the parts.

        Raises `errors.NoSuchMultipart` where S3 does not have it, or not any more.
        """
        parts = listed(etags)
        try:
            return await self.commit(COMPLETE, UploadId=upload_id, MultipartUpload=parts)
        except (PreconditionFailed, StorageFailed):
            # Whoever judges here may not be the first: if it is complete, or gone, this says so.
            # (Ceph 16 itself says InternalError.)
            await check_there(self.context.client, {**self.address, "UploadId": upload_id})
            raise

    async def delete(self) -> None:
        """Remove the file. Raises `NoSuchFile` and `PreconditionFailed`.

        S3 answers a delete of nothing as a success, so that the file is looked at first.
        """
        if self.precondition:
            await self._write(DELETE)
        else:
            await self.context.client.call("head_object", **self.address)
            await self.context.client.call(DELETE, **self.address)

    async def found(self) -> dict[str, Any] | None:
        """What HeadObject says of the file, if this write has made it. Raises `StorageError`."""
        answer = await self._current()
        return answer if answer is not None and write_id(answer) == self.own_id else None

    async def found_if_seen(self) -> dict[str, Any] | None:
        """`found`, or None where it cannot be seen."""
        with suppress(StorageError):
            return await self.found()
        return None

    async def _current(self) -> dict[str, Any] | None:
        try:
            return await self.context.client.call("head_object", **self.address)
        except NoSuchFile:
            return None

    async def _write(
        self, operation: str, part: Part | None = None, /, **request: Any
    ) -> dict[str, Any]:
        """Write on the condition, again where S3 refuses as another write is under way (409)."""
        call = self.context.buckets.call
        write: Write = partial(call, operation, part, **{**self.address, **request})
        if self.precondition:
            support = (await self.context.probe.conditions()).of(operation)
            created = support.create_only() if self.precondition.create_only else None
            if created is None:
                return await self._checked(support, write)
            write = partial(write, **created)
        return await retry(write, on=Conflict, pauses=CONTENDED)

    async def _checked(self, support: Support, write: Write) -> dict[str, Any]:
        """Look at the file, and write on the condition that it is still what was looked at.

        Where that condition is not native, there is a moment in between.
        """
        for pause in CONTENDED:
            answer = await self._current()
            if answer is None:
                if self.own_id is None:
                    raise NoSuchFile("There is no such file.")
                self.precondition.check(None)
                condition = support.create_only()
            else:
                if self.own_id is not None and write_id(answer) == self.own_id:
                    raise PreconditionFailed("Written already.")  # by us: `settle` looks
                info = file_info(self.name, answer)
                self.precondition.check(info)
                condition = support.replace_only(info.etag)
            try:
                return await write(**(condition or {}))
            except Conflict:
                pass
            except (PreconditionFailed, NoSuchFile):
                if condition is None:
                    raise
            await asyncio.sleep(pause)
        raise StorageUnavailable("Too many others write this file right now; try again.")
