"""A store that somebody watches: each call of it is told of, by the name of its method."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager, aclosing
from datetime import datetime, timedelta
from types import TracebackType

from file_uploader.model.conditions import UNCONDITIONAL, Precondition
from file_uploader.model.files import ByteRange, FileInfo, Metadata, Usage
from file_uploader.model.listing import ListEntry, ListQuery
from file_uploader.model.names import Container, FileName
from file_uploader.model.uploads import Appended, Upload
from file_uploader.transfer.body import ClientBody

from .base import Content, Storage, UploadStorage
from .upkeep import Flaw, Proof, Swept

Watch = Callable[[str], AbstractContextManager[object]]
"""What is entered at the beginning of an operation, and left at its end or with its error."""


class WatchedUploads:
    """See `UploadStorage`."""

    def __init__(self, uploads: UploadStorage, watch: Watch) -> None:
        self._uploads = uploads
        self._watch = watch

    async def create(self, container: Container, upload: Upload) -> Upload:
        """See `UploadStorage.create`."""
        with self._watch("create_upload"):
            return await self._uploads.create(container, upload)

    async def load(self, container: Container, upload_id: str) -> Upload:
        """See `UploadStorage.load`."""
        with self._watch("load_upload"):
            return await self._uploads.load(container, upload_id)

    async def swap(self, container: Container, upload: Upload) -> Upload:
        """See `UploadStorage.swap`."""
        with self._watch("swap_upload"):
            return await self._uploads.swap(container, upload)

    async def list(self, container: Container) -> AsyncIterator[Upload | Flaw]:
        """See `UploadStorage.list`."""
        with self._watch("list_uploads"):
            async for found in self._uploads.list(container):
                yield found

    async def check_fits(self, upload: Upload, more: int) -> None:
        """See `UploadStorage.check_fits`."""
        with self._watch("check_fits"):
            await self._uploads.check_fits(upload, more)

    async def append(
        self, container: Container, upload: Upload, body: ClientBody, *, final: bool
    ) -> AsyncGenerator[Appended, None]:
        """See `UploadStorage.append`."""
        with self._watch("append"):
            async with aclosing(
                self._uploads.append(container, upload, body, final=final)
            ) as storing:
                async for appended in storing:
                    yield appended

    async def complete(self, container: Container, upload: Upload) -> Upload:
        """See `UploadStorage.complete`."""
        with self._watch("complete_upload"):
            return await self._uploads.complete(container, upload)

    async def remove(self, container: Container, upload: Upload) -> None:
        """See `UploadStorage.remove`."""
        with self._watch("remove_upload"):
            await self._uploads.remove(container, upload)


class _Opening:
    """The opening of a file is watched, and the reading is not."""

    def __init__(self, opening: AbstractAsyncContextManager[Content], watch: Watch) -> None:
        self._opening = opening
        self._watch = watch

    async def __aenter__(self) -> Content:
        with self._watch("open"):
            return await self._opening.__aenter__()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool | None:
        return await self._opening.__aexit__(kind, error, trace)


class WatchedStorage:
    """See `Storage`. What does not belong to a request is not watched."""

    def __init__(self, storage: Storage, watch: Watch) -> None:
        self._storage = storage
        self._watch = watch
        self._uploads = WatchedUploads(storage.uploads, watch)

    @property
    def uploads(self) -> WatchedUploads:
        """See `Storage.uploads`."""
        return self._uploads

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
        """See `Storage.put`."""
        with self._watch("put"):
            return await self._storage.put(
                container,
                name,
                body,
                metadata=metadata,
                precondition=precondition,
                modified=modified,
            )

    async def head(self, container: Container, name: FileName) -> FileInfo:
        """See `Storage.head`."""
        with self._watch("head"):
            return await self._storage.head(container, name)

    def open(
        self,
        container: Container,
        name: FileName,
        *,
        etag: str | None = None,
        byte_range: ByteRange | None = None,
    ) -> AbstractAsyncContextManager[Content]:
        """See `Storage.open`."""
        opening = self._storage.open(container, name, etag=etag, byte_range=byte_range)
        return _Opening(opening, self._watch)

    async def direct_url(
        self, container: Container, name: FileName, *, lifetime: timedelta, disposition: str
    ) -> str | None:
        """See `Storage.direct_url`."""
        return await self._storage.direct_url(
            container, name, lifetime=lifetime, disposition=disposition
        )

    async def delete(
        self,
        container: Container,
        name: FileName,
        *,
        precondition: Precondition = UNCONDITIONAL,
    ) -> None:
        """See `Storage.delete`."""
        with self._watch("delete"):
            await self._storage.delete(container, name, precondition=precondition)

    async def list(
        self, container: Container, query: ListQuery
    ) -> AsyncIterator[Sequence[ListEntry]]:
        """See `Storage.list`."""
        with self._watch("list"):
            async for page in self._storage.list(container, query):
                yield page

    async def usage(self, container: Container) -> Usage | None:
        """See `Storage.usage`."""
        with self._watch("usage"):
            return await self._storage.usage(container)

    def containers(self) -> AsyncIterator[Container]:
        """See `Storage.containers`."""
        return self._storage.containers()

    async def claim(self, container: Container) -> None:
        """See `Storage.claim`."""
        with self._watch("claim"):
            await self._storage.claim(container)

    async def kept_key(self, new: bytes | None = None) -> bytes:
        """See `Storage.kept_key`."""
        return await self._storage.kept_key(new)

    async def vitals(self) -> Mapping[str, float]:
        """See `Storage.vitals`."""
        return await self._storage.vitals()

    async def ready(self) -> None:
        """See `Storage.ready`."""
        with self._watch("ready"):
            await self._storage.ready()

    def proof(self, info: FileInfo) -> Proof:
        """See `Storage.proof`."""
        return self._storage.proof(info)

    def examine(self) -> AsyncIterator[Flaw]:
        """See `Storage.examine`."""
        return self._storage.examine()

    async def sweep(self, *, dry: bool = False) -> Swept | None:
        """See `Storage.sweep`."""
        with self._watch("sweep"):
            return await self._storage.sweep(dry=dry)

    async def aclose(self) -> None:
        """See `Storage.aclose`."""
        await self._storage.aclose()
