"""What a store promises, whichever it is.

1. **Whole.** A name shows the old version or the new one, whole; never a mix, never a part.
2. **Durable.** Success survives ``kill -9`` of everything and, on the embedded store, loss of
   power.
3. **Nothing left.** A failure at any step, cancellation included, leaves the old version, and
   nothing that `Storage.sweep` does not remove.
4. **Ordered.** Lists are in UTF-8 byte order and see every finished write.
5. **Conditional.** Preconditions are decided atomically with the commit; on S3 where the provider
   decides them natively, else checked just before it.
6. **Resumable.** An acknowledged upload offset never goes down; of two appends at one offset at
   most one wins; any process can go on where another one ended (`UploadStorage`).
7. **Bounded.** Memory per transfer is bounded and counted as bytes arrive.
8. **Private.** Nothing of one container can be reached from another.

A one-shot `Storage.put` is an upload that is begun, written and committed in one go.

Every method may raise `StorageError` (one of its subclasses). Errors of the body that a store
pulls pass through it unchanged.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from file_uploader.model.conditions import UNCONDITIONAL, Precondition
from file_uploader.model.files import ByteRange, FileInfo, Metadata
from file_uploader.model.listing import ListEntry, ListQuery
from file_uploader.model.names import Container, FileName
from file_uploader.transfer.body import ClientBody

from .secrets import Secrets
from .upkeep import Upkeep
from .uploads import UploadStorage


@dataclass(frozen=True, slots=True)
class FilePosition:
    """Where bytes are in a file that is open for reading: its descriptor, and a byte's number."""

    descriptor: int
    offset: int


@dataclass(frozen=True, slots=True)
class Content:
    """An open file: ``chunks`` yields the bytes of the range that was asked for, once.

    A failure on the way raises out of ``chunks``: it never just ends early. ``file`` is where the
    same bytes are, if they are in a file of this machine; it is open for as long as this is.
    """

    info: FileInfo
    chunks: AsyncIterator[bytes]
    file: FilePosition | None = None


class Files(Protocol):
    """What a store is: files by name, stored and read whole."""

    async def put(
        self,
        container: Container,
        name: FileName,
        body: ClientBody,
        *,
        metadata: Metadata,
        precondition: Precondition = UNCONDITIONAL,
        modified: datetime | None = None,
    ) -> FileInfo:
        """Store the body under the name, atomically (promises 1, 2, 3, 5 and 7).

        Cancelling it once the commit has begun does not undo the commit: either happens, whole.
        ``modified`` is the time that a file which comes from another store had there; a store
        that takes only its own clock's ignores it.

        Raises `PreconditionFailed`, `FileTooLarge` (over what the store can hold), every error of
        the body, and before a byte of it is pulled `Overloaded`, and `InvalidName` and
        `InvalidHeader` for what may not be stored (`file_uploader.model.storable`).
        """
        ...

    async def head(self, container: Container, name: FileName) -> FileInfo:
        """The file's current version. Raises `NoSuchFile`."""
        ...

    def open(
        self,
        container: Container,
        name: FileName,
        *,
        etag: str | None = None,
        byte_range: ByteRange | None = None,
    ) -> AbstractAsyncContextManager[Content]:
        """Open one version to read it, whole or by range; it stays that version to the end.

        With ``etag``, only that version: raises `PreconditionFailed` if the file has another one
        by now. Raises `NoSuchFile`. ``byte_range`` lies within the file (the caller has seen its
        size).
        """
        ...

    async def delete(
        self,
        container: Container,
        name: FileName,
        *,
        precondition: Precondition = UNCONDITIONAL,
    ) -> None:
        """Remove the file (promises 1, 2 and 5).

        Raises `PreconditionFailed`, and `NoSuchFile` whatever the precondition: conditions only
        count where the answer would else be a success (RFC 9110, 13.2.1).
        """
        ...

    def list(self, container: Container, query: ListQuery) -> AsyncIterator[Sequence[ListEntry]]:
        """The container's entries in pages of the store's own size, none of them empty.

        ``query.limit`` counts entries over all pages. Memory does not grow with the container.
        """
        ...


class Storage(Files, Upkeep, Secrets, Protocol):
    """A place for files. Instances belong to one event loop and are closed with `aclose`."""

    @property
    def uploads(self) -> UploadStorage:
        """The uploads in several requests, in the same place."""
        ...

    async def aclose(self) -> None:
        """Finish commits and clean-ups that are under way, then let go of everything."""
        ...
