"""What in the buckets is not as it should be, as far as that shows without reading contents."""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import partial

from file_uploader.errors import NoSuchUpload
from file_uploader.storage.passes import ItemFailed, Pass
from file_uploader.storage.s3.uploads.layout import UploadLayout
from file_uploader.storage.s3.uploads.uploads import S3Uploads
from file_uploader.storage.upkeep import Flaw

from .inventory import FoundUpload, Hidden, Inventory


class Examination:
    """A look at the records of uploads, and at keys that are nobody's."""

    def __init__(self, inventory: Inventory, uploads: S3Uploads, items: Pass) -> None:
        self._inventory = inventory
        self._uploads = uploads
        self._pass = items

    async def run(self) -> AsyncIterator[Flaw]:
        """Yield the uploads whose records cannot be read, and the keys of others."""
        flaws: list[Flaw] = []
        async for found in self._inventory.ledgers(flaws.append, Hidden()):
            if found.has_record:
                try:
                    await self._pass.attempt(partial(self._load, found), str(found))
                except ItemFailed as why:
                    yield Flaw(str(why), found.container, upload_id=found.upload_id)
        async for flaw in self._inventory.foreign_keys(flaws.append):
            yield flaw
        for flaw in dict.fromkeys(flaws):
            yield flaw

    async def _load(self, found: FoundUpload) -> None:
        try:
            UploadLayout.of(await self._uploads.load(found.container, found.upload_id))
        except NoSuchUpload:  # removed meanwhile
            return
