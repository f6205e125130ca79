"""A pass over many items: a bad one is a finding, and only the store itself ends the pass.

An error of an item is the item's own unless the store is at fault. Whether it is, the store says
itself: after an error it is asked whether it is ready. Where it is not, and does not come back
within seconds, the pass ends; there is no use in the next item. Where it is, what may pass (an
outage, a limit of requests) is tried again, and then the next item's turn comes. A full store ends
the pass too. Errors that nobody foresaw are no findings.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from file_uploader.errors import (
    ConfigurationError,
    FileUploaderError,
    Overloaded,
    StorageError,
    StorageFull,
    StorageTimeout,
    StorageUnavailable,
)

T = TypeVar("T")

TRIES = 2
"""How often an item is tried whose error may pass. A store tries each request for long already."""

PAUSE = 1.0
"""Seconds until the second try."""

PATIENCE = (1.0, 2.0, 4.0)
"""Seconds between the questions whether the store is ready, before it is taken for gone."""

_MAY_PASS = (StorageUnavailable, StorageTimeout, Overloaded)
_ENDS = (StorageFull, ConfigurationError)


class ItemFailed(Exception):
    """One item cannot be read, or done; as text: why."""


class Pass:
    """Tells the errors of items from those of the store; ``ready`` raises those of the store."""

    def __init__(self, ready: Callable[[], Awaitable[None]]) -> None:
        self._ready = ready

    async def attempt(self, work: Callable[[], Awaitable[T]], subject: str = "") -> T:
        """Do the work on an item; ``subject`` names it.

        Raises `ItemFailed` for what ends nothing, and what ends the pass as it is.
        """
        for tries_left in reversed(range(TRIES)):
            try:
                return await work()
            except FileUploaderError as error:
                why = await self.judge(error, subject)
                if not tries_left or not may_pass(error):
                    raise ItemFailed(why) from error
            await asyncio.sleep(PAUSE)
        raise AssertionError("it is tried at least once")

    async def judge(self, error: FileUploaderError, subject: str = "") -> str:
        """Why an item failed. Raises what ends the pass: ``error``, or what ``ready`` raises."""
        if isinstance(error, _ENDS):
            raise _about(error, subject)
        if isinstance(error, StorageError):
            await self._see_that_it_is_there(subject)
        return explained(error)

    async def _see_that_it_is_there(self, subject: str) -> None:
        for pause in PATIENCE:
            try:
                return await self._ready()
            except StorageError:
                await asyncio.sleep(pause)
        try:
            await self._ready()
        except StorageError as gone:
            raise _about(gone, subject) from None


def may_pass(error: FileUploaderError) -> bool:
    """Whether there is use in another try."""
    return isinstance(error, _MAY_PASS)


def explained(error: BaseException) -> str:
    """What went wrong, with what the error's notes add."""
    return " ".join([str(error), *getattr(error, "__notes__", ())])


def _about(error: FileUploaderError, subject: str) -> FileUploaderError:
    if subject:
        error.add_note(f"It ended at {subject}.")
    return error
