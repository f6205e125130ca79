"""The one place where things are put together: settings, a store, the routes."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from file_uploader import __version__, metrics, tracing
from file_uploader.errors import StorageError
from file_uploader.http.fields.base_url import BaseURLs, TrustedProxies
from file_uploader.http.files.content import Contents
from file_uploader.http.files.listing import Listing
from file_uploader.http.links.resource import LinkResources
from file_uploader.http.resumable.resource import Resumable
from file_uploader.http.tus.resource import Tus, described
from file_uploader.links import Links
from file_uploader.model.files import TransferLimits
from file_uploader.settings import Settings
from file_uploader.storage.base import Storage
from file_uploader.storage.upkeep import Swept
from file_uploader.stores import open_storage
from file_uploader.uploads.rules import Uploads

from . import access_log
from .access_log import AccessLog
from .application import Application
from .operations import health, scrape
from .pages import contract, page, problem_types
from .routing import (
    LinkRoute,
    NoRoute,
    OpenEndpoint,
    PrivateRoute,
    PublicRoute,
    Route,
    Routes,
)
from .uploads import listed, no_ordinary_post, spoken, stored

SWEEP_INTERVAL = 3600.0
"""Seconds between sweeps, give or take a tenth so that workers and nodes spread out."""

MOST_LOGGED = 100
"""Lines of a sweep's findings that are logged; the command ``sweep`` tells more."""

_log = logging.getLogger(__name__)

OpenStorage = Callable[[Settings], Awaitable[Storage]]


def create_app(
    settings: Settings, open_storage: OpenStorage = open_storage, pages: Path = page.BUILT
) -> Application:
    """Build the ASGI application, with the pages as they are in their directory now.

    The store is opened when the server starts the application up.
    """
    unchanging = fixed(pages)
    resources = Routes()
    log = AccessLog(access_log.RENDER[settings.log_format])

    @asynccontextmanager
    async def lifespan(_life: object) -> AsyncIterator[None]:
        kind = "local" if settings.bucket is None else "s3"
        metrics.BUILD.labels(__version__, kind).set(1)
        async with tracing.started():
            storage = await open_storage(settings)
            limits = transfer_limits(settings)
            uploads = Uploads(storage, expiry=settings.upload_expiry, limits=limits)
            resources.table = routes(storage, uploads, settings, unchanging)
            if settings.metrics_address is not None:
                resources.at_port[settings.metrics_address.port] = [
                    PublicRoute("/metrics", scrape.endpoint(storage, None)),
                    PublicRoute(problem_types.PATH, problem_types.SENT.endpoint),
                    NoRoute(),
                ]
            sweeper = asyncio.create_task(_sweep_for_ever(storage))
            try:
                yield
            finally:
                sweeper.cancel()
                await asyncio.wait([sweeper])
                await uploads.aclose()
                await storage.aclose()
                await log.aclose()

    return Application(
        resources,
        base_urls=BaseURLs(settings.root_path, TrustedProxies(settings.forwarded_allow_ips)),
        lifespan=lifespan,
        log=log,
        origins=settings.cors_origins,
        uploads_described=described(transfer_limits(settings)),
    )


def fixed(pages: Path) -> dict[str, OpenEndpoint]:
    """What is the same for everybody, by path: the pages of a directory, and those made here."""
    return {
        "/": page.endpoint(pages / page.FRONT),
        "/api/docs": page.endpoint(pages / page.DOCUMENTATION),
        "/api/openapi.json": contract.endpoint,
        problem_types.PATH: problem_types.SENT.endpoint,
    }


def transfer_limits(settings: Settings) -> TransferLimits:
    """What every incoming body has to keep to."""
    return TransferLimits(
        max_size=settings.max_file_size,
        idle_timeout=settings.idle_timeout,
        min_rate=settings.min_rate,
    )


def routes(
    storage: Storage,
    uploads: Uploads,
    settings: Settings,
    unchanging: Mapping[str, OpenEndpoint],
) -> list[Route[Any]]:
    """Every resource, in the order in which they are tried; ``unchanging`` is as `fixed` gives."""
    limits = transfer_limits(settings)
    tus = Tus(uploads, limits)
    files, listing = Contents(storage, limits), Listing(storage)
    resumable = Resumable(uploads, files, limits, interim=settings.interim_responses)
    secrets = [key.get_secret_value().encode() for key in settings.link_keys]
    links = Links(storage, secrets)
    shared = LinkResources(links, storage, limits, direct=settings.direct_downloads)
    all_uploads = listed(uploads)
    token = settings.metrics_token
    counted = scrape.endpoint(storage, token.get_secret_value() if token else None)
    return [
        # Before the list, which has a slash at its end as well: no name is no list.
        PrivateRoute(
            "/api/files/{name}",
            {
                "GET": files.get,
                "HEAD": files.head,
                "PUT": stored(files.put, resumable),
                "POST": stored(no_ordinary_post, resumable),
                "DELETE": files.delete,
            },
            resumable.described,
        ),
        PrivateRoute("/api/files", {"GET": listing.get, "HEAD": listing.head}),
        PrivateRoute("/api/uploads", {"GET": all_uploads, "HEAD": all_uploads, "POST": tus.create}),
        PrivateRoute(
            "/api/uploads/{id}",
            {
                "GET": spoken(tus.head, resumable.head),
                "HEAD": spoken(tus.head, resumable.head),
                "PATCH": spoken(tus.patch, resumable.patch),
                "DELETE": spoken(tus.delete, resumable.delete),
            },
        ),
        PrivateRoute("/api/links", {"POST": shared.post}),
        LinkRoute(links, {"GET": shared.get, "HEAD": shared.head, "PUT": shared.put}),
        *(PublicRoute(path, endpoint) for path, endpoint in unchanging.items()),
        PublicRoute("/health", health.health),
        PublicRoute("/ready", health.Readiness(storage).endpoint),
        *([PublicRoute("/metrics", counted)] if token else []),
        NoRoute(),
    ]


async def _sweep_for_ever(storage: Storage) -> None:
    while True:
        outcome = "failed"
        try:
            swept = await storage.sweep()
            metrics.LAST_SWEEP.set_to_current_time()
            outcome = "ok" if swept else "skipped"
            if swept is not None:
                _tell_of_sweep(swept)
        except StorageError as error:
            _log.warning("the sweep failed and will be tried again: %s", error)
        except Exception:  # noqa: BLE001 - whatever it is, the next one may succeed
            _log.exception("the sweep failed and will be tried again")
        metrics.SWEEPS.labels(outcome).inc()
        await asyncio.sleep(SWEEP_INTERVAL * random.uniform(0.9, 1.1))  # noqa: S311


def _tell_of_sweep(swept: Swept) -> None:
    for kind, amount in swept.amounts.items():
        metrics.SWEPT.labels(kind).inc(amount.count)
        metrics.SWEPT_BYTES.labels(kind).inc(amount.size)
    metrics.SWEEP_FINDINGS.inc(swept.failed)
    for flaw in swept.flaws[:MOST_LOGGED]:
        _log.warning("the sweep could not look at or remove something: %s", flaw)
    if swept.failed > MOST_LOGGED:
        _log.warning("the sweep could not look at or remove %d things in all", swept.failed)
