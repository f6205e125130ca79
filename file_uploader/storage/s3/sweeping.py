"""What failures left behind in the buckets, and how it goes."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import AsyncIterator, Collection
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from file_uploader.errors import NoSuchFile, Superseded
from file_uploader.errors import NoSuchUpload as NoLedger
from file_uploader.model import Container, UploadState, is_upload_id, upload_created

from .buckets import Buckets
from .client import Client
from .errors import NoSuchBucket, NoSuchUpload
from .held import Held
from .keys import FILES, PROBES, RECORD, UPLOADS, Layout, date_of
from .ledger import pages
from .uploads import S3Uploads

logger = logging.getLogger(__name__)

_DEPTH = 4
"""Parts of the key of what an upload keeps: ``uploads/<container>/<id>/<name>``."""


LONGEST_QUIET = timedelta(days=1)
"""A record that was written later than this, or than the expiry, is not looked at: a finished
upload is kept that long, and an unfinished one as a rule longer."""


async def sweep(
    client: Client,
    buckets: Buckets,
    layout: Layout,
    uploads: S3Uploads,
    *,
    expiry: timedelta,
    live: Collection[str],
) -> None:
    """Remove uploads that are over, and multipart uploads and probes older than ``expiry``.

    ``live`` are the ids of multipart uploads that this process is working on; those that a record
    names are live as long as that is. Ages are taken from the store's clock. MinIO lists multipart
    uploads by exact key only, and so shows none that no record names: there, its own expiry of
    stale uploads does the work.
    """
    busy: set[str | None] = set(live)
    async for found in _ledgers(client, layout.bucket):
        with contextlib.suppress(NoLedger, Superseded):  # changed meanwhile
            busy |= await _end_if_over(uploads, found, expiry)
    for bucket in await buckets.all():
        with contextlib.suppress(NoSuchBucket):  # removed meanwhile
            await _abort_uploads(client, bucket, FILES, expiry, busy)
    await _abort_uploads(client, layout.bucket, UPLOADS, expiry, busy)
    await _remove_objects(client, layout.bucket, PROBES, expiry)


@dataclass
class _Ledger:
    """What is there of an upload in several requests; ``newest`` and ``now`` by S3's clock."""

    container: Container
    upload_id: str
    newest: datetime
    now: datetime
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
            found.newest, found.now = max(found.newest, modified), now
            found.has_record = found.has_record or place[3] == RECORD
    if found is not None:
        yield found


async def _end_if_over(uploads: S3Uploads, found: _Ledger, expiry: timedelta) -> set[str | None]:
    """Remove an upload that is over; return the multipart uploads that one which is not names."""
    quiet = _expired(found.newest, found.now, min(expiry, LONGEST_QUIET))
    if not found.has_record:
        if _expired(found.newest, found.now, expiry):
            await uploads.remove_objects(found.container, found.upload_id)
        return set()
    if not quiet and not _expired(upload_created(found.upload_id), found.now, expiry):
        return set()
    upload = await uploads.load(found.container, found.upload_id)
    if upload.state is not UploadState.CANCELLED:
        if upload.expires > datetime.now(UTC):
            held = Held.of(upload)
            return {held.multipart, held.copy}
        upload = await uploads.swap(found.container, replace(upload, state=UploadState.CANCELLED))
    await uploads.remove(found.container, upload)
    return set()


async def _abort_uploads(
    client: Client, bucket: str, prefix: str, expiry: timedelta, busy: Collection[str | None]
) -> None:
    aborted = 0
    async for upload, now in _uploads(client, bucket, prefix):
        if upload["UploadId"] in busy or not _expired(upload["Initiated"], now, expiry):
            continue
        with contextlib.suppress(NoSuchUpload, NoSuchFile):
            await client.call(
                "abort_multipart_upload",
                Bucket=bucket,
                Key=upload["Key"],
                UploadId=upload["UploadId"],
            )
            aborted += 1
    if aborted:
        logger.info("aborted %d multipart uploads that nobody finished", aborted)


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


async def _remove_objects(client: Client, bucket: str, prefix: str, expiry: timedelta) -> None:
    answer = await client.call("list_objects_v2", Bucket=bucket, Prefix=prefix)
    now = date_of(answer)
    for item in answer.get("Contents", ()):
        if _expired(item["LastModified"], now, expiry):
            await client.call("delete_object", Bucket=bucket, Key=item["Key"])


def _expired(since: datetime, now: datetime, expiry: timedelta) -> bool:
    # The store's Date has whole seconds, rounded down: what it shows has happened before its end.
    return since.astimezone(UTC) <= now + timedelta(seconds=1) - expiry
