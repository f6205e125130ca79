"""Room for bodies on their way to S3: a memory budget, and past it a spool file.

Both are cut into slots of 64 KiB with one numbering: slots below ``memory_slots`` lie in one
anonymous mapping, the others in one file that has no name. A slot is taken when bytes arrive, not
before, and is used again, so that nothing fragments; what was touched goes back to the system when
the last slot is free.

What an upload holds besides, in the server and in the S3 client, is counted as ``overhead`` slots
of memory that nobody gets, for as long as it lasts.

Why nothing can block or deadlock. Let ``m`` and ``s`` be the slots in memory and spool. Each
upload has a *guarantee* ``g`` (one part) and holds ``h`` slots; the sum of ``max(g, h)`` and the
overhead over all uploads is ``reserved``. Admission and growth keep ``reserved <= m + s``, and a
slot beyond a guarantee is only given while ``reserved < m``.

* An upload with ``h < g`` always gets a slot: the slots held by all, and the overhead, are fewer
  than ``reserved``, so fewer than ``m + s``, so one is free. It never waits for anybody.
* An upload with ``h >= g`` that is refused holds a whole part's worth while the part it gathers is
  not full, so one of its *own* parts is on its way to S3. It waits for that one, which needs no
  room to end.

So nobody waits for another upload's client, however slow that is.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import mmap
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar, TypeVarTuple

from file_uploader import metrics
from file_uploader.errors import ConfigurationError, Overloaded
from file_uploader.transfer.tasks import ended

logger = logging.getLogger(__name__)

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

SLOT = 64 * 1024
"""Bytes in a slot; also the most that is copied out of one at once."""

_TRIM = 8 * 1024 * 1024
"""Memory that is given back once nothing uses it; below, giving it back costs more than it is."""

_IO_THREADS = 8


class Budget:
    """All the room of one process. Belongs to one event loop."""

    def __init__(self, *, memory: int, spool: int, spool_dir: Path, overhead: int = 0) -> None:
        self._overhead = -(-overhead // SLOT)
        self._uploads = 0
        self._memory_slots = max(1, memory // SLOT)
        self._spool_slots = spool // SLOT
        # Private: what is shared does not go back to the system while it is mapped.
        flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
        self._memory = mmap.mmap(-1, self._memory_slots * SLOT, flags=flags)
        self._view = memoryview(self._memory)
        self._spool = _open_unlinked(spool_dir)
        self._threads = ThreadPoolExecutor(_IO_THREADS, thread_name_prefix="spool")
        self._free_memory = _FreeSlots(self._memory_slots)
        self._free_spool = _FreeSlots(self._spool_slots)
        self._reserved = 0
        metrics.MEMORY_BUDGET.set(memory)

    @property
    def reserved(self) -> int:
        """Bytes that are guaranteed or held beyond a guarantee."""
        return self._reserved * SLOT

    @property
    def held(self) -> int:
        """Bytes of all slots in use."""
        return (self._free_memory.used + self._free_spool.used) * SLOT

    @property
    def spooled(self) -> int:
        """Bytes of the spool file in use."""
        return self._free_spool.used * SLOT

    @contextlib.contextmanager
    def admit(self, size: int) -> Iterator[Share]:
        """Guarantee an upload room for a part of ``size`` bytes, or raise `Overloaded`."""
        share = Share(self)
        fits = (self._uploads + 1) * self._overhead <= self._memory_slots
        if not fits or not share.grow(size, self._overhead):
            metrics.MEMORY_REFUSALS.inc()
            raise Overloaded(
                "Too many uploads are under way on this server; try again in a few seconds."
            )
        self._uploads += 1
        try:
            yield share
        finally:
            self._uploads -= 1
            self.reserve(-self._overhead)
            share.close()

    def close(self) -> None:
        """Let go of memory, file and threads; nothing may hold a slot any more."""
        self._threads.shutdown()
        self._view.release()
        self._memory.close()
        os.close(self._spool)

    async def write(self, slot: int, offset: int, data: memoryview) -> None:
        """Put bytes into a slot; past the budget in a thread, since a disk may be slow.

        Raises `Overloaded` where the spool's disk is full.
        """
        if slot < self._memory_slots:
            start = slot * SLOT + offset
            self._view[start : start + len(data)] = data
            return
        position = (slot - self._memory_slots) * SLOT + offset
        try:
            await self.in_thread(_write_all, self._spool, data, position)
        except OSError as error:
            logger.warning("the spool file cannot be written: %s", error.strerror)
            raise Overloaded("This server has no room to spool an upload; try later.") from None

    async def read(self, slot: int, size: int) -> bytes | bytearray:
        """A copy of a slot's first bytes, safe to leave with a transport."""
        if slot < self._memory_slots:
            return bytes(self._view[slot * SLOT : slot * SLOT + size])
        # Made here: what threads allocate stays in an arena of malloc's for each of them.
        copy = bytearray(size)
        await self.in_thread(self.peek, slot, memoryview(copy))
        return copy

    def peek(self, slot: int, scratch: memoryview) -> memoryview:
        """A slot's first bytes, as many as ``scratch`` has, for a thread that may wait for a disk.

        Those of the spool are read into ``scratch``.
        """
        if slot < self._memory_slots:
            return self._view[slot * SLOT : slot * SLOT + len(scratch)]
        position = (slot - self._memory_slots) * SLOT
        if os.preadv(self._spool, [scratch], position) != len(scratch):
            raise OSError("the spool file is shorter than what was written to it")
        return scratch

    async def in_thread(self, function: Callable[[*Ts], T], *arguments: *Ts) -> T:
        """Run what touches slots in a thread, and leave only once it has ended.

        Also when cancelled: the slots may go to another upload right afterwards.
        """
        loop = asyncio.get_running_loop()
        return await ended(loop.run_in_executor(self._threads, function, *arguments))

    # For `Share` alone.

    def reserve(self, slots: int, *, beyond_guarantee: bool = False) -> bool:
        """Count slots as reserved if the rule at the top allows it; fewer, where negative."""
        limit = self._memory_slots if beyond_guarantee else self._memory_slots + self._spool_slots
        if self._reserved + slots > limit:
            return False
        self._reserved += slots
        metrics.MEMORY_USED.set(self.reserved)
        return True

    def take(self) -> int:
        """A free slot, in memory as long as there is one; the caller has reserved it."""
        if self._free_memory.used + self._uploads * self._overhead < self._memory_slots:
            return self._free_memory.take()
        slot = self._memory_slots + self._free_spool.take()
        metrics.SPOOL_USED.set(self.spooled)
        return slot

    def give_back(self, slots: Sequence[int]) -> None:
        """Return slots, and what nothing uses any more to the system."""
        limit = self._memory_slots
        self._free_memory.give_back(slot for slot in slots if slot < limit)
        self._free_spool.give_back(slot - limit for slot in slots if slot >= limit)
        if not self._free_memory.used and self._free_memory.touched * SLOT > _TRIM:
            self._memory.madvise(mmap.MADV_DONTNEED)
            self._free_memory = _FreeSlots(self._memory_slots)
        if not self._free_spool.used and self._free_spool.touched:
            os.truncate(self._spool, 0)
            self._free_spool = _FreeSlots(self._spool_slots)
            metrics.SPOOL_USED.set(0)


class Share:
    """One upload's part of the room: a guarantee, and what it holds."""

    def __init__(self, budget: Budget) -> None:
        self.budget = budget
        self._guarantee = 0
        self._held = 0

    def grow(self, size: int, overhead: int = 0) -> bool:
        """Raise the guarantee to a part of ``size`` bytes; False (and no change) without room.

        Reserves ``overhead`` slots besides, which whoever asks for them gives back.
        """
        return self._change(max(self._guarantee, -(-size // SLOT)), self._held, overhead)

    def fitting(self, due: int, before: int, slack: int = 0) -> int:
        """The size of the next part: ``due``, or that of the one before without room for more."""
        return due if due <= before or self.grow(due + slack) else before

    def take(self) -> int | None:
        """A slot, or None: then one of this upload's own parts has to be sent first."""
        if not self._change(self._guarantee, self._held + 1):
            return None
        return self.budget.take()

    def give_back(self, slots: list[int]) -> None:
        """Return the slots of a part that nobody needs any more."""
        self.budget.give_back(slots)
        self._change(self._guarantee, self._held - len(slots))

    def close(self) -> None:
        """Give the guarantee back. What is still held stays counted until it is given back."""
        self._change(0, self._held)

    def _change(self, guarantee: int, held: int, overhead: int = 0) -> bool:
        more = max(guarantee, held) - max(self._guarantee, self._held) + overhead
        if more and not self.budget.reserve(more, beyond_guarantee=held > self._held):
            return False
        self._guarantee, self._held = guarantee, held
        return True


class _FreeSlots:
    """Numbers to hand out, the last returned first, so that few are ever touched."""

    def __init__(self, count: int) -> None:
        self.touched = self.used = 0
        self._count = count
        self._returned: list[int] = []

    def take(self) -> int:
        """A number that is not in use; there is one."""
        self.used += 1
        if self._returned:
            return self._returned.pop()
        assert self.touched < self._count, "more slots are taken than were reserved"  # noqa: S101
        self.touched += 1
        return self.touched - 1

    def give_back(self, numbers: Iterable[int]) -> None:
        returned = len(self._returned)
        self._returned += numbers
        self.used -= len(self._returned) - returned


def _open_unlinked(directory: Path) -> int:
    """A file without a name, readable by this process alone: it ends with the process."""
    try:
        with tempfile.TemporaryFile(dir=directory, buffering=0) as file:
            return os.dup(file.fileno())
    except OSError as error:
        raise ConfigurationError(
            f"SPOOL_DIR: no file can be made in it ({error.strerror})."
        ) from None


def _write_all(file: int, data: memoryview, position: int) -> None:
    while data:
        written = os.pwrite(file, data, position)
        data, position = data[written:], position + written
