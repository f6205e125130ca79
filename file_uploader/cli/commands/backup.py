"""``backup`` and ``restore``: copies of the embedded store."""

from __future__ import annotations

from contextlib import aclosing, closing
from pathlib import Path

from file_uploader.cli.support import formatting
from file_uploader.cli.support.progress import Progress
from file_uploader.errors import ConfigurationError
from file_uploader.settings import Settings, load_settings
from file_uploader.storage import local
from file_uploader.stores import check_owner, open_existing_local

WRONG = 1
"""The exit status where something is wrong with what was copied."""


async def backup(directory: Path, *, as_json: bool, progress: bool) -> int:
    """Bring a backup up to date, or make one. Raises `ConfigurationError` and `StorageError`."""
    settings = _settings()
    with closing(Progress(wanted=progress)) as bar:
        async with aclosing(await open_existing_local(settings)) as storage:
            copied = await storage.back_up(directory, bar)
    return _told(copied, as_json=as_json)


async def restore(directory: Path, *, as_json: bool, progress: bool) -> int:
    """Put a backup in the place of the store. Raises `ConfigurationError` and `StorageError`."""
    settings = _settings()
    check_owner(settings.data_dir)
    with closing(Progress(wanted=progress)) as bar:
        copied = await local.restore(directory, settings.data_dir, bar)
    return _told(copied, as_json=as_json)


def _settings() -> Settings:
    settings = load_settings()
    if settings.bucket is not None:
        raise ConfigurationError(
            "BUCKET: files are on S3, and backups are of the embedded store; use what your provider"
            " has for it."
        )
    return settings


def _told(copied: local.Copied, *, as_json: bool) -> int:
    amount, flaws = copied.blobs, copied.flaws.values()
    for flaw in flaws:
        print(formatting.flaw(flaw, as_json=as_json))
    if as_json:
        counts = {"copied": amount.count, "bytes": amount.size, "wrong": len(flaws)}
        print(formatting.json_line(counts))
    else:
        print(f"copied the index and {amount.count:,} contents, {formatting.size(amount.size)}")
    return WRONG if flaws else 0
