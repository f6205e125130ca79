"""``migrate``: all files from one store to the other.

What is there already is found by asking the target, so there is nothing to remember between two
runs. Nothing is removed, and nothing newer is replaced: a run in the wrong direction does no harm.
"""

from __future__ import annotations

from collections import Counter
from contextlib import aclosing, closing
from functools import partial

from file_uploader.cli.support import formatting
from file_uploader.cli.support.progress import Progress
from file_uploader.cli.support.transfer import Outcome, Transfer
from file_uploader.cli.support.walk import Found, Place, Walk, at_once, both, total_size
from file_uploader.model.names import Container
from file_uploader.model.uploads import Upload, is_unfinished
from file_uploader.settings import load_settings
from file_uploader.storage.base import Storage
from file_uploader.storage.passes import ItemFailed, Pass
from file_uploader.storage.upkeep import Flaw
from file_uploader.stores import open_existing_local, open_local, open_s3

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
            aclosing(await open_s3(settings, patient=False)) as on_s3,
            aclosing(await open_disk(settings)) as on_disk,
        ):
            source, target = (on_disk, on_s3) if to_s3 else (on_s3, on_disk)
            migration = _Migration(source, target, bar, as_json=as_json)
            await migration.run()
    print(migration.summary())
    return 0 if migration.all_is_same else DIFFERENT


class _Migration:
    """Copies everything from ``source`` to ``target``."""

    def __init__(self, source: Storage, target: Storage, bar: Progress, *, as_json: bool) -> None:
        self._source = source
        self._target = target
        self._bar = bar
        self._as_json = as_json
        self._pass = Pass(self._both_ready)
        self._different: set[Place] = set()
        """The files that are not the same in both."""
        self._failed: set[Flaw] = set()
        """What else could not be looked at or copied."""
        self._outcomes: Counter[Outcome] = Counter()
        self._size = 0
        self._not_carried = 0
        self._unfinished = 0
        self._same_key = True

    @property
    def all_is_same(self) -> bool:
        """Whether the target has all that the source has, as far as both could be looked at."""
        return not self._different and not self._failed

    async def run(self) -> None:
        """Copy all files and the key of links, then compare the two lists."""
        if self._bar.shown:
            self._bar.expect(await total_size(self._source))
        try:
            self._same_key = await self._pass.attempt(self._copy_key, "the key of links")
        except ItemFailed as why:
            self._same_key = False
            self._fail(Flaw(f"the key of links cannot be copied: {why}"))
        await self._copy()
        await self._look_for_what_lists_leave_out()
        await self._compare()
        await self._count_uploads()

    async def _both_ready(self) -> None:
        await self._source.ready()
        await self._target.ready()

    async def _copy_key(self) -> bool:
        key = await self._source.kept_key()
        return await self._target.kept_key(key) == key

    async def _copy(self) -> None:
        transfer = Transfer(self._source, self._target, self._bar)

        async def copy(item: Found) -> Outcome | ItemFailed:
            place, _ = item
            try:
                return await self._pass.attempt(
                    lambda: transfer.copy(place.owner, place.file), str(place)
                )
            except ItemFailed as why:
                return why

        files = Walk(self._source, self._fail).files()
        async with aclosing(at_once(_AT_ONCE, files, copy)) as copying:
            async for (place, listed), outcome in copying:
                if isinstance(outcome, ItemFailed):
                    self._not_carried += 1
                    self._tell(place, f"it was not copied: {outcome}")
                    continue
                self._outcomes[outcome] += 1
                self._not_carried += outcome is Outcome.DAMAGED
                if outcome is Outcome.COPIED:
                    self._size += listed.size
                elif outcome in _TOLD:
                    self._tell(place, _TOLD[outcome])

    async def _look_for_what_lists_leave_out(self) -> None:
        """Rows that are damaged, and keys that are no file's names: nothing else tells of them."""
        async for flaw in self._source.examine():
            if flaw.harmless and flaw.key is None:
                continue
            if flaw.container is None or flaw.name is None:
                self._fail(flaw)
            elif (place := Place(flaw.container.name, flaw.name)) not in self._different:
                self._not_carried += 1
                self._tell(place, f"it was not copied: {flaw.what}")

    async def _compare(self) -> None:
        source, target = (Walk(each, self._fail) for each in (self._source, self._target))
        async for place, ours, theirs in both(source.files(), target.files()):
            if place in self._different:
                continue
            if source.hides(place.container) or target.hides(place.container):
                continue  # That is told, and more is not known.
            if ours is None:
                self._tell(place, _EXTRA)
            elif theirs is None or ours.size != theirs.size:
                self._tell(place, _MISSING)

    async def _count_uploads(self) -> None:
        async for container in Walk(self._source, self._fail).containers():
            try:
                found = await self._pass.attempt(
                    partial(self._uploads_of, container), container.name
                )
            except ItemFailed as why:
                self._fail(Flaw(f"its uploads cannot be listed: {why}", container))
                continue
            self._unfinished += sum(isinstance(each, Upload) for each in found)
            for each in found:
                if isinstance(each, Flaw):
                    self._fail(each)

    async def _uploads_of(self, container: Container) -> list[Upload | Flaw]:
        """The unfinished ones, and those of which that cannot be told."""
        listed = self._source.uploads.list(container)
        return [each async for each in listed if isinstance(each, Flaw) or is_unfinished(each)]

    def _tell(self, place: Place, what: str) -> None:
        self._different.add(place)
        self._say(Flaw(what, place.owner, place.name))

    def _fail(self, flaw: Flaw) -> None:
        if flaw not in self._failed:  # Each list is read more than once.
            self._failed.add(flaw)
            self._say(flaw)

    def _say(self, flaw: Flaw) -> None:
        self._bar.say(formatting.flaw(flaw, as_json=self._as_json))

    def summary(self) -> str:
        """What was done."""
        copied, same = self._outcomes[Outcome.COPIED], self._outcomes[Outcome.SAME]
        if self._as_json:
            return formatting.json_line(
                {
                    "copied": copied,
                    "bytes": self._size,
                    "there_already": same,
                    "not_carried": self._not_carried,
                    "different": len(self._different),
                    "failed": len(self._failed),
                    "unfinished_uploads": self._unfinished,
                    "same_link_key": self._same_key,
                }
            )
        lines = [
            f"copied {copied:,} files, {formatting.size(self._size)}; {same:,} were there already"
        ]
        if self._not_carried:
            lines.append(f"{self._not_carried:,} files were not carried over")
        if self._different:
            lines.append(f"{len(self._different):,} files are not the same in both")
        if self._failed:
            lines.append(f"{len(self._failed):,} other findings")
        if self._unfinished:
            lines.append(f"{self._unfinished:,} unfinished uploads stay behind; clients begin anew")
        if not self._same_key:
            lines.append("the target has a key of links of its own: links made so far end")
        return "\n".join(lines)
