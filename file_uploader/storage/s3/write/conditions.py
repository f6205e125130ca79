"""Which conditions the provider decides itself, atomically with the write.

S3 has them on PutObject, CompleteMultipartUpload and DeleteObject, but other providers ignore some
(and answer as if all were well), or want the tag of ``If-Match`` without its quotes. Nobody
documents this reliably, so a probe writes an object and looks what happens.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from file_uploader.errors import FileUploaderError, NoSuchFile, PreconditionFailed, StorageError
from file_uploader.storage.s3.client.client import Client
from file_uploader.storage.s3.client.errors import Unsettled, Unsupported
from file_uploader.storage.s3.client.retry import UNSETTLED, retry
from file_uploader.storage.s3.keys import PROBES, etag_of
from file_uploader.transfer.tasks import OwnedTasks

logger = logging.getLogger(__name__)

Try = Callable[[dict[str, Any]], Awaitable[object]]
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
        if self._probing is None:
            self._probing = self._tasks.start(self._probe())
            self._probing.add_done_callback(self._probed)
        return await asyncio.shield(self._probing)

    def _probed(self, probing: asyncio.Task[Conditions]) -> None:
        self._probing = None
        if not probing.cancelled() and probing.exception() is None:
            self._found = probing.result()
            logger.info("conditions decided by the object store: %s", self._found)

    async def _probe(self) -> Conditions:
        """Probe all operations at once, and return when nothing of it is under way."""
        probes = (
            self._attempts().put_support(),
            self._attempts().complete_support(),
            self._attempts().delete_support(),
        )
        found = await asyncio.gather(*probes, return_exceptions=True)
        for each in found:
            if isinstance(each, BaseException):
                raise each
        return Conditions(*(each for each in found if isinstance(each, Support)))

    def _attempts(self) -> _Attempts:
        key = PROBES + secrets.token_hex(16)
        return _Attempts(self._client, {"Bucket": self._bucket, "Key": key})


class _Attempts:
    """What one operation does, tried on an object of its own."""

    def __init__(self, client: Client, address: dict[str, str]) -> None:
        self._client = client
        self._address = address

    async def put_support(self) -> Support:
        return await self._support(self._put)

    async def complete_support(self) -> Support:
        return await self._support(self._complete)

    async def delete_support(self) -> Support:
        return await self._support(self._delete, writes=False)

    async def _support(self, attempt: Try, *, writes: bool = True) -> Support:
        """Try an operation on an object that is there, with conditions that hold or do not.

        An answer that does not tell which of two tries it is for says nothing about conditions.
        """
        find = partial(self._find, attempt, writes=writes)
        return await retry(find, on=Unsettled, pauses=UNSETTLED)

    async def _find(self, attempt: Try, *, writes: bool) -> Support:
        try:
            await self._put({})
            none_match = writes and await self._refused(attempt, {"IfNoneMatch": "*"})
            for form in ('"{}"', "{}"):
                etag = etag_of(await self._put({}))
                wrong, right = ({"IfMatch": form.format(tag)} for tag in (_WRONG, etag))
                if await self._refused(attempt, wrong) and not await self._refused(attempt, right):
                    return Support(none_match, form)
            return Support(none_match)
        finally:
            with contextlib.suppress(FileUploaderError):
                await self._client.call("delete_object", **self._address)

    async def _refused(self, attempt: Try, condition: dict[str, Any]) -> bool:
        """Whether the condition was looked at and found not to hold."""
        try:
            await attempt(condition)
        except PreconditionFailed:
            return True
        except (Unsupported, NoSuchFile) as error:
            logger.info("the object store refuses %s: %s", condition, error)
        return False

    async def _put(self, condition: dict[str, Any]) -> dict[str, Any]:
        return await self._client.call("put_object", **self._address, Body=b"probe", **condition)

    async def _delete(self, condition: dict[str, Any]) -> None:
        await self._client.call("delete_object", **self._address, **condition)

    async def _complete(self, condition: dict[str, Any]) -> None:
        created = await self._client.call("create_multipart_upload", **self._address)
        upload = {**self._address, "UploadId": created["UploadId"]}
        done = False
        try:
            part = await self._client.call("upload_part", **upload, PartNumber=1, Body=b"probe")
            listed = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
            await self._client.call(
                "complete_multipart_upload", **upload, MultipartUpload=listed, **condition
            )
            done = True
        finally:
            if not done:
                with contextlib.suppress(StorageError):
                    await self._client.call("abort_multipart_upload", **upload)
