"""One file from one store to another."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from enum import Enum, auto

from file_uploader.errors import (
    BodyLengthMismatch,
    DigestMismatch,
    NoSuchFile,
    PreconditionFailed,
    StorageError,
    StorageUnavailable,
)
from file_uploader.model.files import FileInfo, TransferLimits
from file_uploader.model.names import Container, FileName
from file_uploader.storage.base import Content, Storage
from file_uploader.transfer.body import ClientBody

from .report import Report

_MOST_TURNS = 10
"""How often a file is begun again that is replaced meanwhile."""

_UNHURRIED = TransferLimits(idle_timeout=timedelta(days=1), min_rate=0)
"""A store is no client: it may take as long as it does."""


class Outcome(Enum):
    """What became of a file."""

    COPIED = auto()
    SAME = auto()
    """The target has it already, with the same metadata."""
    NEWER = auto()
    """The target has another one, which is newer."""
    GONE = auto()
    """The source does not have it any more."""
    DAMAGED = auto()
    """The source does not have what was stored."""


class _DamagedError(Exception):
    """The source does not have what was stored."""


class _SourceError(Exception):
    """The source failed while the target pulled: no error of the target's."""

    def __init__(self, error: StorageError) -> None:
        super().__init__(str(error))
        self.error = error


class Transfer:
    """Copies files from ``source`` to ``target``."""

    def __init__(self, source: Storage, target: Storage, report: Report) -> None:
        self._source = source
        self._target = target
        self._report = report

    async def copy(self, container: Container, name: FileName) -> Outcome:
        """Copy a file unless the target has it.

        Raises what either store raises, and what the target refuses: `InvalidInput`, `FileTooLarge`
        and `Overloaded`.
        """
        for _ in range(_MOST_TURNS):
            try:
                return await self._copy(container, await self._source.head(container, name))
            except NoSuchFile:
                return Outcome.GONE
            except _SourceError as failed:
                raise failed.error from None
            except (_DamagedError, DigestMismatch, BodyLengthMismatch):
                return Outcome.DAMAGED
            except PreconditionFailed:  # It is another version by now.
                continue
        raise StorageUnavailable("The file is being replaced all the time; try again later.")

    async def _copy(self, container: Container, info: FileInfo) -> Outcome:
        try:
            there = await self._target.head(container, info.name)
        except NoSuchFile:
            pass
        else:
            same = _is_same(info, there)
            if same or there.modified > info.modified:
                self._report.advance(info.size)
                return Outcome.SAME if same else Outcome.NEWER
        async with self._source.open(container, info.name, etag=info.etag) as content:
            body = ClientBody(
                self._read(content),
                length=info.size,
                limits=_UNHURRIED,
                expected={} if info.sha256 is None else {"sha256": info.sha256},
            )
            await self._target.put(
                container, info.name, body, metadata=info.metadata, modified=info.modified
            )
        return Outcome.COPIED

    async def _read(self, content: Content) -> AsyncIterator[bytes]:
        """The bytes; raises `_DamagedError` in the end where they are not those that were stored.

        Where a SHA-256 is kept, the body compares it.
        """
        proof = None if content.info.sha256 else self._source.proof(content.info)
        try:
            async for chunk in content.chunks:
                if proof is not None:
                    proof.update(chunk)
                self._report.advance(len(chunk))
                yield chunk
        except StorageError as error:
            raise _SourceError(error) from error
        if proof is not None and proof.holds() is False:
            raise _DamagedError


def _is_same(info: FileInfo, there: FileInfo) -> bool:
    """Whether both are one file: by the digest, or by the time that was copied with it."""
    if (info.size, info.metadata) != (there.size, there.metadata):
        return False
    if info.sha256 is None or there.sha256 is None:
        return info.modified == there.modified
    return info.sha256 == there.sha256
