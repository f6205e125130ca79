"""What is wrong with how things are kept, as far as that shows without reading contents."""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import partial

import apsw

from file_uploader.storage.local.blobs.blobs import SHARDS
from file_uploader.storage.local.directory import DataDirectory
from file_uploader.storage.local.index.reads import Index
from file_uploader.storage.local.threads import Threads
from file_uploader.storage.passes import ItemFailed, Pass
from file_uploader.storage.upkeep import Flaw

from .audit import damage, kept_blobs, still_kept


async def examine(directory: DataDirectory, threads: Threads) -> AsyncIterator[Flaw]:
    """Yield what is wrong with the index, and with the blobs of uploads.

    Those of files show when they are read. The first step reads all of the index.
    """
    passing = Pass(lambda: threads.run(directory.check))
    for flaw in await threads.run(_damage, directory.index):
        yield flaw
    for shard in SHARDS:
        try:
            flaws = await passing.attempt(partial(threads.run, _lost_uploads, directory, shard))
        except ItemFailed as why:
            flaws = [Flaw(f"what is in it cannot be told: {why}", key=f"blobs/{shard}/")]
        for flaw in flaws:
            yield flaw


def _damage(index: Index) -> list[Flaw]:
    flaws: list[Flaw] = []
    try:
        with index.reading() as connection:
            flaws.extend(damage(connection))
    except (apsw.CorruptError, apsw.NotADBError) as error:
        flaws.append(Flaw(f"the index: {error}"))
    return flaws


def _lost_uploads(directory: DataDirectory, shard: str) -> list[Flaw]:
    flaws = []
    with directory.index.reading() as connection:
        for kept in list(kept_blobs(connection, shard)):
            if kept.sha256 is not None or kept.size is None:  # A damaged record is told of.
                continue
            try:
                short = directory.blobs.path(kept.blob).stat().st_size < kept.size
            except FileNotFoundError:
                short = True
            # One that is gone may have been removed since, in order.
            if short and still_kept(connection, kept):
                what = "a part of what had arrived is lost"
                flaws.append(Flaw(what, kept.container, upload_id=kept.name))
    return flaws
