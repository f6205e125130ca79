"""``sweep``: what the server does every hour, now; or a look at what that would remove."""

from __future__ import annotations

from contextlib import aclosing

from file_uploader.cli.support import formatting
from file_uploader.errors import StorageUnavailable
from file_uploader.settings import load_settings
from file_uploader.storage.upkeep import Leftover
from file_uploader.stores import open_existing

WRONG = 1
"""The exit status where something could not be looked at or removed."""

_KINDS = {
    Leftover.REPLACED: "contents of files that were replaced or deleted",
    Leftover.UPLOADS: "uploads that have expired or were cancelled",
    Leftover.UNFINISHED: "what crashes have left of unfinished writes",
    Leftover.PROBES: "objects that probed the store",
}


async def sweep(*, dry: bool, as_json: bool) -> int:
    """Sweep; print what it removed and what it could not. Returns the exit status.

    Raises `ConfigurationError` and `StorageError`.
    """
    async with aclosing(await open_existing(load_settings())) as storage:
        swept = await storage.sweep(dry=dry)
    if swept is None:
        raise StorageUnavailable("Another process sweeps just now.")
    for flaw in swept.flaws:
        print(formatting.flaw(flaw, as_json=as_json))
    if as_json:
        counts = {"dry_run": dry, "removed": formatting.swept(swept), "failed": swept.failed}
        print(formatting.json_line(counts))
    else:
        for kind, amount in swept.amounts.items():
            done = "would remove" if dry else "removed"
            print(f"{done} {amount.count:,} {_KINDS[kind]} ({formatting.size(amount.size)})")
        if swept.failed:
            print(f"{swept.failed:,} could not be looked at or removed")
        elif not swept.amounts:
            print("nothing to remove")
    return WRONG if swept.failed else 0
