"""What failures left behind in the buckets, and how it goes.

What cannot be looked at or removed is told, and everything else goes on. Two things keep that from
doing harm. A multipart upload is aborted only where every record that could name it was read: of a
container with a record that was not, all are left alone. And a record that says nothing is removed
only once it is older than any upload may become.
"""

from __future__ import annotations

import logging
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial

from file_uploader.errors import FileUploaderError, NoSuchFile, NoSuchUpload, Superseded
from file_uploader.model.uploads import UploadState, upload_created
from file_uploader.storage.passes import ItemFailed, Pass
from file_uploader.storage.records import UnreadableRecord
from file_uploader.storage.s3.client.errors import NoSuchMultipart
from file_uploader.storage.s3.keys import PROBES, date_of
from file_uploader.storage.s3.listing import marked_pages, pages
from file_uploader.storage.s3.uploads.layout import UploadLayout
from file_uploader.storage.s3.uploads.uploads import S3Uploads
from file_uploader.storage.s3.write.context import Context
from file_uploader.storage.upkeep import Flaw, Leftover, Swept

from .inventory import FoundMultipart, FoundUpload, Hidden, Inventory

logger = logging.getLogger(__name__)


LONGEST_QUIET = timedelta(days=1)
"""A record that was written later than this, or than the expiry, is not looked at: a finished
upload is kept that long, and an unfinished one as a rule longer."""

SKEW = timedelta(minutes=15)
"""How far a node's clock may be from the store's: S3 refuses requests from farther away."""


class Sweep:
    """One sweep: uploads that are over, and multipart uploads and probes older than the expiry.

    With ``dry`` it only looks. The multipart uploads that this process is working on are live,
    and those that a record names as long as that is. Ages are taken from the
    store's clock. A multipart upload has to be old when the sweep begins: so none is too young to
    have its record read, and yet old enough to be aborted, because time has passed between the two.
    MinIO lists multipart uploads by exact key only, and so shows none that no record names: there,
    its own expiry of stale uploads does the work.
    """

    def __init__(
        self,
        context: Context,
        inventory: Inventory,
        uploads: S3Uploads,
        items: Pass,
        *,
        dry: bool,
    ) -> None:
        self._client = context.client
        self._bucket = context.config.bucket
        self._expiry = context.config.upload_expiry
        self._inventory = inventory
        self._uploads = uploads
        self._pass = items
        self._dry = dry
        self._busy: set[str | None] = set(context.live)
        self._hidden = Hidden()
        self._aborted = 0
        self._swept = Swept()

    async def run(self) -> Swept:
        """Sweep once."""
        began: datetime | None = None
        async for found in self._inventory.uploads(self._swept.tell, self._hidden):
            began = began or found.now
            try:
                await self._pass.attempt(partial(self._end_if_over, found), str(found))
            except ItemFailed as why:
                self._hidden.containers.add(found.container.name)
                self._swept.tell(Flaw(str(why), found.container, upload_id=found.upload_id))
        async for multipart in self._inventory.multiparts(self._swept.tell):
            began = began or multipart.now
            place = self._inventory.flaw("", multipart.address["Bucket"], multipart.address["Key"])
            if self._may_abort(multipart, place, began):
                try:
                    await self._pass.attempt(partial(self._abort, multipart), str(place))
                except ItemFailed as why:
                    what = f"a multipart upload that nobody finished cannot be removed: {why}"
                    self._swept.tell(replace(place, what=what))
        if self._aborted:
            logger.info("aborted %d multipart uploads that nobody finished", self._aborted)
        await self._remove_probes()
        return self._swept

    async def _end_if_over(self, found: FoundUpload) -> None:
        """Remove an upload that is over; note the multipart uploads of one that is not."""
        try:
            with suppress(NoSuchUpload, Superseded):  # changed meanwhile
                await self._end_or_note(found)
        except UnreadableRecord as error:
            if not _expired(found.newest, found.now, self._expiry):
                raise
            # It would have expired by now, whatever it said.
            await self._remove_objects(found)
            self._swept.tell(Flaw(str(error), found.container, upload_id=found.upload_id))

    async def _end_or_note(self, found: FoundUpload) -> None:
        quiet = _expired(found.newest, found.now, min(self._expiry, LONGEST_QUIET))
        if not found.has_record:
            if _expired(found.newest, found.now, self._expiry):
                await self._remove_objects(found)
            return
        created = upload_created(found.upload_id)
        if not quiet and not _expired(created, found.now + SKEW, self._expiry):
            return
        upload = await self._uploads.load(found.container, found.upload_id)
        layout = UploadLayout.of(upload)
        multiparts = {layout.multipart, layout.copy}
        cancelled = upload.state is UploadState.CANCELLED
        over = cancelled or upload.expires <= datetime.now(UTC)
        if not over:
            self._busy |= multiparts
            return
        if self._dry:
            self._busy |= multiparts  # Counted with the upload.
        else:
            ended = replace(upload, state=UploadState.CANCELLED)
            if not cancelled:
                ended = await self._uploads.swap(found.container, ended)
            await self._uploads.remove(found.container, ended)
        complete = upload.state is UploadState.COMPLETE
        self._swept.add(Leftover.UPLOADS, 1, found.size if complete else upload.offset)

    async def _remove_objects(self, found: FoundUpload) -> None:
        if not self._dry:
            await self._uploads.remove_objects(found.container, found.upload_id)
        self._swept.add(Leftover.UNFINISHED, 1, found.size)

    def _may_abort(self, found: FoundMultipart, place: Flaw, began: datetime) -> bool:
        """Whether it was old when the sweep began, and no record names it."""
        if found.address["UploadId"] in self._busy or not _expired(
            found.initiated, began, self._expiry
        ):
            return False
        hidden = self._hidden
        owner = None if place.container is None else place.container.name
        return not hidden.any and owner not in hidden.containers

    async def _abort(self, found: FoundMultipart) -> None:
        size = 0
        with suppress(FileUploaderError):  # It is only to be told.
            listed = marked_pages(self._client, "list_parts", **found.address)
            parts = [part async for answer in listed for part in answer.get("Parts", ())]
            size = sum(int(part["Size"]) for part in parts)
        with suppress(NoSuchMultipart, NoSuchFile):
            if not self._dry:
                await self._client.call("abort_multipart_upload", **found.address)
                self._aborted += 1
            self._swept.add(Leftover.UNFINISHED, 1, size)

    async def _remove_probes(self) -> None:
        try:
            async for answer in pages(self._client, self._bucket, PROBES):
                for item in answer.get("Contents", ()):
                    if _expired(item["LastModified"], date_of(answer), self._expiry):
                        await self._remove_probe(item["Key"], item["Size"])
        except FileUploaderError as error:
            why = await self._pass.judge(error, PROBES)
            self._swept.tell(Flaw(f"what is below this cannot all be listed: {why}", key=PROBES))

    async def _remove_probe(self, key: str, size: int) -> None:
        delete = partial(self._client.call, "delete_object", Bucket=self._bucket, Key=key)
        try:
            if not self._dry:
                await self._pass.attempt(delete, key)
        except ItemFailed as why:
            self._swept.tell(Flaw(f"it cannot be removed: {why}", key=key))
        else:
            self._swept.add(Leftover.PROBES, 1, size)


def _expired(since: datetime, now: datetime, expiry: timedelta) -> bool:
    # The store's Date has whole seconds, rounded down: what it shows has happened before its end.
    return since.astimezone(UTC) <= now + timedelta(seconds=1) - expiry
