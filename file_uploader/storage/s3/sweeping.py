"""What failures left behind in the buckets, and how it goes."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import AsyncIterator, Collection
from datetime import UTC, datetime, timedelta
from typing import Any

from file_uploader.errors import NoSuchFile

from .buckets import Buckets
from .client import Client
from .errors import NoSuchBucket, NoSuchUpload
from .keys import FILES, PROBES, Layout, date_of

logger = logging.getLogger(__name__)


async def sweep(
    client: Client, buckets: Buckets, layout: Layout, *, expiry: timedelta, live: Collection[str]
) -> None:
    """Abort multipart uploads of ours, and remove probes, that are older than ``expiry``.

    ``live`` are the ids of uploads that this process is working on. Ages are taken from the
    store's clock alone. MinIO lists multipart uploads by exact key only, and so shows none here:
    there, its own expiry of stale uploads does the work.
    """
    for bucket in await buckets.all():
        with contextlib.suppress(NoSuchBucket):  # removed meanwhile
            await _abort_uploads(client, bucket, FILES, expiry, live)
    await _abort_uploads(client, layout.bucket, PROBES, expiry, live)
    await _remove_objects(client, layout.bucket, PROBES, expiry)


async def _abort_uploads(
    client: Client, bucket: str, prefix: str, expiry: timedelta, live: Collection[str]
) -> None:
    aborted = 0
    async for upload, now in _uploads(client, bucket, prefix):
        # An upload in several requests is kept as long as the ledger names it: its id belongs
        # into ``live`` too.
        if upload["UploadId"] in live or not _expired(upload["Initiated"], now, expiry):
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
