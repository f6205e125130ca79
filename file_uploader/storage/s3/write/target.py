"""The moment a write becomes the file: conditions, lost replies, and verdicts.

A reply can be lost after the store has done the work, and the request that is then repeated fails:
NoSuchMultipart, or 412 for a condition that our own first try made untrue. So every object carries
the id of the write that made it, and before any verdict of failure the object is looked at.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar

from file_uploader.errors import (
    FileUploaderError,
    NoSuchFile,
    PreconditionFailed,
    StorageError,
    StorageFailed,
    StorageTimeout,
    StorageUnavailable,
)
from file_uploader.model.conditions import Precondition
from file_uploader.model.files import FileInfo
from file_uploader.model.names import FileName
from file_uploader.storage.s3.buckets import Buckets
from file_uploader.storage.s3.client.client import Client
from file_uploader.storage.s3.client.errors import Conflict
from file_uploader.storage.s3.client.retry import CONTENDED, retry
from file_uploader.storage.s3.keys import Place, file_info, write_id

from .conditions import Probe, Support
from .multipart import Address, check_there, listed

T = TypeVar("T")

logger = logging.getLogger(__name__)

Write = Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]
"""Makes one write with the given condition parameters and returns S3's answer."""


class Target:
    """The object that a write is for: a file's name in its place."""

    def __init__(
        self, client: Client, probe: Probe, buckets: Buckets, place: Place, name: FileName
    ) -> None:
        self.client = client
        self.name = name
        self._probe = probe
        self._buckets = buckets
        self._place = place

    @property
    def address(self) -> dict[str, str]:
        """The parameters that name the object to botocore."""
        return self._place.address(self.name)

    async def with_bucket(self, request: Callable[[], Awaitable[T]]) -> T:
        """Make a request, and first the container's own bucket if that is what it lacks."""
        return await self._buckets.with_bucket(self._place, request)

    async def head(self) -> tuple[FileInfo, str | None]:
        """The current version, and the id of the write that made it. Raises `NoSuchFile`."""
        answer = await self.client.call("head_object", **self.address)
        return file_info(self.name, answer), write_id(answer)

    async def current(self) -> tuple[FileInfo | None, str | None]:
        """`head`, or None for a file that is not there."""
        try:
            return await self.head()
        except NoSuchFile:
            return None, None

    async def put(
        self, operation: str, write: Write, precondition: Precondition, own_id: str
    ) -> dict[str, Any] | FileInfo:
        """Commit with PutObject (``put``) or CompleteMultipartUpload (``complete``).

        Returns S3's answer, or the file as it is where the answer was lost. Raises
        `PreconditionFailed` and `StorageError` when the write did not happen, and
        `StorageUnavailable` or `StorageTimeout` when nobody can tell.
        """
        try:
            return await self._write(operation, write, precondition, own_id)
        except (PreconditionFailed, StorageError, NoSuchFile) as error:
            done = await self.done_after(error, own_id)
            if done is not None:
                logger.info("S3 %s had been done although it seemed to fail", operation)
                return done
            if isinstance(error, NoSuchFile):  # a multipart If-Match on what was deleted since
                raise PreconditionFailed("The file was deleted meanwhile.") from None
            raise

    async def begin(self, headers: Mapping[str, Any]) -> str:
        """Create a multipart upload that becomes the file with these headers; return its id."""

        async def create() -> dict[str, Any]:
            return await self.client.call("create_multipart_upload", **self.address, **headers)

        answer = await self.with_bucket(create)
        upload_id: str = answer["UploadId"]
        return upload_id

    async def complete(
        self,
        address: Address,
        etags: Mapping[int, str],
        precondition: Precondition,
        own_id: str,
    ) -> dict[str, Any] | FileInfo:
        """`put` with a multipart upload of which these are the parts.

        Raises `errors.NoSuchMultipart` where S3 does not have it, or not any more.
        """

        async def write(condition: dict[str, Any]) -> dict[str, Any]:
            return await self.client.call(
                "complete_multipart_upload", **address, MultipartUpload=listed(etags), **condition
            )

        try:
            return await self.put("complete", write, precondition, own_id)
        except (PreconditionFailed, StorageFailed):
            # Whoever judges here may not be the first: if it is complete, or gone, this says so.
            # (Ceph 16 itself says InternalError.)
            await check_there(self.client, address)
            raise

    async def delete(self, precondition: Precondition) -> None:
        """Remove the file. Raises `NoSuchFile` and `PreconditionFailed`.

        S3 answers a delete of nothing as a success, so that the file is looked at first.
        """

        async def write(condition: dict[str, Any]) -> dict[str, Any]:
            return await self.client.call("delete_object", **self.address, **condition)

        if precondition:
            await self._write("delete", write, precondition, own_id=None)
        else:
            await self.head()
            await write({})

    async def found(self, own_id: str) -> FileInfo | None:
        """The file, if it is the one that this write made. Raises `StorageError`."""
        info, found_id = await self.current()
        return info if found_id == own_id else None

    async def done_after(self, failure: FileUploaderError, own_id: str) -> FileInfo | None:
        """`found`, for a write that seems to have failed.

        Where that cannot be seen it raises `StorageUnavailable` or `StorageTimeout`, whatever the
        failure: who has to say "not done" has to have looked.
        """
        try:
            return await self.found(own_id)
        except StorageError:
            if isinstance(failure, StorageUnavailable | StorageTimeout):
                raise failure from None
            raise StorageUnavailable("The store does not show what was written.") from None

    async def found_if_seen(self, own_id: str) -> FileInfo | None:
        """`found`, or None where it cannot be seen."""
        try:
            return await self.found(own_id)
        except StorageError:
            return None

    async def _write(
        self, operation: str, write: Write, precondition: Precondition, own_id: str | None
    ) -> dict[str, Any]:
        async def attempt(condition: dict[str, Any]) -> dict[str, Any]:
            return await self.with_bucket(lambda: write(condition))

        if not precondition:
            return await _uncontended(lambda: attempt({}))
        conditions = await self._probe.conditions()
        support: Support = getattr(conditions, operation)
        if precondition.create_only and (condition := support.create_only()) is not None:
            return await _uncontended(lambda: attempt(condition))
        return await self._checked(support, attempt, precondition, own_id)

    async def _checked(
        self, support: Support, write: Write, precondition: Precondition, own_id: str | None
    ) -> dict[str, Any]:
        """Look at the file, and write on the condition that it is still what was looked at.

        Where that condition is not native, there is a moment in between.
        """
        for pause in CONTENDED:
            found, found_id = await self.current()
            if own_id is not None and found_id == own_id:
                raise PreconditionFailed("Written already.")  # by us: `put` looks, and says so
            if found is None and own_id is None:
                raise NoSuchFile("There is no such file.")
            precondition.check(found)
            condition = support.create_only() if found is None else support.replace_only(found.etag)
            try:
                return await write(condition or {})
            except Conflict:
                pass
            except (PreconditionFailed, NoSuchFile):
                if condition is None:
                    raise
            await asyncio.sleep(pause)
        raise StorageUnavailable("Too many others write this file right now; try again.")


async def _uncontended(write: Callable[[], Awaitable[T]]) -> T:
    """Repeat a write that S3 refuses because another one is under way (409)."""
    return await retry(write, on=Conflict, pauses=CONTENDED)
