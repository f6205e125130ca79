"""One request's part in an upload: what it brings, what it asks for, and its turn.

Nothing here touches a store: see `file_uploader.uploads.rules` for the rules as a whole.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from file_uploader.errors import (
    BodyInterrupted,
    InconsistentLength,
    NotAppendable,
    OffsetMismatch,
    PieceMismatch,
)
from file_uploader.model.names import Container
from file_uploader.model.uploads import Appended, Upload, UploadState
from file_uploader.transfer.body import ClientBody

Acknowledge = Callable[[Upload], Awaitable[None]]

REST = 8 * 1024 * 1024
"""Bytes that an interrupted append still takes of those that have arrived: more than a connection
and its socket hold, and little enough to be stored in time, however fast more comes."""

MOMENT = 0.02
"""Seconds for what is in the socket to get here."""


@dataclass(frozen=True, slots=True)
class Piece:
    """What one request brings: its bytes, how many it announced, and the digests they must have."""

    source: AsyncIterator[bytes]
    length: int | None = None
    expected: Mapping[str, bytes] = field(default_factory=dict)

    def check_empty(self) -> None:
        """Raise `PieceMismatch` unless its digests are those of no bytes."""
        for algorithm, digest in self.expected.items():
            if hashlib.new(algorithm, usedforsecurity=False).digest() != digest:
                raise PieceMismatch("The digest is not that of this piece, which is empty.")


@dataclass(frozen=True, slots=True)
class Append:
    """What a request to append asks for; see `Uploads.append`."""

    piece: Piece
    offset: int
    length: int | None
    final: bool | None
    repeats: bool
    acknowledge: Acknowledge | None

    @property
    def end(self) -> int | None:
        """The offset after this piece, if that is known beforehand."""
        return None if self.piece.length is None else self.offset + self.piece.length

    def announced(self, upload: Upload, known: int | None) -> int:
        """Bytes that this request says are to come; ``known`` is the length as it was before."""
        if known is None and upload.length is not None:
            return upload.length - upload.offset
        return self.piece.length or 0

    def is_replay_of(self, upload: Upload) -> bool:
        """Whether it is the confirmation of a finished upload whose last answer was lost."""
        return (
            self.repeats
            and upload.state is UploadState.COMPLETE
            and not upload.plan.sources
            and self.offset == upload.offset
            and self.piece.length == 0
            and self.length in (None, upload.length)
        )

    def checked(self, upload: Upload) -> Upload:
        """The upload with the length that this request says. Raises what is wrong with it."""
        if upload.plan.sources:
            raise NotAppendable("This upload was put together from others and takes no bytes.")
        if self.offset != upload.offset:
            raise OffsetMismatch(upload.offset, self.offset)
        ends = self.end if self.final else None
        said = {each for each in (upload.length, self.length, ends) if each is not None}
        if upload.state is UploadState.COMPLETE or len(said) > 1:
            raise InconsistentLength(
                f"The upload has {upload.length} bytes, by what was said before."
                if upload.length is not None
                else "This request says two different lengths of the upload."
            )
        length = said.pop() if said else None
        if length is not None and max(self.offset, self.end or 0) > length:
            raise InconsistentLength(
                f"The upload has {length} bytes; this request goes beyond them."
            )
        return replace(upload, length=length)

    def completes(self, upload: Upload, stored: Appended, body: ClientBody) -> bool:
        """Whether the upload is complete with what is stored of this piece."""
        if self.final is None:
            return stored.offset == upload.length
        whole = body.ended or (body.received == body.length and not body.all_or_nothing)
        return self.final and whole and upload.length in (None, stored.offset)


class Turn:
    """One append's hold on its upload in this process: its source, until a newer request comes."""

    def __init__(self, source: AsyncIterator[bytes]) -> None:
        self.over = asyncio.Event()
        self._source = source
        self._rest: int | None = None
        self._waiting: asyncio.Task[object] | None = None

    def interrupt(self, rest: int = 0) -> None:
        """End the source as if its client had gone; what it gave before is still stored.

        So are ``rest`` bytes, about, that have arrived.
        """
        self._rest = rest if self._rest is None else min(rest, self._rest)
        if self._waiting is not None:
            self._waiting.cancel()

    def __aiter__(self) -> Turn:
        return self

    async def __anext__(self) -> bytes:
        if self._rest is not None:
            return await self._next_of_rest(self._rest)
        task = self._waiting = asyncio.current_task()
        try:
            return await anext(self._source)
        except asyncio.CancelledError:
            if self._interrupted:
                if task is not None:
                    task.uncancel()
                raise self._over() from None
            raise
        finally:
            self._waiting = None

    @property
    def _interrupted(self) -> bool:
        return self._rest is not None

    async def _next_of_rest(self, left: int) -> bytes:
        if left <= 0:
            raise self._over()
        try:
            async with asyncio.timeout(MOMENT):
                chunk = await anext(self._source)
        except TimeoutError:
            raise self._over() from None
        self._rest = left - len(chunk)
        return chunk

    def _over(self) -> BodyInterrupted:
        self._rest = 0  # The source may look ended once it was cancelled.
        return BodyInterrupted("A newer request has taken this upload over.")


class Turns:
    """The turns of all appends in this process."""

    def __init__(self) -> None:
        self._turns: defaultdict[tuple[Container, str], set[Turn]] = defaultdict(set)

    @contextlib.contextmanager
    def hold(
        self, container: Container, upload_id: str, source: AsyncIterator[bytes]
    ) -> Iterator[Turn]:
        """A turn at an upload, over when the block is."""
        key = container, upload_id
        turn = Turn(source)
        self._turns[key].add(turn)
        try:
            yield turn
        finally:
            turn.over.set()
            self._turns[key].discard(turn)
            if not self._turns[key]:
                del self._turns[key]

    def interrupt(self, container: Container, upload_id: str, rest: int = 0) -> set[Turn]:
        """Interrupt the appends to an upload, and return them; see `Turn.interrupt`."""
        turns = set(self._turns.get((container, upload_id), ()))
        for turn in turns:
            turn.interrupt(rest)
        return turns

    def interrupt_all(self) -> None:
        """Interrupt the appends to all uploads."""
        for container, upload_id in tuple(self._turns):
            self.interrupt(container, upload_id, REST)

    async def end(self, container: Container, upload_id: str, patience: float) -> None:
        """Interrupt the appends to an upload, and give them ``patience`` seconds to end."""
        turns = self.interrupt(container, upload_id, REST)
        if not turns:
            return
        over = [asyncio.create_task(turn.over.wait()) for turn in turns]
        await asyncio.wait(over, timeout=patience)
        for each in over:
            each.cancel()


def taken_over(upload: Upload, *, claimed: bool) -> Upload:
    """The record by which somebody takes an upload over."""
    generation = upload.generation + 1
    torn = generation if upload.claimed else upload.torn
    return replace(upload, generation=generation, claimed=claimed, torn=torn)
