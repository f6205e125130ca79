"""Records of uploads: one object each, replaced on the condition that it has not changed."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import secrets
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from file_uploader.errors import (
    NoSuchFile,
    NoSuchUpload,
    PreconditionFailed,
    ResumableUnsupported,
    StorageError,
    StorageFailed,
    Superseded,
)
from file_uploader.model.names import Container
from file_uploader.model.uploads import Upload, is_upload_id
from file_uploader.storage import records
from file_uploader.storage.s3.client.client import Client
from file_uploader.storage.s3.client.errors import Conflict, Unsettled
from file_uploader.storage.s3.client.retry import CONTENDED, retry
from file_uploader.storage.s3.keys import RECORD, Keys, etag_of
from file_uploader.storage.s3.write.conditions import Probe
from file_uploader.storage.upkeep import Flaw

_AT_ONCE = 8
"""Records that a list reads at once."""


class Records:
    """The records of all containers.

    A record's text begins with a line that no other has: so the tag that S3 gives it is its
    version, and whoever lost a reply sees in the object whether it is its own.
    """

    def __init__(self, client: Client, probe: Probe, keys: Keys) -> None:
        self._client = client
        self._probe = probe
        self._keys = keys

    async def create(self, container: Container, upload: Upload) -> Upload:
        """Write a record that is not there yet. Raises `ResumableUnsupported`."""
        await self._condition("")
        _, body = _written(upload)
        address = self._keys.ledger(container, upload.id).record
        answer = await self._client.call("put_object", **address, **body)
        return replace(upload, version=etag_of(answer))

    async def load(self, container: Container, upload_id: str) -> Upload:
        """The record as it is. Raises `errors.NoSuchUpload`."""
        upload, _ = await self._read(container, upload_id)
        return upload

    async def swap(self, container: Container, upload: Upload) -> Upload:
        """See `UploadStorage.swap`."""
        address = self._keys.ledger(container, upload.id).record
        condition = await self._condition(upload.version)
        mark, body = _written(upload)
        try:
            answer = await self._put(**address, **body, **condition)
        except (PreconditionFailed, NoSuchFile, StorageError) as error:
            current, found = await self._read(container, upload.id)
            if found == mark:  # It was done, and only the reply was lost.
                return replace(upload, version=current.version)
            if isinstance(error, StorageError) and not isinstance(error, Unsettled):
                raise
            raise Superseded("Another request has taken this upload over.") from None
        return replace(upload, version=etag_of(answer))

    async def remove(self, container: Container, upload_id: str) -> None:
        """Remove a record; it is no error if there is none."""
        address = self._keys.ledger(container, upload_id).record
        await self._client.call("delete_object", **address)

    async def list(self, container: Container) -> AsyncGenerator[Upload | Flaw, None]:
        """The container's records in the order of their ids."""
        prefix = self._keys.ledgers(container)
        async for answer in pages(self._client, self._keys.bucket, prefix):
            keys = (item["Key"].removeprefix(prefix) for item in answer.get("Contents", ()))
            ids = [key.removesuffix(f"/{RECORD}") for key in keys if key.endswith(f"/{RECORD}")]
            ids = [each for each in ids if is_upload_id(each)]  # Others may write there too.
            for start in range(0, len(ids), _AT_ONCE):
                for found in await self._load_all(container, ids[start : start + _AT_ONCE]):
                    yield found

    async def _load_all(
        self, container: Container, upload_ids: Sequence[str]
    ) -> Sequence[Upload | Flaw]:
        loading = (self._load_if_there(container, upload_id) for upload_id in upload_ids)
        return [found for found in await asyncio.gather(*loading) if found is not None]

    async def _load_if_there(self, container: Container, upload_id: str) -> Upload | Flaw | None:
        try:
            return await self.load(container, upload_id)
        except NoSuchUpload:  # removed since it was listed
            return None
        except StorageFailed as error:
            return Flaw(str(error), container, upload_id=upload_id)

    async def _read(self, container: Container, upload_id: str) -> tuple[Upload, str]:
        address = self._keys.ledger(container, upload_id).record
        try:
            answer, text = await self._client.fetch(**address)
        except NoSuchFile:
            raise NoSuchUpload("There is no such upload.") from None
        mark, _, record = text.partition(b"\n")
        return records.loads(record, etag_of(answer), upload_id), mark.decode(errors="replace")

    async def _put(self, **parameters: Any) -> dict[str, Any]:
        put = partial(self._client.call, "put_object", **parameters)
        return await retry(put, on=Conflict, pauses=CONTENDED)

    async def _condition(self, version: str) -> dict[str, Any]:
        """The parameters for "only if it is still this version"."""
        condition = (await self._probe.conditions()).put.replace_only(version)
        if condition is None:
            raise ResumableUnsupported(
                "The object store does not decide conditions; send the file with one PUT."
            )
        return condition


async def pages(client: Client, bucket: str, prefix: str) -> AsyncIterator[dict[str, Any]]:
    """Every object below a prefix, in the order of their keys, as S3 answers: page by page."""
    after = ""
    while True:
        more = {"StartAfter": after} if after else {}
        answer = await client.call("list_objects_v2", Bucket=bucket, Prefix=prefix, **more)
        yield answer
        if not answer.get("IsTruncated") or not answer.get("Contents"):
            return
        if answer["Contents"][-1]["Key"] == after:
            raise StorageFailed("The object store's list does not go on.")
        after = answer["Contents"][-1]["Key"]


def _written(upload: Upload) -> tuple[str, dict[str, Any]]:
    """The mark of a record that is about to be written, and the parameters with its text."""
    mark = secrets.token_hex(16)
    text = f"{mark}\n{records.dumps(upload)}".encode()
    md5 = hashlib.md5(text, usedforsecurity=False).digest()
    return mark, {"Body": text, "ContentMD5": base64.b64encode(md5).decode()}
