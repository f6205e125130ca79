"""``sweep``: what the server does every hour, now; or a look at what that would remove."""

from __future__ import annotations

from argparse import Namespace
from contextlib import aclosing

from file_uploader.cli.support.report import Report, size, swept
from file_uploader.errors import StorageUnavailable
from file_uploader.settings import load_settings
from file_uploader.storage.upkeep import Leftover
from file_uploader.stores import open_existing

_KINDS = {
    Leftover.REPLACED: "contents of files that were replaced or deleted",
    Leftover.UPLOADS: "uploads that have expired or were cancelled",
    Leftover.UNFINISHED: "what crashes have left of unfinished writes",
    Leftover.PROBES: "objects that probed the store",
}


async def sweep(options: Namespace) -> int:
    """Sweep, and tell what could not be. Raises `ConfigurationError` and `StorageError`."""
    async with aclosing(await open_existing(load_settings())) as storage:
        found = await storage.sweep(dry=options.dry_run)
    if found is None:
        raise StorageUnavailable("Another process sweeps just now.")
    report = Report(options)
    for flaw in found.flaws:
        report.tell(flaw)
    done = "would remove" if options.dry_run else "removed"
    lines = [
        f"{done} {amount.count:,} {_KINDS[kind]} ({size(amount.size)})"
        for kind, amount in found.amounts.items()
    ]
    if found.failed:
        lines.append(f"{found.failed:,} could not be looked at or removed")
    figures = {"dry_run": options.dry_run, "removed": swept(found), "failed": found.failed}
    return report.sum_up(figures, lines or ["nothing to remove"], wrong=found.failed)
