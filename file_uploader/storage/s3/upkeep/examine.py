"""What in the buckets is not as it should be, as far as that shows without reading contents."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import suppress
from functools import partial

from file_uploader.errors import NoSuchUpload
from file_uploader.storage.passes import ItemFailed, Pass
from file_uploader.storage.s3.uploads.layout import UploadLayout
from file_uploader.storage.s3.uploads.uploads import S3Uploads
from file_uploader.storage.upkeep import Flaw

from .inventory import FoundUpload, Hidden, Inventory


async def examine(inventory: Inventory, uploads: S3Uploads, items: Pass) -> AsyncIterator[Flaw]:
    """Yield the uploads whose records cannot be read, and the keys of others."""
    flaws: list[Flaw] = []
    async for found in inventory.uploads(flaws.append, Hidden()):
        if found.has_record:
            try:
                await items.attempt(partial(_load, uploads, found), str(found))
            except ItemFailed as why:
                yield Flaw(str(why), found.container, upload_id=found.upload_id)
    async for flaw in inventory.foreign_keys(flaws.append):
        yield flaw
    for flaw in dict.fromkeys(flaws):
        yield flaw


async def _load(uploads: S3Uploads, found: FoundUpload) -> None:
    with suppress(NoSuchUpload):  # removed meanwhile
        UploadLayout.of(await uploads.load(found.container, found.upload_id))
