"""Uploads in several requests: who may append when, whatever store and whatever protocol.

There is one record per upload, and it is only ever swapped: replaced as a whole, on the condition
that it has not changed since it was read. That is all the coordination there is between requests,
workers and nodes.

* **Claim, then write.** An append reads the record, compares its offset, and swaps in the next
  generation. Who loses that swap has lost the append. Who wins it may write, where nobody else
  writes.
* **Acknowledge by swapping.** Bytes count from the moment a record names them. Where that swap
  fails, a later generation has taken over: the append ends and says nothing more.
* **Asking takes over, too.** Whoever is told an offset has taken the upload over first, so that no
  append that is still under way can make the answer untrue.
* **Completion is a state before it is an act.** Once the record says so, no byte can be appended,
  and whoever comes by finishes the work or confirms it.

Within one process the older append is told at once. In another process it finds out by itself, at
its next swap, or within `receive.WATCH` seconds; as a rule its client is gone and it is ending
already. In both cases it has a moment to put in safety what it has received, and no more than that.
In the same process that is all that has come through its connection, so that whoever asks when a
connection has ended is told of its last byte.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from file_uploader.errors import (
    NoSuchUpload,
    NotConcatenable,
    StorageUnavailable,
    Superseded,
)
from file_uploader.model.files import NO_LIMITS, TransferLimits
from file_uploader.model.names import Container
from file_uploader.model.uploads import (
    Upload,
    UploadPlan,
    UploadState,
    is_unfinished,
    new_upload_id,
)
from file_uploader.storage.base import Storage
from file_uploader.storage.uploads import UploadStorage
from file_uploader.transfer.tasks import OwnedTasks

from .append import Acknowledge, Append, Piece, Turns, taken_over
from .ends import Ends
from .receive import Receiving

HANDOVER = 0.6
"""Seconds that an older append has to put in safety what it received, before it is taken over."""

_POLL = 0.1
"""Seconds between looks at the record of one that another process may be about to end."""

MOST_SWAPS = 100
"""How often a record that others swap all the time is read again."""

_log = logging.getLogger(__name__)


def _now() -> datetime:
    return datetime.now(UTC)


class Uploads:
    """The uploads of all containers in one store, as one process sees them.

    ``expiry`` is how long one is kept from its creation on. Belongs to one event loop; `aclose`
    ends it, before the store.
    """

    def __init__(
        self,
        storage: Storage,
        *,
        expiry: timedelta,
        limits: TransferLimits = NO_LIMITS,
        now: Callable[[], datetime] = _now,
    ) -> None:
        self._files = storage
        self._storage: UploadStorage = storage.uploads
        self.expiry = expiry
        self._limits = limits
        self._now = now
        self._tasks = OwnedTasks()
        self._turns = Turns()
        self._ends = Ends(self._storage, self._tasks, expiry, now)

    async def create(self, container: Container, plan: UploadPlan, length: int | None) -> Upload:
        """Begin an upload. ``length`` in bytes, None if it is to be said later.

        Raises `PreconditionFailed` where the file is not as demanded even now, `FileTooLarge`,
        `ResumableUnsupported` and `StorageError`.
        """
        self._limits.check_size(length)
        upload = await self._new(container, plan, length)
        return await self._tasks.finish(self._storage.create(container, upload))

    async def concatenate(self, container: Container, plan: UploadPlan) -> Upload:
        """Make one file of the partial uploads that ``plan.sources`` names, in that order.

        Raises `NoSuchUpload`, `NotConcatenable` for sources that are not partial or not finished,
        and what `create` and `UploadStorage.complete` raise.
        """
        length = 0
        for source in plan.sources:
            part = await self.peek(container, source)
            if part.plan.name is not None or part.state is not UploadState.COMPLETE:
                raise NotConcatenable("Only partial uploads that are finished can be put together.")
            length += part.offset
        self._limits.check_size(length)
        upload = await self._new(container, plan, length)
        upload = replace(upload, offset=length, state=UploadState.COMPLETING)
        return await self._tasks.finish(self._concatenate(container, upload))

    async def append(
        self,
        container: Container,
        upload_id: str,
        piece: Piece,
        *,
        offset: int,
        length: int | None = None,
        final: bool | None = None,
        repeats: bool = True,
        acknowledge: Acknowledge | None = None,
    ) -> Upload:
        """Append a piece at ``offset`` and return the upload after it.

        ``length`` is that of the whole upload, where this request says it. ``final`` says whether
        the upload ends with this piece; None: when its length is reached. ``repeats``: an empty
        piece at the end of a finished upload is no mistake but gets what the last one got.
        ``acknowledge`` is called after each swap that made more bytes count.

        It ends an older append, and goes on to its end when the caller is cancelled: what the
        client had sent by then is kept. Raises `NoSuchUpload`, `OffsetMismatch`, `Superseded`,
        `NotAppendable`, `InconsistentLength`, `FileTooLarge`, `StorageError`, `Overloaded`, every
        error of a body, and what ends an upload for good (see `UploadStorage.complete`).
        """
        request = Append(piece, offset, length, final, repeats, acknowledge)
        return await self._tasks.finish(self._append(container, upload_id, request))

    async def look(self, container: Container, upload_id: str) -> Upload:
        """The upload with an offset that the next append may use; ends an append under way.

        Raises `NoSuchUpload`, `StorageError`, and what ends an upload for good.
        """
        return await self._tasks.finish(self._look(container, upload_id))

    async def peek(self, container: Container, upload_id: str) -> Upload:
        """The upload as it is now; disturbs nobody. Raises `NoSuchUpload` and `StorageError`."""
        return self._visible(await self._storage.load(container, upload_id))

    async def cancel(self, container: Container, upload_id: str) -> None:
        """Forget an upload with all that it holds, never its file; ends an append under way.

        Raises `NoSuchUpload` and `StorageError`.
        """
        await self._tasks.finish(self._cancel(container, upload_id))

    async def list(self, container: Container) -> AsyncIterator[Upload]:
        """The container's unfinished uploads that can be read; disturbs nobody."""
        async for found in self._storage.list(container):
            if not isinstance(found, Upload):
                _log.warning("an upload is left out of a list: %s", found)
            elif is_unfinished(found) and found.expires > self._now():
                yield found

    async def aclose(self) -> None:
        """Interrupt all appends, and wait until what they received is safe."""
        self._turns.interrupt_all()
        await self._tasks.drain()

    async def _new(self, container: Container, plan: UploadPlan, length: int | None) -> Upload:
        if plan.name is not None and plan.precondition:
            await plan.precondition.check_now(self._files.head(container, plan.name))
        created = self._now()
        return Upload(
            id=new_upload_id(created),
            plan=plan,
            created=created,
            expires=created + self.expiry,
            length=length,
        )

    def _visible(self, upload: Upload) -> Upload:
        """The upload, if it is there for its client. Raises `NoSuchUpload`."""
        if upload.state is UploadState.CANCELLED or upload.expires <= self._now():
            raise NoSuchUpload("There is no such upload; it has expired or was cancelled.")
        return upload

    async def _load(self, container: Container, upload_id: str) -> Upload:
        """The upload; one that is completing only after that is done."""
        upload = self._visible(await self._storage.load(container, upload_id))
        if upload.state is UploadState.COMPLETING:
            return await self._ends.complete(container, upload)
        return upload

    async def _load_unclaimed(
        self, container: Container, upload_id: str, patience: float
    ) -> Upload:
        """`_load`, once nobody claims the upload any more, or the loop's time is ``patience``."""
        while True:
            upload = await self._load(container, upload_id)
            open_to_others = upload.state is not UploadState.OPEN or not upload.claimed
            if open_to_others or asyncio.get_running_loop().time() >= patience:
                return upload
            await asyncio.sleep(_POLL)

    async def _concatenate(self, container: Container, upload: Upload) -> Upload:
        return await self._ends.complete(container, await self._storage.create(container, upload))

    async def _append(self, container: Container, upload_id: str, request: Append) -> Upload:
        patience = asyncio.get_running_loop().time() + HANDOVER
        await self._turns.end(container, upload_id, HANDOVER)
        with self._turns.hold(container, upload_id, request.piece.source) as turn:
            upload = await self._load_unclaimed(container, upload_id, patience)
            if request.is_replay_of(upload):
                request.piece.check_empty()
                return upload
            known = upload.length
            upload = request.checked(upload)
            self._limits.check_size(upload.length)
            self._limits.check_size(request.end)
            await self._storage.check_fits(upload, request.announced(upload, known))
            upload = await self._claim(container, upload, request)
            upload = await Receiving(
                storage=self._storage,
                ends=self._ends,
                container=container,
                upload=upload,
                request=request,
                turn=turn,
                limits=self._limits,
                known=known,
            ).run()
        if upload.state is UploadState.COMPLETING:
            return await self._ends.complete(container, upload)
        return upload

    async def _claim(self, container: Container, upload: Upload, request: Append) -> Upload:
        """Take the upload over to append to it.

        Who has only asked for the offset meanwhile takes nothing away: it is as if this append had
        come after that question, at the offset that was the answer.
        """
        for _ in range(MOST_SWAPS):
            try:
                return await self._storage.swap(container, taken_over(upload, claimed=True))
            except Superseded:
                current = await self._load(container, upload.id)
            written = current.claimed or current.offset != upload.offset
            if written or current.state is not UploadState.OPEN:
                break
            upload = request.checked(current)
        raise Superseded("Another request has taken this upload over just now; ask for its offset.")

    async def _look(self, container: Container, upload_id: str) -> Upload:
        patience = asyncio.get_running_loop().time() + HANDOVER
        await self._turns.end(container, upload_id, HANDOVER)
        for _ in range(MOST_SWAPS):
            upload = await self._load_unclaimed(container, upload_id, patience)
            if upload.state is not UploadState.OPEN:
                return upload
            with contextlib.suppress(Superseded):
                upload = await self._storage.swap(container, taken_over(upload, claimed=False))
                # Also those that came meanwhile and have claimed nothing yet.
                self._turns.interrupt(container, upload_id)
                return upload
        raise StorageUnavailable("This upload is taken over all the time; try again later.")

    async def _cancel(self, container: Container, upload_id: str) -> None:
        await self._turns.end(container, upload_id, HANDOVER)
        for _ in range(MOST_SWAPS):
            # Not loaded as for others, who would complete it: that is what nobody wants any more.
            upload = self._visible(await self._storage.load(container, upload_id))
            with contextlib.suppress(Superseded):
                return await self._ends.forget(container, upload)
        raise StorageUnavailable("This upload is taken over all the time; try again later.")
