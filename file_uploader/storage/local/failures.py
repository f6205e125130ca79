"""What the operating system and SQLite report, as the errors of this package.

A message is for the client and says nothing of paths; the cause, which says everything, is chained
for the log.
"""

from __future__ import annotations

import errno
from collections.abc import Callable
from typing import TypeVar, TypeVarTuple

import apsw

from file_uploader.errors import (
    FileTooLarge,
    FileUploaderError,
    StorageFailed,
    StorageFull,
    StorageUnavailable,
)

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
EXHAUSTED = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN})
"""What is wrong with the process or the machine, and not with what was to be read."""


def failure(error: OSError | apsw.Error, number: int = 0) -> FileUploaderError:
    """The error to raise for ``error``; ``number`` is the errno that SQLite noted last.

    That one may be of an earlier call: it only tells one failed write from another. A note tells
    who looks after the store what was reported.
    """
    failed = _failure(error, number)
    failed.add_note(f"It was: {error.strerror if isinstance(error, OSError) else error}.")
    return failed


def _failure(error: OSError | apsw.Error, number: int) -> FileUploaderError:
    if isinstance(error, OSError):
        full, busy = error.errno in _FULL, error.errno in EXHAUSTED
        if error.errno == errno.EFBIG:
            return FileTooLarge("The file is larger than the file system can hold.")
    else:
        full = isinstance(error, apsw.FullError)
        full |= isinstance(error, apsw.IOError) and number in _FULL  # It knows no quotas.
        busy = isinstance(error, apsw.BusyError | apsw.LockedError)
    if full:
        return StorageFull("No space is left to store this.")
    if busy:
        return StorageUnavailable("The store is too busy; try again later.")
    return StorageFailed("The store could not read or write its disk.")


def translated(function: Callable[[*Ts], T], *args: *Ts) -> T:
    """Make a call; raise the errors of the operating system and of SQLite as this package's."""
    try:
        return function(*args)
    except (OSError, apsw.Error) as error:
        raise failure(error) from error
    except UnicodeDecodeError as error:
        raise StorageFailed("What the index says is no text: it is damaged.") from error
