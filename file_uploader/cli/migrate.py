"""``migrate``: all files from one store to the other.

What is there already is found by asking the target, so there is nothing to remember between two
runs. Nothing is removed, and nothing newer is replaced: a run in the wrong direction does no harm.
"""

from __future__ import annotations

from collections import Counter
from contextlib import aclosing, closing

from file_uploader.model import UploadState
from file_uploader.settings import load_settings
from file_uploader.storage.base import Storage
from file_uploader.storage.upkeep import Flaw
from file_uploader.stores import open_existing_local, open_local, open_s3

from . import shown
from .progress import Progress
from .transfer import Outcome, Transfer
from .walk import Found, Place, at_once, both, every_file, total_size

DIFFERENT = 1
"""The exit status where the stores do not hold the same in the end."""

_AT_ONCE = 8

_TOLD = {
    Outcome.DAMAGED: "its bytes are not those that were stored, so it was not copied",
    Outcome.NEWER: "the target has a newer one, which was left alone",
}
_MISSING = "it has come or changed since it was looked at; run this again"
_EXTRA = "only the target has it"


async def migrate(*, to_s3: bool, as_json: bool, progress: bool) -> int:
    """Copy what the target does not have yet. Raises `ConfigurationError` and `StorageError`."""
    settings = load_settings()
    with closing(Progress(wanted=progress)) as bar:
        open_disk = open_existing_local if to_s3 else open_local
        async with (
            aclosing(await open_s3(settings)) as on_s3,
            aclosing(await open_disk(settings)) as on_disk,
        ):
            source, target = (on_disk, on_s3) if to_s3 else (on_s3, on_disk)
            migration = _Migration(source, target, bar, as_json=as_json)
            await migration.run()
    print(migration.summary())
    return DIFFERENT if migration.told else 0


class _Migration:
    """Copies everything from ``source`` to ``target``."""

    def __init__(self, source: Storage, target: Storage, bar: Progress, *, as_json: bool) -> None:
        self.told: set[Place] = set()
        """The files that are not the same in both."""
        self._source = source
        self._target = target
        self._bar = bar
        self._as_json = as_json
        self._outcomes: Counter[Outcome] = Counter()
        self._size = 0
        self._unfinished = 0
        self._same_key = True

    async def run(self) -> None:
        """Copy all files and the key of links, then compare the two lists."""
        if self._bar.shown:
            self._bar.expect(await total_size(self._source))
        key = await self._source.kept_key()
        self._same_key = await self._target.kept_key(key) == key
        await self._copy()
        await self._compare()
        async for container in self._source.containers():
            async for upload in self._source.uploads.list(container):
                self._unfinished += upload.state in (UploadState.OPEN, UploadState.COMPLETING)

    async def _copy(self) -> None:
        transfer = Transfer(self._source, self._target, self._bar)

        async def copy(item: Found) -> Outcome:
            place, _ = item
            return await transfer.copy(place.owner, place.file)

        async with aclosing(at_once(_AT_ONCE, every_file(self._source), copy)) as copying:
            async for (place, listed), outcome in copying:
                self._outcomes[outcome] += 1
                if outcome is Outcome.COPIED:
                    self._size += listed.size
                elif outcome in _TOLD:
                    self._tell(place, _TOLD[outcome])

    async def _compare(self) -> None:
        async for place, ours, theirs in both(every_file(self._source), every_file(self._target)):
            if place in self.told:
                continue
            if ours is None:
                self._tell(place, _EXTRA)
            elif theirs is None or ours.size != theirs.size:
                self._tell(place, _MISSING)

    def _tell(self, place: Place, what: str) -> None:
        self.told.add(place)
        flaw = Flaw(what, place.owner, place.name)
        self._bar.say(shown.flaw_as_json(flaw) if self._as_json else shown.flaw(flaw))

    def summary(self) -> str:
        """What was done."""
        copied, same = self._outcomes[Outcome.COPIED], self._outcomes[Outcome.SAME]
        if self._as_json:
            return shown.as_json(
                {
                    "copied": copied,
                    "bytes": self._size,
                    "there_already": same,
                    "different": len(self.told),
                    "unfinished_uploads": self._unfinished,
                    "same_link_key": self._same_key,
                }
            )
        lines = [f"copied {copied:,} files, {shown.size(self._size)}; {same:,} were there already"]
        if self.told:
            lines.append(f"{len(self.told):,} files are not the same in both")
        if self._unfinished:
            lines.append(f"{self._unfinished:,} unfinished uploads stay behind; clients begin anew")
        if not self._same_key:
            lines.append("the target has a key of links of its own: links made so far end")
        return "\n".join(lines)
