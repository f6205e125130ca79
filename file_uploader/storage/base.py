"""What a store promises, whichever it is.

1. **Whole.** A name shows the old version or the new one, whole; never a mix, never a part.
2. **Durable.** Success survives ``kill -9`` of everything and, on the embedded store, loss of
   power.
3. **Nothing left.** A failure at any step, cancellation included, leaves the old version, and
   nothing that `Storage.sweep` does not remove.
4. **Ordered.** Lists are in UTF-8 byte order and see every finished write.
5. **Conditional.** Preconditions are decided atomically with the commit; on S3 where the provider
   decides them natively, else checked just before it.
6. **Resumable.** (Reserved for uploads in several requests.)
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
from typing import Protocol

from file_uploader.body import ClientBody
from file_uploader.model import (
    UNCONDITIONAL,
    ByteRange,
    Container,
    FileInfo,
    FileName,
    ListEntry,
    ListQuery,
    Metadata,
    Precondition,
    Usage,
)


@dataclass(frozen=True, slots=True)
class Content:
    """An open file: ``chunks`` yields the bytes of the range that was asked for, once.

    A failure on the way raises out of ``chunks``: it never just ends early.
    """

    info: FileInfo
    chunks: AsyncIterator[bytes]


class Storage(Protocol):
    """A place for files. Instances belong to one event loop and are closed with `aclose`."""

    async def put(
        self,
        container: Container,
        name: FileName,
        body: ClientBody,
        *,
        metadata: Metadata,
        precondition: Precondition = UNCONDITIONAL,
    ) -> FileInfo:
        """Store the body under the name, atomically (promises 1, 2, 3, 5 and 7).

        Cancelling it once the commit has begun does not undo the commit: either happens, whole.

        Raises `PreconditionFailed`, `FileTooLarge` (over what the store can hold), `Overloaded`
        (before a byte of the body is pulled), and every error of the body.
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

    async def usage(self, container: Container) -> Usage | None:
        """What the container holds; None where counting would cost too much."""
        ...

    async def ready(self) -> None:
        """Return if the store answers, raise `StorageError` if not."""
        ...

    async def sweep(self) -> None:
        """Remove what failures left behind; safe beside live traffic and other processes."""
        ...

    async def aclose(self) -> None:
        """Finish commits and clean-ups that are under way, then let go of everything."""
        ...
