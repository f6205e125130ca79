"""The uploads of `StorageDouble`: records and bytes in dicts, with a hook before every step."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from file_uploader.errors import BodyError, DigestMismatch, NoSuchUpload, Superseded
from file_uploader.model import storable
from file_uploader.model.names import Container
from file_uploader.model.uploads import Appended, Upload, UploadState
from file_uploader.transfer.body import ClientBody

if TYPE_CHECKING:
    from tests.support.double import StorageDouble

Step = Callable[[str], Awaitable[None]]


class UploadsDouble:
    """A `file_uploader.storage.base.UploadStorage` in memory.

    Its steps: ``upload-create``, ``upload-load``, ``upload-swap``, ``upload-list``,
    ``upload-fits``, ``upload-chunk`` (before each chunk is taken), ``upload-complete``,
    ``upload-remove``.
    What an append writes is its own: ``chunks`` by a number, which the record names. It makes
    durable what it has after each ``checkpoint`` bytes.
    """

    def __init__(self, files: StorageDouble, step: Step) -> None:
        self.records: dict[tuple[Container, str], Upload] = {}
        self.chunks: dict[int, bytes] = {}
        self.checkpoint = 256 * 1024
        self._files = files
        self._step = step
        self._version = 0

    async def create(self, container: Container, upload: Upload) -> Upload:
        await self._step("upload-create")
        storable.check(upload.plan.name, upload.plan.metadata)
        return self._write(container, upload)

    async def load(self, container: Container, upload_id: str) -> Upload:
        await self._step("upload-load")
        return self._read(container, upload_id)

    async def swap(self, container: Container, upload: Upload) -> Upload:
        await self._step("upload-swap")
        return self._swap(container, upload)

    async def list(self, container: Container) -> AsyncIterator[Upload]:
        await self._step("upload-list")
        for (owner, _), upload in sorted(self.records.items(), key=lambda item: item[0][1]):
            if owner == container:
                yield upload

    async def check_fits(self, _upload: Upload, _more: int) -> None:
        await self._step("upload-fits")

    async def append(
        self, _container: Container, upload: Upload, body: ClientBody, *, final: bool
    ) -> AsyncGenerator[Appended, None]:
        del final  # This store knows no last part.
        offset, numbers = upload.offset, list(upload.held.get("chunks", ()))
        waiting = b""

        def durable(*, last: bool) -> Appended:
            nonlocal offset, waiting
            if waiting:
                number = len(self.chunks)
                self.chunks[number] = waiting
                numbers.append(number)
                offset += len(waiting)
                waiting = b""
            return Appended(offset, {"chunks": list(numbers)}, last=last)

        try:
            async for chunk in body:
                await self._step("upload-chunk")
                waiting += chunk
                if len(waiting) >= self.checkpoint and not body.all_or_nothing:
                    yield durable(last=False)
        except BodyError:
            if body.all_or_nothing:
                waiting = b""
            yield durable(last=True)
            raise
        yield durable(last=True)

    async def complete(self, container: Container, upload: Upload) -> Upload:
        await self._step("upload-complete")
        current = self._read(container, upload.id)
        if current.state is UploadState.COMPLETE:
            return current
        content = self.content(container, upload)
        for algorithm, digest in upload.plan.digests.items():
            if hashlib.new(algorithm, content).digest() != digest:
                raise DigestMismatch(f"The {algorithm} digest is not the announced one.")
        plan, result = upload.plan, None
        if plan.name is not None:
            plan.precondition.check(self._files.current(container, plan.name))
            result = self._files.store(container, plan.name.value, content, plan.metadata)
        held: dict[str, Any] = {} if result else dict(current.held)
        complete = replace(upload, state=UploadState.COMPLETE, result=result, held=held)
        return self._swap(container, replace(complete, version=current.version))

    async def remove(self, container: Container, upload: Upload) -> None:
        await self._step("upload-remove")
        del self.records[container, upload.id]

    def content(self, container: Container, upload: Upload) -> bytes:
        """The bytes that a record names."""
        if upload.plan.sources:
            sources = (self._read(container, source) for source in upload.plan.sources)
            return b"".join(self.content(container, source) for source in sources)
        return b"".join(self.chunks[number] for number in upload.held.get("chunks", ()))

    def _read(self, container: Container, upload_id: str) -> Upload:
        try:
            return self.records[container, upload_id]
        except KeyError:
            raise NoSuchUpload("There is no such upload.") from None

    def _swap(self, container: Container, upload: Upload) -> Upload:
        if self._read(container, upload.id).version != upload.version:
            raise Superseded("The upload has been taken over.")
        return self._write(container, upload)

    def _write(self, container: Container, upload: Upload) -> Upload:
        self._version += 1
        written = replace(upload, version=str(self._version))
        self.records[container, upload.id] = written
        return written
