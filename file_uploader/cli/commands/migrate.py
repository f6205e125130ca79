"""``migrate``: all files from one store to the other.

What is there already is found by asking the target, so there is nothing to remember between two
runs. Nothing is removed, and nothing newer is replaced: a run in the wrong direction does no harm.
"""

from __future__ import annotations

from argparse import Namespace
from collections import Counter
from contextlib import aclosing, closing
from functools import partial

from file_uploader.cli.support.report import Report, size
from file_uploader.cli.support.transfer import Outcome, Transfer
from file_uploader.cli.support.walk import Found, Place, Walk, at_once, both, total_size
from file_uploader.model.names import Container
from file_uploader.model.uploads import Upload, is_unfinished
from file_uploader.settings import load_settings
from file_uploader.storage.base import Storage
from file_uploader.storage.passes import ItemFailed, Pass
from file_uploader.storage.upkeep import Flaw
from file_uploader.stores import open_existing_local, open_local, open_s3

_AT_ONCE = 8

_TOLD = {
    Outcome.DAMAGED: "its bytes are not those that were stored, so it was not copied",
    Outcome.NEWER: "the target has a newer one, which was left alone",
}
_MISSING = "it has come or changed since it was looked at; run this again"
_EXTRA = "only the target has it"


async def migrate(options: Namespace) -> int:
    """Copy what the target does not have yet. Raises `ConfigurationError` and `StorageError`."""
    settings = load_settings()
    to_s3 = options.to == "to-s3"
    with closing(Report(options)) as report:
        open_disk = open_existing_local if to_s3 else open_local
        async with (
            aclosing(await open_s3(settings, patient=False)) as on_s3,
            aclosing(await open_disk(settings)) as on_disk,
        ):
            source, target = (on_disk, on_s3) if to_s3 else (on_s3, on_disk)
            migration = _Migration(source, target, report)
            await migration.run()
        return migration.sum_up()


class _Migration:
    """Copies everything from ``source`` to ``target``."""

    def __init__(self, source: Storage, target: Storage, report: Report) -> None:
        self._source = source
        self._target = target
        self._report = report
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

    async def run(self) -> None:
        """Copy all files and the key of links, then compare the two lists."""
        if self._report.shows_progress:
            self._report.expect(await total_size(self._source))
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
        transfer = Transfer(self._source, self._target, self._report)

        async def copy(item: Found) -> Outcome | ItemFailed:
            place, _ = item
            try:
                return await self._pass.attempt(
                    partial(transfer.copy, place.owner, place.file), str(place)
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
        self._report.tell(place.flaw(what))

    def _fail(self, flaw: Flaw) -> None:
        if flaw not in self._failed:  # Each list is read more than once.
            self._failed.add(flaw)
            self._report.tell(flaw)

    def sum_up(self) -> int:
        """Say what was done. Returns the exit status: whether the target lacks nothing."""
        copied, same = self._outcomes[Outcome.COPIED], self._outcomes[Outcome.SAME]
        figures = {
            "copied": copied,
            "bytes": self._size,
            "there_already": same,
            "not_carried": self._not_carried,
            "different": len(self._different),
            "failed": len(self._failed),
            "unfinished_uploads": self._unfinished,
            "same_link_key": self._same_key,
        }
        lines = [f"copied {copied:,} files, {size(self._size)}; {same:,} were there already"]
        for count, what in (
            (self._not_carried, "files were not carried over"),
            (len(self._different), "files are not the same in both"),
            (len(self._failed), "other findings"),
            (self._unfinished, "unfinished uploads stay behind; clients begin anew"),
        ):
            if count:
                lines.append(f"{count:,} {what}")
        if not self._same_key:
            lines.append("the target has a key of links of its own: links made so far end")
        return self._report.sum_up(figures, lines, wrong=len(self._different) + len(self._failed))
