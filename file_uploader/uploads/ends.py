"""How an upload ends: it is completed, by one at a time in this process, or forgotten."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from file_uploader.errors import (
    DigestMismatch,
    FileTooLarge,
    InvalidHeader,
    InvalidName,
    NoSuchUpload,
    PreconditionFailed,
    StorageError,
    Superseded,
)
from file_uploader.model.names import Container
from file_uploader.model.uploads import Upload, UploadState
from file_uploader.storage.uploads import UploadStorage
from file_uploader.transfer.tasks import OwnedTasks, outcome

FINISHED = timedelta(days=1)
"""For how long a finished upload is remembered, for the client that never saw the last answer."""

_VERDICTS = (
    *(PreconditionFailed, DigestMismatch, NoSuchUpload, FileTooLarge),
    *(InvalidName, InvalidHeader),
)
"""What ends an upload for good: it would fail again however often it was tried."""

_log = logging.getLogger(__name__)


@dataclass
class Ends:
    """Those of all uploads in one store. ``expiry`` is how long an upload is kept at most."""

    storage: UploadStorage
    tasks: OwnedTasks
    expiry: timedelta
    now: Callable[[], datetime]
    completing: dict[tuple[Container, str], asyncio.Task[Upload]] = field(default_factory=dict)

    async def complete(self, container: Container, upload: Upload) -> Upload:
        """Finish a completing upload, and return it. Raises as `UploadStorage.complete` does."""
        key = container, upload.id
        running = self.completing.get(key)
        if running is None:
            running = self.tasks.start(self._complete(container, upload))
            self.completing[key] = running
            running.add_done_callback(lambda _: self.completing.pop(key))
        return await outcome(running)

    async def forget(self, container: Container, upload: Upload) -> None:
        """Make an upload invisible, then remove it. Raises `Superseded`."""
        cancelled = replace(upload, state=UploadState.CANCELLED)
        cancelled = await self.storage.swap(container, cancelled)
        try:
            await self.storage.remove(container, cancelled)
        except StorageError as error:
            _log.warning("a cancelled upload is left to the sweep: %s", error)

    async def _complete(self, container: Container, upload: Upload) -> Upload:
        if upload.plan.name is not None:  # A partial upload stays for as long as any.
            upload = replace(upload, expires=self.now() + min(FINISHED, self.expiry))
        try:
            return await self.storage.complete(container, upload)
        except _VERDICTS:
            with contextlib.suppress(Superseded, NoSuchUpload):
                current = await self.storage.load(container, upload.id)
                if current.state is UploadState.COMPLETE:  # Somebody else had it done by then.
                    return current
                await self.forget(container, current)
            raise
