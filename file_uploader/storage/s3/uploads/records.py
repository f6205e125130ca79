"""Records of uploads: one object each, replaced on the condition that it has not changed."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import secrets
from collections.abc import AsyncGenerator
from dataclasses import replace
from functools import partial
from typing import Any

from file_uploader.errors import (
    NoSuchFile,
    NoSuchUpload,
    PreconditionFailed,
    ResumableUnsupported,
    StorageFailed,
    Superseded,
)
from file_uploader.model.names import Container
from file_uploader.model.uploads import Upload, is_upload_id
from file_uploader.storage import records
from file_uploader.storage.s3.client.errors import Conflict, Unsettled
from file_uploader.storage.s3.client.retry import CONTENDED, retry
from file_uploader.storage.s3.client.settle import settle
from file_uploader.storage.s3.keys import RECORD, etag_of
from file_uploader.storage.s3.listing import pages
from file_uploader.storage.s3.write.context import Context
from file_uploader.storage.upkeep import Flaw

_AT_ONCE = 8
"""Records that a list reads at once."""


class Records:
    """The records of all containers.

    A record's text begins with a line that no other has: so the tag that S3 gives it is its
    version, and whoever lost a reply sees in the object whether it is its own.
    """

    def __init__(self, context: Context) -> None:
        self._client = context.client
        self._probe = context.probe
        self._keys = context.keys

    async def create(self, container: Container, upload: Upload) -> Upload:
        """Write a record that is not there yet. Raises `ResumableUnsupported`."""
        await self._condition("")
        request, _ = self._written(container, upload)
        answer = await self._client.call("put_object", **request)
        return replace(upload, version=etag_of(answer))

    async def load(self, container: Container, upload_id: str) -> Upload:
        """The record as it is. Raises `errors.NoSuchUpload`."""
        answer = await self._read(container, upload_id)
        _, _, record = answer["Body"].partition(b"\n")
        return records.loads(record, etag_of(answer), upload_id)

    async def swap(self, container: Container, upload: Upload) -> Upload:
        """See `UploadStorage.swap`."""
        condition = await self._condition(upload.version)
        request, mark = self._written(container, upload)
        put = partial(self._client.call, "put_object", **request, **condition)
        swapping = retry(put, on=Conflict, pauses=CONTENDED)
        look = partial(self._found, container, upload.id, mark)
        try:
            answer = await settle("swap of a record", swapping, look)
        except (PreconditionFailed, NoSuchFile, Unsettled):
            raise Superseded("Another request has taken this upload over.") from None
        return replace(upload, version=etag_of(answer))

    async def remove(self, container: Container, upload_id: str) -> None:
        """Remove a record; it is no error if there is none."""
        address = self._keys.upload(container, upload_id).address(RECORD)
        await self._client.call("delete_object", **address)

    async def list(self, container: Container) -> AsyncGenerator[Upload | Flaw, None]:
        """The container's records in the order of their ids."""
        below = self._keys.uploads(container)
        async for answer in pages(self._client, below.bucket, below.prefix):
            keys = (item["Key"].removeprefix(below.prefix) for item in answer.get("Contents", ()))
            ids = [key.removesuffix(f"/{RECORD}") for key in keys if key.endswith(f"/{RECORD}")]
            ids = [each for each in ids if is_upload_id(each)]  # Others may write there too.
            for start in range(0, len(ids), _AT_ONCE):
                some = ids[start : start + _AT_ONCE]
                loading = (self._load_if_there(container, each) for each in some)
                for found in await asyncio.gather(*loading):
                    if found is not None:
                        yield found

    async def _load_if_there(self, container: Container, upload_id: str) -> Upload | Flaw | None:
        try:
            return await self.load(container, upload_id)
        except NoSuchUpload:  # removed since it was listed
            return None
        except StorageFailed as error:
            return Flaw(str(error), container, upload_id=upload_id)

    async def _read(self, container: Container, upload_id: str) -> dict[str, Any]:
        address = self._keys.upload(container, upload_id).address(RECORD)
        try:
            return await self._client.fetch(**address)
        except NoSuchFile:
            raise NoSuchUpload("There is no such upload.") from None

    async def _found(
        self, container: Container, upload_id: str, mark: str
    ) -> dict[str, Any] | None:
        """The record, if it begins with this mark."""
        answer = await self._read(container, upload_id)
        return answer if answer["Body"].startswith(mark.encode()) else None

    def _written(self, container: Container, upload: Upload) -> tuple[dict[str, Any], str]:
        """The request that writes the record, and the mark that it begins with."""
        mark = secrets.token_hex(16)
        text = f"{mark}\n{records.dumps(upload)}".encode()
        md5 = base64.b64encode(hashlib.md5(text, usedforsecurity=False).digest()).decode()
        address = self._keys.upload(container, upload.id).address(RECORD)
        return {**address, "Body": text, "ContentMD5": md5}, mark

    async def _condition(self, version: str) -> dict[str, Any]:
        """The parameters for "only if it is still this version"."""
        condition = (await self._probe.conditions()).put.replace_only(version)
        if condition is None:
            raise ResumableUnsupported(
                "The object store does not decide conditions; send the file with one PUT."
            )
        return condition
