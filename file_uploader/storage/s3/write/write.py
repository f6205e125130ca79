"""What one put was asked to do."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from typing import Any

from file_uploader.model.conditions import Precondition
from file_uploader.model.files import FileInfo, Metadata
from file_uploader.storage.s3.keys import date_of, etag_of, upload_headers
from file_uploader.transfer.body import ClientBody

from .target import Target


@dataclass(frozen=True, slots=True)
class Write:
    """A put: ``id`` is in the metadata of the object that it makes."""

    target: Target
    body: ClientBody
    metadata: Metadata
    precondition: Precondition
    id: str = field(default_factory=lambda: secrets.token_hex(16))

    def headers(self, sha256: bytes | None) -> dict[str, Any]:
        """The parameters that have the object carry all that is kept with it."""
        return upload_headers(self.metadata, self.id, sha256)

    def info(self, done: dict[str, Any] | FileInfo) -> FileInfo:
        """What was written; ``modified`` is the store's clock when it answered."""
        if isinstance(done, FileInfo):
            etag, modified = done.etag, done.modified
        else:
            etag, modified = etag_of(done), date_of(done)
        name, size = self.target.name, self.body.received
        return FileInfo(name, size, etag, modified, self.metadata, self.body.sha256)
