"""Which conditions the provider decides itself, atomically with the write.

S3 has them on PutObject, CompleteMultipartUpload and DeleteObject, but other providers ignore some
(and answer as if all were well), or want the tag of ``If-Match`` without its quotes. Nobody
documents this reliably, so a probe writes an object and looks what happens.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

from file_uploader.errors import FileUploaderError, NoSuchFile, PreconditionFailed
from file_uploader.storage.s3.client.client import Client
from file_uploader.storage.s3.client.errors import Unsettled, Unsupported
from file_uploader.storage.s3.client.retry import UNSETTLED, retry
from file_uploader.storage.s3.keys import PROBES, etag_of
from file_uploader.transfer.tasks import OwnedTasks, outcome

from .multipart import listed

logger = logging.getLogger(__name__)

PUT, COMPLETE, DELETE = "put_object", "complete_multipart_upload", "delete_object"
_WRONG = "0" * 32


@dataclass(frozen=True, slots=True)
class Support:
    """What one operation decides natively. ``if_match`` is the form its tag has to have."""

    if_none_match: bool = False
    if_match: str | None = None

    def create_only(self) -> dict[str, Any] | None:
        """The parameters for "only if there is nothing yet"; None if that is not native."""
        return {"IfNoneMatch": "*"} if self.if_none_match else None

    def replace_only(self, etag: str) -> dict[str, Any] | None:
        """The parameters for "only if it is still this version"; None if that is not native."""
        return {"IfMatch": self.if_match.format(etag)} if self.if_match else None


@dataclass(frozen=True, slots=True)
class Conditions:
    """What the provider decides natively, by operation."""

    put: Support
    complete: Support
    delete: Support

    def of(self, operation: str) -> Support:
        """Those of an operation, by botocore's name of it."""
        return {PUT: self.put, COMPLETE: self.complete, DELETE: self.delete}[operation]


class Probe:
    """Finds `Conditions` out once, when they are first needed.

    A failure is that of everybody who waited for it; whoever comes later tries again. It goes on
    when nobody waits any more, among the ``tasks`` that the store ends with: it cleans up.
    """

    def __init__(self, client: Client, bucket: str, tasks: OwnedTasks) -> None:
        self._client = client
        self._bucket = bucket
        self._tasks = tasks
        self._found: Conditions | None = None
        self._probing: asyncio.Task[Conditions] | None = None

    async def conditions(self) -> Conditions:
        """What the provider decides natively. Raises `StorageError` if it cannot be found out."""
        if self._found is not None:
            return self._found
        if self._probing is None or self._probing.done():
            self._probing = self._tasks.start(self._probe())
        return await outcome(self._probing)

    async def _probe(self) -> Conditions:
        """Probe all operations at once, and return when nothing of it is under way."""
        probing = (self._support(operation) for operation in (PUT, COMPLETE, DELETE))
        found = await asyncio.gather(*probing, return_exceptions=True)
        for each in found:
            if isinstance(each, BaseException):
                raise each
        self._found = Conditions(*(each for each in found if isinstance(each, Support)))
        logger.info("conditions decided by the object store: %s", self._found)
        return self._found

    async def _support(self, operation: str) -> Support:
        """Try an operation on an object of its own, with conditions that hold or do not.

        An answer that does not tell which of two tries it is for says nothing about conditions.
        """
        address = {"Bucket": self._bucket, "Key": PROBES + secrets.token_hex(16)}
        find = partial(self._find, operation, address)
        return await retry(find, on=Unsettled, pauses=UNSETTLED)

    async def _find(self, operation: str, address: dict[str, str]) -> Support:
        refused = partial(self._refused, operation, address)
        try:
            await self._try(PUT, address)
            none_match = operation != DELETE and await refused(IfNoneMatch="*")
            for form in ('"{}"', "{}"):
                etag = etag_of(await self._try(PUT, address))
                wrong, right = ({"IfMatch": form.format(tag)} for tag in (_WRONG, etag))
                if await refused(**wrong) and not await refused(**right):
                    return Support(none_match, form)
            return Support(none_match)
        finally:
            with suppress(FileUploaderError):
                await self._client.call("delete_object", **address)

    async def _refused(self, operation: str, address: dict[str, str], **condition: str) -> bool:
        """Whether the condition was looked at and found not to hold."""
        try:
            await self._try(operation, address, **condition)
        except PreconditionFailed:
            return True
        except (Unsupported, NoSuchFile) as error:
            logger.info("the object store refuses %s: %s", condition, error)
        return False

    async def _try(
        self, operation: str, address: dict[str, str], **condition: str
    ) -> dict[str, Any]:
        call = self._client.call
        if operation != COMPLETE:
            body = {"Body": b"probe"} if operation == PUT else {}
            return await call(operation, **address, **body, **condition)
        created = await call("create_multipart_upload", **address)
        address = {**address, "UploadId": created["UploadId"]}
        try:
            part = await call("upload_part", **address, PartNumber=1, Body=b"probe")
            parts = listed({1: part["ETag"]})
            return await call(operation, **address, MultipartUpload=parts, **condition)
        except BaseException:
            with suppress(FileUploaderError):
                await call("abort_multipart_upload", **address)
            raise
