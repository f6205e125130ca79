"""The one place where things are put together: settings, a store, the routes."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from starlette.datastructures import Headers
from starlette.responses import JSONResponse, Response

from file_uploader.errors import StorageError
from file_uploader.links import Links
from file_uploader.model import TransferLimits
from file_uploader.settings import Settings
from file_uploader.storage.base import Storage
from file_uploader.uploads import Uploads

from . import page
from .access import AccessLog
from .application import Application
from .contents import Contents
from .cors import CrossOrigin
from .direct import DirectDownloads
from .files import Files
from .links import LinkResources
from .listing import Listing
from .middleware import (
    AnswerFailure,
    BodilessHead,
    DrainUnread,
    RequireHost,
    UploadMethod,
    UploadProtocol,
)
from .problems import NOSNIFF
from .resumable import Resumable
from .routing import LinkRoute, NoRoute, OpenEndpoint, PrivateRoute, PublicRoute, Route, Routes
from .tus import Tus, described
from .uploads import UploadResources

SWEEP_INTERVAL = 3600.0
"""Seconds between sweeps, give or take a tenth so that workers and nodes spread out."""

_OF_HEALTH = {"cache-control": "no-store", **NOSNIFF}

_log = logging.getLogger(__name__)

OpenStorage = Callable[[Settings], Awaitable[Storage]]


async def open_storage(settings: Settings) -> Storage:
    """Open the store that the settings name. Raises `ConfigurationError`."""
    if settings.bucket is None:
        from file_uploader.storage.local import LocalStorage  # noqa: PLC0415

        return await LocalStorage.connect(settings.data_dir)
    from file_uploader.storage.s3 import S3Config, S3Storage  # noqa: PLC0415

    secret, session = settings.aws_secret_access_key, settings.aws_session_token
    return await S3Storage.connect(
        S3Config(
            bucket=settings.bucket,
            container_bucket=settings.container_bucket,
            endpoint_url=settings.aws_endpoint_url_s3,
            region=settings.aws_region,
            access_key=settings.aws_access_key_id,
            secret_key=secret.get_secret_value() if secret else None,
            session_token=session.get_secret_value() if session else None,
            profile=settings.aws_profile,
            memory_budget=settings.memory_budget,
            spool_dir=settings.spool_dir,
            spool_limit=settings.spool_limit,
            upload_expiry=settings.upload_expiry,
        )
    )


async def try_storage(settings: Settings) -> None:
    """Open the store and close it again. Raises `ConfigurationError` if it cannot work."""
    storage = await open_storage(settings)
    await storage.aclose()


def create_app(
    settings: Settings, open_storage: OpenStorage = open_storage, page_file: Path = page.BUILT
) -> Application:
    """Build the ASGI application, with the page as it is in its file now.

    The store is opened when the server starts the application up.
    """
    front = page.endpoint(page_file)
    resources = Routes()
    log = AccessLog()

    @asynccontextmanager
    async def lifespan(_life: object) -> AsyncIterator[None]:
        storage = await open_storage(settings)
        limits = transfer_limits(settings)
        uploads = Uploads(storage, expiry=settings.upload_expiry, limits=limits)
        resources.table = routes(storage, uploads, settings, front)
        sweeper = asyncio.create_task(_sweep_for_ever(storage))
        try:
            yield
        finally:
            sweeper.cancel()
            with suppress(asyncio.CancelledError):
                await sweeper
            await uploads.aclose()
            await storage.aclose()
            await log.aclose()

    return Application(
        resources,
        layers=[
            BodilessHead(),
            UploadMethod(described(transfer_limits(settings))),
            CrossOrigin(settings.cors_origins),
            DrainUnread(),
            UploadProtocol(),
            AnswerFailure(),
            RequireHost(),
        ],
        lifespan=lifespan,
        log=log,
    )


def transfer_limits(settings: Settings) -> TransferLimits:
    """What every incoming body has to keep to."""
    return TransferLimits(
        max_size=settings.max_file_size,
        idle_timeout=settings.idle_timeout,
        min_rate=settings.min_rate,
    )


def routes(
    storage: Storage, uploads: Uploads, settings: Settings, front: OpenEndpoint
) -> list[Route]:
    """Every resource there is, in the order in which they are tried; ``front`` is what `/` is."""
    limits = transfer_limits(settings)

    async def health(_headers: Headers) -> Response:
        return JSONResponse({"status": "up"}, headers=_OF_HEALTH)

    async def ready(_headers: Headers) -> Response:
        await storage.ready()
        return JSONResponse({"status": "ready"}, headers=_OF_HEALTH)

    tus = Tus(uploads, limits)
    resumable = Resumable(uploads, limits, interim=settings.interim_responses)
    files = Files(storage, Contents(storage, limits), resumable)
    secrets = [key.get_secret_value().encode() for key in settings.link_keys]
    links = Links(storage, secrets)
    direct = DirectDownloads(storage) if settings.direct_downloads else None
    shared = LinkResources(links, storage, limits, direct)
    resources = UploadResources(uploads, tus, resumable)
    return [
        PrivateRoute("/api/files", Listing(storage).endpoints),
        PrivateRoute("/api/files/", files.endpoints, resumable.described),
        PrivateRoute("/api/uploads", resources.endpoints),
        PrivateRoute("/api/uploads/", resources.endpoints_of_one),
        PrivateRoute("/api/links", shared.endpoints),
        LinkRoute(links, shared.endpoints_of_one),
        PublicRoute("/", front),
        PublicRoute("/health", health),
        PublicRoute("/ready", ready),
        NoRoute(),
    ]


async def _sweep_for_ever(storage: Storage) -> None:
    while True:
        try:
            await storage.sweep()
        except StorageError as error:
            _log.warning("the sweep failed and will be tried again: %s", error)
        except Exception:  # noqa: BLE001 - whatever it is, the next one may succeed
            _log.exception("the sweep failed and will be tried again")
        await asyncio.sleep(SWEEP_INTERVAL * random.uniform(0.9, 1.1))  # noqa: S311
