"""What failures left behind in the buckets, how it goes, and what else is not as it should be."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import AsyncIterator, Collection
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from file_uploader.errors import FileUploaderError, NoSuchFile, StorageFailed, Superseded
from file_uploader.errors import NoSuchUpload as NoLedger
from file_uploader.model import Container, UploadState, is_upload_id, upload_created
from file_uploader.storage.upkeep import Flaw, Leftover, Swept

from .buckets import Buckets
from .client import Client
from .errors import NoSuchBucket, NoSuchUpload
from .held import Held
from .keys import FILES, PROBES, RECORD, UPLOADS, Layout, date_of
from .ledger import pages
from .multipart import parts_size
from .uploads import S3Uploads

logger = logging.getLogger(__name__)

_DEPTH = 4
"""Parts of the key of what an upload keeps: ``uploads/<container>/<id>/<name>``."""


LONGEST_QUIET = timedelta(days=1)
"""A record that was written later than this, or than the expiry, is not looked at: a finished
upload is kept that long, and an unfinished one as a rule longer."""


class Upkeep:
    """Looks after what is in the buckets.

    ``live`` are the ids of multipart uploads that this process is working on; those that a record
    names are live as long as that is.
    """

    def __init__(
        self,
        client: Client,
        buckets: Buckets,
        layout: Layout,
        uploads: S3Uploads,
        *,
        expiry: timedelta,
        live: Collection[str],
    ) -> None:
        self._client = client
        self._buckets = buckets
        self._layout = layout
        self._uploads = uploads
        self._expiry = expiry
        self._live = live

    async def sweep(self, *, dry: bool) -> Swept:
        """Remove uploads that are over, and multipart uploads and probes older than the expiry.

        With ``dry`` only look. Ages are taken from the store's clock. MinIO lists multipart uploads
        by exact key only, and so shows none that no record names: there, its own expiry of stale
        uploads does the work.
        """
        swept = Swept()
        busy: set[str | None] = set(self._live)
        async for found in _ledgers(self._client, self._layout.bucket):
            with contextlib.suppress(NoLedger, Superseded):  # changed meanwhile
                busy |= await self._end_if_over(found, swept, dry=dry)
        for bucket in await self._buckets.all():
            with contextlib.suppress(NoSuchBucket):  # removed meanwhile
                await self._abort_uploads(bucket, FILES, busy, swept, dry=dry)
        await self._abort_uploads(self._layout.bucket, UPLOADS, busy, swept, dry=dry)
        await self._remove_probes(swept, dry=dry)
        return swept

    async def examine(self) -> AsyncIterator[Flaw]:
        """Yield the uploads whose records cannot be read."""
        async for found in _ledgers(self._client, self._layout.bucket):
            if found.has_record:
                try:
                    await self._uploads.load(found.container, found.upload_id)
                except NoLedger:  # removed meanwhile
                    pass
                except StorageFailed as error:
                    yield Flaw(str(error), found.container, upload_id=found.upload_id)

    async def _end_if_over(self, found: _Ledger, swept: Swept, *, dry: bool) -> set[str | None]:
        """Remove an upload that is over; return the multipart uploads of one that is not."""
        quiet = _expired(found.newest, found.now, min(self._expiry, LONGEST_QUIET))
        if not found.has_record:
            if _expired(found.newest, found.now, self._expiry):
                swept.add(Leftover.UNFINISHED, 1, found.size)
                if not dry:
                    await self._uploads.remove_objects(found.container, found.upload_id)
            return set()
        if not quiet and not _expired(upload_created(found.upload_id), found.now, self._expiry):
            return set()
        upload = await self._uploads.load(found.container, found.upload_id)
        held = Held.of(upload)
        cancelled = upload.state is UploadState.CANCELLED
        over = cancelled or upload.expires <= datetime.now(UTC)
        if over and not dry:
            ended = replace(upload, state=UploadState.CANCELLED)
            if not cancelled:
                ended = await self._uploads.swap(found.container, ended)
            await self._uploads.remove(found.container, ended)
        if over:
            complete = upload.state is UploadState.COMPLETE
            swept.add(Leftover.UPLOADS, 1, found.size if complete else upload.offset)
            # Gone, or to be counted with the upload.
            return {held.multipart, held.copy} if dry else set()
        return {held.multipart, held.copy}

    async def _abort_uploads(
        self, bucket: str, prefix: str, busy: Collection[str | None], swept: Swept, *, dry: bool
    ) -> None:
        aborted = 0
        async for upload, now in _uploads(self._client, bucket, prefix):
            if upload["UploadId"] in busy or not _expired(upload["Initiated"], now, self._expiry):
                continue
            address = {"Bucket": bucket, "Key": upload["Key"], "UploadId": upload["UploadId"]}
            size = 0
            with contextlib.suppress(FileUploaderError):  # It is only to be told.
                size = await parts_size(self._client, address)
            with contextlib.suppress(NoSuchUpload, NoSuchFile):
                if not dry:
                    await self._client.call("abort_multipart_upload", **address)
                    aborted += 1
                swept.add(Leftover.UNFINISHED, 1, size)
        if aborted:
            logger.info("aborted %d multipart uploads that nobody finished", aborted)

    async def _remove_probes(self, swept: Swept, *, dry: bool) -> None:
        bucket = self._layout.bucket
        answer = await self._client.call("list_objects_v2", Bucket=bucket, Prefix=PROBES)
        now = date_of(answer)
        for item in answer.get("Contents", ()):
            if _expired(item["LastModified"], now, self._expiry):
                swept.add(Leftover.PROBES, 1, item["Size"])
                if not dry:
                    await self._client.call("delete_object", Bucket=bucket, Key=item["Key"])


@dataclass
class _Ledger:
    """What is there of an upload in several requests: objects of ``size`` bytes in all.

    ``newest`` and ``now`` by S3's clock.
    """

    container: Container
    upload_id: str
    newest: datetime
    now: datetime
    size: int = 0
    has_record: bool = False


async def _ledgers(client: Client, bucket: str) -> AsyncIterator[_Ledger]:
    found: _Ledger | None = None
    async for answer in pages(client, bucket, UPLOADS):
        now = date_of(answer)
        for item in answer.get("Contents", ()):
            place = item["Key"].split("/")
            if len(place) != _DEPTH or not is_upload_id(place[2]):
                continue
            modified = item["LastModified"].astimezone(UTC)
            if found is None or [found.container.name, found.upload_id] != place[1:3]:
                if found is not None:
                    yield found
                found = _Ledger(Container(place[1]), place[2], modified, now)
            found.size += item["Size"]
            found.newest, found.now = max(found.newest, modified), now
            found.has_record = found.has_record or place[3] == RECORD
    if found is not None:
        yield found


async def _uploads(
    client: Client, bucket: str, prefix: str
) -> AsyncIterator[tuple[dict[str, Any], datetime]]:
    """Multipart uploads, each with the store's time."""
    more: dict[str, Any] = {}
    while True:
        answer = await client.call("list_multipart_uploads", Bucket=bucket, Prefix=prefix, **more)
        now = date_of(answer)
        for upload in answer.get("Uploads", ()):
            if upload["Key"].startswith(prefix):
                yield upload, now
        if not answer.get("IsTruncated") or not answer.get("NextKeyMarker"):
            return
        more = {
            "KeyMarker": answer["NextKeyMarker"],
            "UploadIdMarker": answer.get("NextUploadIdMarker", ""),
        }


def _expired(since: datetime, now: datetime, expiry: timedelta) -> bool:
    # The store's Date has whole seconds, rounded down: what it shows has happened before its end.
    return since.astimezone(UTC) <= now + timedelta(seconds=1) - expiry
