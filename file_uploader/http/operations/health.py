"""``/health``: this process is up. ``/ready``: and its store takes and gives files."""

from __future__ import annotations

import asyncio
from time import monotonic

from starlette.datastructures import Headers
from starlette.responses import JSONResponse, Response

from file_uploader.errors import StorageError
from file_uploader.http import caching
from file_uploader.storage.base import Storage

FRESH = 2.0
"""Seconds for which what was found is told to others who ask."""


async def health(_headers: Headers) -> Response:
    """The process answers, so it is up."""
    return JSONResponse({"status": "up"}, headers=caching.STATE)


class Readiness:
    """Asks the store, once for everybody who wants to know it at about the same time."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._asking = asyncio.Lock()
        self._until = 0.0
        self._failure: StorageError | None = None

    async def endpoint(self, _headers: Headers) -> Response:
        """Raises `StorageError` where it is not ready."""
        async with self._asking:
            if monotonic() >= self._until:
                try:
                    await self._storage.ready()
                    self._failure = None
                except StorageError as failure:
                    self._failure = failure
                self._until = monotonic() + FRESH
        if self._failure is not None:
            raise self._failure.with_traceback(None)
        return JSONResponse({"status": "ready"}, headers=caching.STATE)
