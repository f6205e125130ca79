"""Which stores there are, and how each is opened with the settings."""

from __future__ import annotations

import os
from contextlib import aclosing
from pathlib import Path
from typing import TYPE_CHECKING

from file_uploader.storage.base import Storage

from .errors import ConfigurationError, StorageError, StorageRefused
from .settings import Settings

if TYPE_CHECKING:  # Each brings libraries that the other does without.
    from file_uploader.storage.local import LocalStorage
    from file_uploader.storage.s3 import S3Storage


async def open_storage(settings: Settings) -> Storage:
    """Open the store that the settings name. Raises `ConfigurationError`."""
    return await (open_local(settings) if settings.bucket is None else open_s3(settings))


async def open_local(settings: Settings) -> LocalStorage:
    """Open the embedded store, whether or not it is the one in use. Raises `ConfigurationError`."""
    from file_uploader.storage.local import LocalStorage  # noqa: PLC0415

    return await LocalStorage.connect(settings.data_dir)


async def open_s3(settings: Settings, *, patient: bool = True) -> S3Storage:
    """Open the S3 store. Raises `ConfigurationError`, also where no bucket is set.

    Who is not ``patient`` is told by `StorageUnavailable` that it cannot be reached.
    """
    from file_uploader.storage.s3 import S3Config, S3Storage  # noqa: PLC0415

    if settings.bucket is None:
        raise ConfigurationError("BUCKET: not set, so there is no store on S3.")
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
        ),
        patient=patient,
    )


def whereabouts(settings: Settings) -> str:
    """Which store the settings name, for people."""
    if settings.bucket is None:
        return str(settings.data_dir.absolute())
    return f"s3://{settings.bucket}"


async def try_storage(settings: Settings) -> None:
    """Open the store and close it again. Raises `ConfigurationError` if it cannot work.

    What may pass is no reason not to start.
    """
    async with aclosing(await open_storage(settings)) as storage:
        try:
            await storage.ready()
        except StorageRefused as error:
            raise ConfigurationError(f"BUCKET: nothing can be stored there: {error}") from None
        except StorageError:
            pass


async def open_existing(settings: Settings) -> Storage:
    """`open_storage` for whoever looks after a store: none is made where there is none."""
    if settings.bucket is not None:
        return await open_s3(settings, patient=False)
    return await open_existing_local(settings)


async def open_existing_local(settings: Settings) -> LocalStorage:
    """`open_local`, likewise. Raises `ConfigurationError`, also for who is not its owner."""
    from file_uploader.storage.local import has_store  # noqa: PLC0415

    check_owner(settings.data_dir)
    if not has_store(settings.data_dir):
        raise ConfigurationError(f"DATA_DIR: there is no store in {settings.data_dir.absolute()}.")
    return await open_local(settings)


def check_owner(directory: Path) -> None:
    """Raise `ConfigurationError` where files that are made here could not be the server's."""
    try:
        owner = directory.stat().st_uid
    except OSError:
        return
    if owner != os.geteuid():
        raise ConfigurationError(
            f"DATA_DIR: it belongs to the user with id {owner}; run this as that user, or the"
            " server could not use what is made here."
        )
