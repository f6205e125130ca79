"""``backup`` and ``restore``: copies of the embedded store."""

from __future__ import annotations

from argparse import Namespace
from contextlib import aclosing, closing

from file_uploader.cli.support.report import Report, size
from file_uploader.errors import ConfigurationError
from file_uploader.settings import Settings, load_settings
from file_uploader.storage import local
from file_uploader.stores import check_owner, open_existing_local


async def backup(options: Namespace) -> int:
    """Bring a backup up to date, or make one. Raises `ConfigurationError` and `StorageError`."""
    settings = _settings()
    with closing(Report(options)) as report:
        async with aclosing(await open_existing_local(settings)) as storage:
            copied = await storage.back_up(options.directory, report)
        return _told(report, copied)


async def restore(options: Namespace) -> int:
    """Put a backup in the place of the store. Raises `ConfigurationError` and `StorageError`."""
    settings = _settings()
    check_owner(settings.data_dir)
    with closing(Report(options)) as report:
        return _told(report, await local.restore(options.directory, settings.data_dir, report))


def _settings() -> Settings:
    settings = load_settings()
    if settings.bucket is not None:
        raise ConfigurationError(
            "BUCKET: files are on S3, and backups are of the embedded store; use what your provider"
            " has for it."
        )
    return settings


def _told(report: Report, copied: local.Copied) -> int:
    for flaw in copied.flaws.values():
        report.tell(flaw)
    amount = copied.blobs
    figures = {"copied": amount.count, "bytes": amount.size, "wrong": report.told}
    line = f"copied the index and {amount.count:,} contents, {size(amount.size)}"
    return report.sum_up(figures, [line], wrong=report.told)
