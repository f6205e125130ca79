"""``verify``: whether everything still is what was stored."""

from __future__ import annotations

import asyncio
import sys
import time
from argparse import Namespace
from contextlib import aclosing, closing
from dataclasses import dataclass, field
from functools import partial

from file_uploader.cli.support.report import WRONG, Report, size, swept
from file_uploader.cli.support.state import Checked, StateFile
from file_uploader.cli.support.walk import Found, Place, Walk, at_once, total_size
from file_uploader.errors import NoSuchFile, StorageFailed
from file_uploader.model import storable
from file_uploader.settings import load_settings
from file_uploader.storage.base import Storage
from file_uploader.storage.passes import ItemFailed, Pass, explained
from file_uploader.storage.upkeep import Flaw, Swept
from file_uploader.stores import open_existing, whereabouts

_AT_ONCE = 4

_DIFFERENT = "its bytes are not those that were stored"
_UNSENDABLE = "HTTP cannot carry what is kept of its headers, so it cannot be downloaded"
_UNPROVEN = "nothing that is kept of it tells whether its bytes are those that were stored"


async def verify(options: Namespace) -> int:
    """Read everything and tell what is wrong. Raises `ConfigurationError` and `StorageError`."""
    settings = load_settings()
    file = StateFile(options.state)
    checked = file.load(whereabouts(settings))
    with closing(Report(options)) as report:
        async with aclosing(await open_existing(settings)) as storage:
            if report.shows_progress:
                report.expect(await total_size(storage))
                report.advance(checked.size)
            verification = _Verification(storage, checked, file, report, options.rate)
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
        return _sum_up(report, checked, left)


@dataclass
class _Verification:
    """Goes through a store from where ``checked`` says, at ``rate`` bytes a second at most."""

    storage: Storage
    checked: Checked
    file: StateFile
    report: Report
    rate: int | None
    _paid_until: float = 0.0
    _examined: set[Flaw] = field(default_factory=set)

    async def run(self) -> None:
        """Look at everything."""
        if not self.checked.examined:
            # Told once all are known: what is interrupted here is begun again.
            for flaw in [flaw async for flaw in self.storage.examine()]:
                self._tell(flaw)
                self._examined.add(flaw)
            self.checked.examined = True
        files = Walk(self.storage, self._tell).files(self.checked.place)
        async with aclosing(at_once(_AT_ONCE, files, self._read_again)) as reading:
            async for (place, _), read in reading:
                self.checked.place = place
                if read is not None:
                    size, wrong = read
                    self.checked.files += 1
                    self.checked.size += size
                    if wrong is not None:
                        self._tell(wrong)
                self.file.note(self.checked)

    def tell_of_sweep(self, swept: Swept) -> None:
        """Tell what a sweep cannot look at, as far as that is not told yet."""
        for flaw in swept.flaws:
            if flaw not in self._examined:
                self._tell(flaw)

    def _tell(self, flaw: Flaw) -> None:
        if not flaw.harmless:
            self.checked.wrong += 1
        elif flaw.name is None:
            self.checked.harmless += 1
        else:
            self.checked.unproven += 1
        self.report.tell(flaw)

    async def _read_again(self, item: Found) -> tuple[int, Flaw | None] | None:
        """`_read` a file; one that cannot be read is a finding."""
        place, _ = item
        try:
            return await Pass(self.storage.ready).attempt(partial(self._read, place), str(place))
        except ItemFailed as why:
            return 0, place.flaw(str(why))

    async def _read(self, place: Place) -> tuple[int, Flaw | None] | None:
        """A file's size and what is wrong with it; None where it was deleted meanwhile."""
        try:
            async with self.storage.open(place.owner, place.file) as content:
                proof = self.storage.proof(content.info)
                size = 0
                async for chunk in content.chunks:
                    size += len(chunk)
                    proof.update(chunk)
                    self.report.advance(len(chunk))
                    await self._keep_to_rate(len(chunk))
                holds = proof.holds()
        except NoSuchFile:
            return None
        flaw = None
        if holds is False or size != content.info.size:
            flaw = place.flaw(_DIFFERENT)
        elif not storable.is_sendable(content.info.metadata):
            flaw = place.flaw(_UNSENDABLE)
        elif holds is None:
            flaw = place.flaw(_UNPROVEN, harmless=True)
        return content.info.size, flaw

    async def _keep_to_rate(self, count: int) -> None:
        """Return once so many bytes are within the rate."""
        if self.rate is not None:
            now = time.monotonic()
            self._paid_until = max(now, self._paid_until) + count / self.rate
            await asyncio.sleep(self._paid_until - now)


def _sum_up(report: Report, checked: Checked, left: Swept) -> int:
    counts = f"{checked.wrong:,} wrong, {checked.unproven:,} that nothing proves"
    if checked.harmless:
        counts += f", {checked.harmless:,} that are nobody's"
    would = (
        f"a sweep would remove {amount.count:,} {kind} ({size(amount.size)})"
        for kind, amount in left.amounts.items()
    )
    figures = {
        "files": checked.files,
        "bytes": checked.size,
        "wrong": checked.wrong,
        "unproven": checked.unproven,
        "harmless": checked.harmless,
        "left_over": swept(left),
    }
    read = f"{checked.files:,} files, {size(checked.size)}: {counts}"
    return report.sum_up(figures, [read, *would], wrong=checked.wrong)
