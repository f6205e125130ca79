"""The one way to settle a doubt: do it, and if it seems to have failed, look whether it was done.

A reply can be lost after the store has done the work, and the request that is then repeated fails:
NoSuchUpload, or 412 for a condition that our own first try made untrue. So what is written carries
a mark of who wrote it, and before any verdict of failure it is looked at.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import TypeVar

from file_uploader.errors import (
    FileUploaderError,
    NoSuchFile,
    PreconditionFailed,
    StorageError,
    StorageTimeout,
    StorageUnavailable,
)

from .errors import Unsettled

T = TypeVar("T")

Errors = tuple[type[FileUploaderError], ...]

logger = logging.getLogger(__name__)

SEEMING = (PreconditionFailed, NoSuchFile, StorageError)
"""What a write may end with that has been done."""


async def settle(
    what: str, doing: Awaitable[T], look: Callable[[], Awaitable[T | None]], on: Errors = SEEMING
) -> T:
    """Return what is done; where it ends ``on`` an error, what ``look`` finds, if it was done.

    Else that error is raised. Where nothing can be seen it is `StorageUnavailable` or
    `StorageTimeout`, whatever the failure: who has to say "not done" has to have looked.
    """
    try:
        return await doing
    except on as failure:
        try:
            found = await look()
        except StorageError as unseen:
            lost = isinstance(failure, StorageUnavailable | StorageTimeout)
            if lost and not isinstance(failure, Unsettled):
                raise failure from None
            unknown = StorageUnavailable("The store does not show what was written.")
            for note in getattr(unseen, "__notes__", ()):
                unknown.add_note(note)
            raise unknown from None
        if found is None:
            raise
    logger.info("S3 %s had been done although it seemed to fail", what)
    return found
