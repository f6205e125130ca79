"""One upload as one request finds it on S3: its record, read once, and where its bytes are."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from file_uploader.model.names import Container
from file_uploader.model.uploads import Upload
from file_uploader.storage.s3.keys import CONTENT, Prefix, upload_headers
from file_uploader.storage.s3.write.context import Context
from file_uploader.storage.s3.write.target import Target

from .copy import Source
from .layout import UploadLayout

_AT_ONCE = 16
"""Objects that are removed at once."""


class StoredUpload:
    """``target`` is the file that it becomes: none for a partial upload.

    ``staged``: its content is gathered out of sight, because it is not the file yet when complete;
    it is a partial upload's, or has to be compared with a digest first. ``address`` is that of the
    object that the multipart upload of the content makes.
    """

    def __init__(self, context: Context, container: Container, upload: Upload) -> None:
        plan = upload.plan
        self.container = container
        self.upload = upload
        self.layout = UploadLayout.of(upload)
        self.objects = context.keys.upload(container, upload.id)
        self.target: Target | None = None
        self.address = self.content = self.objects.address(CONTENT)
        self.staged = plan.name is None or bool(plan.digests)
        self._context = context
        if plan.name is not None:
            self.target = Target(context, container, plan.name, upload.id, plan.precondition)
            self.address = self.content if self.staged else self.target.address

    async def begin(self) -> str:
        """Create the multipart upload of the content; return its id."""
        if self.target is not None and not self.staged:
            headers = upload_headers(self.upload.plan.metadata, self.upload.id, None)
            return await self.target.begin(headers)
        answer = await self._context.client.call("create_multipart_upload", **self.content)
        return str(answer["UploadId"])

    def own_names(self) -> list[str]:
        """The names of the objects that have the content, once that is complete."""
        if self.layout.multipart:
            return [CONTENT]
        return [str(part.name) for part in self.layout.parts]

    def sources(self) -> list[Source]:
        """These objects."""
        parts = self.layout.parts
        sizes = [self.upload.offset] if self.layout.multipart else [part.size for part in parts]
        addresses = map(self.objects.address, self.own_names())
        return [Source(*each) for each in zip(addresses, sizes, strict=True)]


async def delete(context: Context, objects: Prefix, names: Sequence[str]) -> None:
    """Remove objects of an upload; it is no error if they are not there."""
    for start in range(0, len(names), _AT_ONCE):
        addresses = map(objects.address, names[start : start + _AT_ONCE])
        call = context.client.call
        await asyncio.gather(*(call("delete_object", **address) for address in addresses))
