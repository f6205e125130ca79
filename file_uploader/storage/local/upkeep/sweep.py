"""Removal of what failures left behind, beside live traffic of any number of processes.

A blob is removed only after a committed transaction has named it garbage, and such a transaction
looks for itself whether a row names the blob. It remains to be sure that no row is *going* to:

* The blob was seen before its session was looked at. A session that is dead then commits no more,
  and no other writes under its name.
* A blob of our own session that is not in flight has been committed or given up.

That a transaction, and not just a look, comes first has one more reason. One that failed in its
last step may be in the WAL without being visible, and come to light when all processes crash
before another one has overwritten it. If its blob were gone by then, so would the file be.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from contextlib import suppress
from functools import partial

from file_uploader.storage.local.blobs.blobs import SHARDS, session_of
from file_uploader.storage.local.changes import Changes
from file_uploader.storage.local.directory import DataDirectory
from file_uploader.storage.local.locks import is_dead
from file_uploader.storage.local.threads import Threads
from file_uploader.storage.passes import ItemFailed, Pass
from file_uploader.storage.upkeep import Flaw, Leftover, Swept

_AT_ONCE = 1_000


class Sweep:
    """The sweep of one process; while another process sweeps, it does nothing."""

    def __init__(self, directory: DataDirectory, changes: Changes, threads: Threads) -> None:
        self._lock = directory.sweep_lock
        self._sessions = directory.sessions
        self._own_session = directory.session.id
        self._blobs = directory.blobs
        self._index = directory.index
        self._changes = changes
        self._threads = threads
        self._pass = Pass(lambda: threads.run(directory.check))
        self._running = False

    async def run(self, *, dry: bool = False) -> Swept | None:
        """Sweep once, or look what that would remove; None while another one sweeps.

        May be cancelled at any time.
        """
        self._threads.ensure_open()
        if self._running or not self._lock.try_acquire():
            return None
        self._running = True
        swept = Swept()
        try:
            waiting = await self._finish_garbage(swept, dry=dry)
            await self._end_uploads(swept, dry=dry)
            dead = {self._own_session: False}
            await self._look_at_sessions(dead, swept, dry=dry)
            for shard in SHARDS:
                try:
                    suspects = await self._pass.attempt(
                        partial(self._threads.run, self._suspects, shard, dead, waiting)
                    )
                except ItemFailed as why:
                    swept.tell(Flaw(f"what is in it cannot be told: {why}", key=f"blobs/{shard}/"))
                    continue
                if suspects and not dry:  # The ones that really no row names.
                    suspects = await self._changes.condemn(suspects)
                if suspects:
                    await self._unlink(suspects, Leftover.UNFINISHED, swept, dry=dry)
        finally:
            self._running = False
            self._lock.release()
        return swept

    async def _finish_garbage(self, swept: Swept, *, dry: bool) -> Set[str]:
        """Remove it, and return what is still there."""
        after, waiting = "", set[str]()
        while blobs := await self._threads.run(self._index.garbage, after, _AT_ONCE):
            waiting |= await self._unlink(blobs, Leftover.REPLACED, swept, dry=dry)
            after = blobs[-1]
        return waiting

    async def _end_uploads(self, swept: Swept, *, dry: bool) -> None:
        if dry:
            found, blobs = await self._threads.run(self._index.ended_uploads)
            sizes = await self._threads.run(self._sizes, blobs)
            swept.add(Leftover.UPLOADS, found, sum(sizes.values()))
            return
        found = _AT_ONCE
        while found == _AT_ONCE:
            found, garbage = await self._changes.make(
                lambda writer: (writer.remove_ended_uploads(_AT_ONCE), ())
            )
            sizes = await self._threads.run(self._sizes, garbage)
            _tell(swept, await self._changes.unlink(garbage))
            swept.add(Leftover.UPLOADS, found, sum(sizes.values()))

    async def _unlink(
        self, blobs: Sequence[str], kind: Leftover, swept: Swept, *, dry: bool
    ) -> Set[str]:
        """Remove what is garbage and count what was there; return what still is."""
        sizes = await self._threads.run(self._sizes, blobs)
        left = dict.fromkeys(blobs) if dry else await self._changes.unlink(blobs)
        _tell(swept, left)
        counted = [size for blob, size in sizes.items() if dry or blob not in left]
        swept.add(kind, len(counted), sum(counted))
        return left.keys()

    def _sizes(self, blobs: Iterable[str]) -> dict[str, int]:
        """The bytes of each of the blobs that is there."""
        found = {}
        for blob in blobs:
            with suppress(OSError):
                found[blob] = self._blobs.path(blob).stat().st_size
        return found

    async def _look_at_sessions(self, dead: dict[str, bool], swept: Swept, *, dry: bool) -> None:
        """Note which sessions are dead, and remove their files."""
        for path in await self._threads.run(lambda: list(self._sessions.iterdir())):
            if path.name not in dead:
                look = partial(is_dead, self._sessions, path.name, remove=not dry)
                try:
                    dead[path.name] = await self._pass.attempt(partial(self._threads.run, look))
                except ItemFailed as why:
                    dead[path.name] = False  # It may be alive.
                    what = f"whether its process lives cannot be told: {why}"
                    swept.tell(Flaw(what, key=f"sessions/{path.name}"))

    def _suspects(self, shard: str, dead: dict[str, bool], waiting: Set[str]) -> list[str]:
        """The blobs in a shard that nobody is writing and no row names, as it looks now.

        But for those that are known to be garbage, and wait.
        """
        ours = self._own_session
        given_up = []
        for blob in self._blobs.in_shard(shard):
            session = session_of(blob)
            if session not in dead:
                dead[session] = is_dead(self._sessions, session, remove=False)
            if dead[session] or (session == ours and blob not in self._blobs.in_flight):
                given_up.append(blob)
        if not given_up:
            return []
        used = self._index.blobs(shard) | waiting
        return [blob for blob in given_up if blob not in used]


def _tell(swept: Swept, left: Mapping[str, str | None]) -> None:
    for blob, why in left.items():
        if why is not None:
            swept.tell(Flaw(f"what nobody needs cannot be removed: {why}.", key=f"blobs/{blob}"))
