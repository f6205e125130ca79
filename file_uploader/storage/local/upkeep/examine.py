"""What is wrong with how things are kept, as far as that shows without reading contents."""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import partial

import apsw

from file_uploader.storage.local.blobs.blobs import SHARDS
from file_uploader.storage.local.directory import DataDirectory
from file_uploader.storage.local.threads import Threads
from file_uploader.storage.passes import ItemFailed, Pass
from file_uploader.storage.upkeep import Flaw

from .audit import Kept, damage, kept_blobs, still_kept


class Examination:
    """A look at the index, and at the blobs of uploads; those of files show when they are read."""

    def __init__(self, directory: DataDirectory, threads: Threads) -> None:
        self._index = directory.index
        self._blobs = directory.blobs
        self._threads = threads
        self._pass = Pass(lambda: threads.run(directory.check))

    async def run(self) -> AsyncIterator[Flaw]:
        """Yield what is wrong. The first step reads all of the index."""
        for flaw in await self._threads.run(self._damage):
            yield flaw
        for shard in SHARDS:
            try:
                flaws = await self._pass.attempt(
                    partial(self._threads.run, self._lost_uploads, shard)
                )
            except ItemFailed as why:
                flaws = [Flaw(f"what is in it cannot be told: {why}", key=f"blobs/{shard}/")]
            for flaw in flaws:
                yield flaw

    def _damage(self) -> list[Flaw]:
        flaws: list[Flaw] = []
        try:
            with self._index.reading() as connection:
                flaws.extend(damage(connection))
        except (apsw.CorruptError, apsw.NotADBError) as error:
            flaws.append(Flaw(f"the index: {error}"))
        return flaws

    def _lost_uploads(self, shard: str) -> list[Flaw]:
        flaws = []
        with self._index.reading() as connection:
            for kept in list(kept_blobs(connection, shard)):
                # One that is gone may have been removed since, in order.
                if kept.sha256 is None and self._is_short(kept) and still_kept(connection, kept):
                    what = "a part of what had arrived is lost"
                    flaws.append(Flaw(what, kept.container, upload_id=kept.name))
        return flaws

    def _is_short(self, kept: Kept) -> bool:
        if kept.size is None:  # Its record is damaged, which is told.
            return False
        try:
            return self._blobs.path(kept.blob).stat().st_size < kept.size
        except FileNotFoundError:
            return True
