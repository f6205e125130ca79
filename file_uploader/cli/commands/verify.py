"""``verify``: whether everything still is what was stored."""

from __future__ import annotations

import sys
from contextlib import aclosing, closing
from dataclasses import dataclass
from pathlib import Path

from file_uploader.cli.support import formatting
from file_uploader.cli.support.progress import Progress
from file_uploader.cli.support.rate_limit import Pace
from file_uploader.cli.support.state import Checked, StateFile
from file_uploader.cli.support.walk import Found, Place, Walk, at_once, total_size
from file_uploader.errors import NoSuchFile, StorageFailed
from file_uploader.model import storable
from file_uploader.model.names import Container, FileName
from file_uploader.settings import load_settings
from file_uploader.storage.base import Storage
from file_uploader.storage.passes import ItemFailed, Pass, explained
from file_uploader.storage.upkeep import Flaw, Swept
from file_uploader.stores import open_existing, whereabouts

WRONG = 1
"""The exit status where something is."""

_AT_ONCE = 4

_DIFFERENT = "its bytes are not those that were stored"
_UNSENDABLE = "HTTP cannot carry what is kept of its headers, so it cannot be downloaded"
_UNPROVEN = "nothing that is kept of it tells whether its bytes are those that were stored"


async def verify(*, rate: int | None, state: Path | None, as_json: bool, progress: bool) -> int:
    """Read everything and tell what is wrong. Raises `ConfigurationError` and `StorageError`."""
    settings = load_settings()
    file = StateFile(state)
    checked = file.load(whereabouts(settings))
    with closing(Progress(wanted=progress)) as bar:
        async with aclosing(await open_existing(settings)) as storage:
            if bar.shown:
                bar.expect(await total_size(storage))
                bar.advance(checked.size)
            verification = _Verification(storage, checked, file, bar, Pace(rate), as_json=as_json)
            try:
                await verification.run()
            except StorageFailed as error:
                if not checked.wrong:
                    raise
                print(f"file-uploader: {explained(error)}", file=sys.stderr)  # No wonder.
                return WRONG
            finally:
                file.keep(checked)
            left = await storage.sweep(dry=True) or Swept()
            verification.tell_of_sweep(left)
    file.forget()
    print(_summary_as_json(checked, left) if as_json else _summary(checked, left))
    return WRONG if checked.wrong else 0


@dataclass(frozen=True, slots=True)
class _Read:
    """What came of reading a file: ``size`` bytes, or None where it was deleted meanwhile."""

    size: int | None
    wrong: str | None = None
    proven: bool = True


class _Verification:
    """Goes through a store from where ``checked`` says."""

    def __init__(
        self,
        storage: Storage,
        checked: Checked,
        file: StateFile,
        bar: Progress,
        pace: Pace,
        *,
        as_json: bool,
    ) -> None:
        self._storage = storage
        self._checked = checked
        self._file = file
        self._bar = bar
        self._pace = pace
        self._as_json = as_json
        self._pass = Pass(storage.ready)
        self._examined: set[Flaw] = set()

    async def run(self) -> None:
        """Look at everything."""
        if not self._checked.examined:
            # Told once all are known: what is interrupted here is begun again.
            for flaw in [flaw async for flaw in self._storage.examine()]:
                self._tell(flaw)
                self._examined.add(flaw)
            self._checked.examined = True
        files = Walk(self._storage, self._tell).files(self._checked.place)
        async with aclosing(at_once(_AT_ONCE, files, self._read_again)) as reading:
            async for (place, _), read in reading:
                self._count(place, read)
                self._file.note(self._checked)

    def tell_of_sweep(self, swept: Swept) -> None:
        """Tell what a sweep cannot look at, as far as that is not told yet."""
        for flaw in swept.flaws:
            if flaw not in self._examined:
                self._tell(flaw)

    def _count(self, place: Place, read: _Read) -> None:
        self._checked.place = place
        if read.size is None:
            return
        self._checked.files += 1
        self._checked.size += read.size
        if read.wrong is not None:
            self._tell(Flaw(read.wrong, place.owner, place.name))
        elif not read.proven:
            self._checked.unproven += 1
            self._tell(Flaw(_UNPROVEN, place.owner, place.name, harmless=True))

    def _tell(self, flaw: Flaw) -> None:
        if not flaw.harmless:
            self._checked.wrong += 1
        elif flaw.name is None:
            self._checked.harmless += 1
        self._bar.say(formatting.flaw(flaw, as_json=self._as_json))

    async def _read_again(self, item: Found) -> _Read:
        """Read a file; one that cannot be read is a finding."""
        place, _ = item
        try:
            return await self._pass.attempt(lambda: self._read(place.owner, place.file), str(place))
        except ItemFailed as why:
            return _Read(0, str(why))

    async def _read(self, container: Container, name: FileName) -> _Read:
        try:
            async with self._storage.open(container, name) as content:
                proof = self._storage.proof(content.info)
                size = 0
                async for chunk in content.chunks:
                    size += len(chunk)
                    proof.update(chunk)
                    self._bar.advance(len(chunk))
                    await self._pace.spend(len(chunk))
                holds = proof.holds()
        except NoSuchFile:
            return _Read(None)
        wrong = _DIFFERENT if holds is False or size != content.info.size else None
        if wrong is None and not storable.is_sendable(content.info.metadata):
            wrong = _UNSENDABLE
        return _Read(content.info.size, wrong, proven=holds is not None)


def _summary(checked: Checked, left: Swept) -> str:
    counts = f"{checked.wrong:,} wrong, {checked.unproven:,} that nothing proves"
    if checked.harmless:
        counts += f", {checked.harmless:,} that are nobody's"
    swept = (
        f"a sweep would remove {amount.count:,} {kind} ({formatting.size(amount.size)})"
        for kind, amount in left.amounts.items()
    )
    read = f"{checked.files:,} files, {formatting.size(checked.size)}: {counts}"
    return "\n".join([read, *swept])


def _summary_as_json(checked: Checked, left: Swept) -> str:
    return formatting.json_line(
        {
            "files": checked.files,
            "bytes": checked.size,
            "wrong": checked.wrong,
            "unproven": checked.unproven,
            "harmless": checked.harmless,
            "left_over": formatting.swept(left),
        }
    )
