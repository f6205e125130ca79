"""A model check of the rules in `file_uploader.uploads.rules`: any order of steps, any crash.

Several processes work on one upload in a store in memory. Every step that a process takes, and
every chunk that a client sends, waits until Hypothesis lets it happen, and a process can be killed
between any two of them; a request that it had sent by then may still arrive at the store or not.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from file_uploader.errors import (
    BodyInterrupted,
    ClientDisconnected,
    InconsistentLength,
    OffsetMismatch,
    Superseded,
)
from file_uploader.model.names import Container, FileName
from file_uploader.model.uploads import Upload, UploadPlan, UploadState
from file_uploader.uploads import append, receive, rules
from file_uploader.uploads.append import Piece
from file_uploader.uploads.rules import Uploads
from tests.support.double import StorageDouble
from tests.support.rounds import rounds

CONTAINER = Container.of(UUID(int=7))
NAME = FileName("file")
LENGTH = 6
PROCESSES = ("a", "b")
STEPS = ("upload-load", "upload-swap", "upload-chunk", "upload-complete", "upload-remove")

ORDINARY = (OffsetMismatch, Superseded, BodyInterrupted, ClientDisconnected, InconsistentLength)
"""How an append may fail beside others."""

_process: ContextVar[str] = ContextVar("process")


@dataclass
class Gate:
    """A step that waits to be let through."""

    process: str
    opened: asyncio.Future[None]


@dataclass
class World:
    """One upload, the processes that work on it, and what their clients were told."""

    store: StorageDouble = field(default_factory=StorageDouble)
    upload_id: str = ""
    gates: list[Gate] = field(default_factory=list)
    dead: set[str] = field(default_factory=set)
    told: int = 0
    """The largest offset that any client was told."""
    durable: bytes = b""
    """What the record named whenever a client was told an offset; only ever gets longer."""
    promised: int | None = None
    """The offset that a `look` gave, as long as no other request can have come after it."""
    begun: int = 0
    """How many appends have begun."""
    appending: Counter[str] = field(default_factory=Counter)
    """Appends under way by process: those of another one may still come after a `look`."""
    results: list[bytes] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.store.uploads.checkpoint = 1
        for step in STEPS:
            self.store.before[step] = self.gate
        self._services: dict[str, Uploads] = {}

    def service(self, process: str) -> Uploads:
        if process not in self._services:
            self._services[process] = Uploads(self.store, expiry=timedelta(days=1))
        return self._services[process]

    @property
    def record(self) -> Upload:
        return self.store.uploads.records[CONTAINER, self.upload_id]

    @property
    def content(self) -> bytes:
        """What the record names now, or the file that was made of it."""
        return self.content_of(self.record)

    def content_of(self, upload: Upload) -> bytes:
        if upload.state is UploadState.COMPLETE:
            [(_, content)] = self.store.files[CONTAINER].values()
            return content
        return self.store.uploads.content(CONTAINER, upload)

    async def gate(self) -> None:
        process = _process.get("")
        if process in self.dead:
            await asyncio.Future[None]()
        if process:
            gate = Gate(process, asyncio.get_running_loop().create_future())
            self.gates.append(gate)
            try:
                await gate.opened
            finally:
                if gate in self.gates:
                    self.gates.remove(gate)

    def kill(self, process: str, arrives: Callable[[], bool]) -> None:
        """End a process; each request that it is making reaches the store, or not."""
        self.dead.add(process)
        for gate in [gate for gate in self.gates if gate.process == process]:
            self.gates.remove(gate)
            if arrives():
                gate.opened.set_result(None)

    def acknowledged(self, process: str, upload: Upload) -> None:
        """A client is told an offset: from now on it holds."""
        if process in self.dead:
            return
        content = self.content_of(upload)
        assert len(content) == upload.offset, "an offset is the number of bytes that are there"
        assert self.content.startswith(content), "what was acknowledged is not there any more"
        self.told = max(self.told, upload.offset)
        self.durable = max(self.durable, content, key=len)

    def check(self) -> None:
        complete = self.record.state is UploadState.COMPLETE
        assert complete == bool(self.store.files.get(CONTAINER)), "the file is there too early"
        assert self.content.startswith(self.durable), "something acknowledged was lost"
        assert self.told <= len(self.content) <= LENGTH


async def _settle() -> None:
    """Let every task run until it waits for a gate."""
    loop: Any = asyncio.get_running_loop()
    await asyncio.sleep(0)
    while loop._ready:  # noqa: ASYNC110 - there is nothing else to wait for
        await asyncio.sleep(0)


async def _bytes(world: World, data: bytes, *, cut: bool) -> AsyncIterator[bytes]:
    for value in data:
        await world.gate()
        yield bytes([value])
    if cut:
        await world.gate()
        raise ClientDisconnected("cut")


async def _append(world: World, process: str, offset: int, data: bytes, *, cut: bool) -> None:
    async def acknowledge(upload: Upload) -> None:
        world.acknowledged(process, upload)

    promised = world.promised == offset
    world.promised = None
    world.begun += 1
    mine = world.begun
    world.appending[process] += 1
    piece = Piece(_bytes(world, data, cut=cut), None if cut else len(data))
    try:
        upload = await world.service(process).append(
            CONTAINER, world.upload_id, piece, offset=offset, acknowledge=acknowledge
        )
    except OffsetMismatch:
        # A later append may be quicker, and then takes the offset away from this one.
        if promised and world.begun == mine:
            raise  # an offset that was just given is refused
    except ORDINARY:
        pass
    else:
        if process not in world.dead:
            end = offset + len(data)
            assert upload.offset == end
            world.told = max(world.told, end)
            assert world.content[offset:end] == data, "an append that won is not in the content"
    finally:
        world.appending[process] -= 1


async def _look(world: World, process: str) -> None:
    before = world.told
    upload = await world.service(process).look(CONTAINER, world.upload_id)
    if process not in world.dead:
        assert upload.offset >= before, "an offset went down"
        world.acknowledged(process, upload)
        elsewhere = world.appending.keys() - world.dead - {process}
        busy = any(world.appending[other] for other in elsewhere)
        world.promised = None if busy else upload.offset


Draw = Callable[[st.SearchStrategy[Any]], Any]


class Run:
    """One run of the world, every choice made by Hypothesis."""

    def __init__(self, draw: Draw) -> None:
        self._draw = draw
        self._world = World()
        self._tasks: list[asyncio.Task[None]] = []
        self._fill = iter(range(1, 256))

    async def __call__(self) -> None:
        world = self._world
        plan = UploadPlan(NAME)
        world.upload_id = (await world.service("a").create(CONTAINER, plan, LENGTH)).id
        try:
            for choice in self._choices():
                await choice
                await _settle()
                world.check()
                self._raise_failures()
            await self._finish()
        finally:
            for task in asyncio.all_tasks() - {asyncio.current_task()}:
                task.cancel()
            await asyncio.sleep(0)

    def _choices(self) -> Iterator[Awaitable[None]]:
        for _ in range(self._draw(st.integers(5, 60))):
            kinds = ["append", "append", "look", "kill"]
            kinds += ["open"] * (10 * bool(self._world.gates))
            yield getattr(self, f"_{self._draw(st.sampled_from(kinds))}")()

    async def _open(self) -> None:
        gates = self._world.gates
        gates.pop(self._draw(st.integers(0, len(gates) - 1))).opened.set_result(None)

    async def _append(self) -> None:
        world = self._world
        if len(self._tasks) > 12 or not (process := self._living()):
            return
        offset = world.told
        room = LENGTH - offset
        data = bytes([next(self._fill)]) * self._draw(st.integers(0, max(room, 0)))
        cut = self._draw(st.booleans())
        self._start(process, _append(world, process, offset, data, cut=cut))

    async def _look(self) -> None:
        if len(self._tasks) <= 12 and (process := self._living()):
            self._start(process, _look(self._world, process))

    async def _kill(self) -> None:
        # One process is left alive: the one that the next request comes to.
        if not self._world.dead and self._draw(st.integers(0, 3)) == 0:
            victim = self._draw(st.sampled_from(PROCESSES))
            self._world.kill(victim, lambda: self._draw(st.booleans()))

    def _living(self) -> str:
        living = [name for name in PROCESSES if name not in self._world.dead]
        process: str = self._draw(st.sampled_from(living))
        return process

    def _start(self, process: str, work: Coroutine[Any, Any, None]) -> None:
        token = _process.set(process)
        self._tasks.append(asyncio.create_task(work))
        _process.reset(token)

    def _raise_failures(self) -> None:
        for task in self._tasks:
            if task.done() and (error := task.exception()) is not None:
                raise error

    async def _finish(self) -> None:
        """Whatever has happened: a new process goes on from what was acknowledged, to the end."""
        world = self._world
        world.store.before.clear()
        for process in PROCESSES:
            world.kill(process, lambda: False)
        uploads = Uploads(world.store, expiry=timedelta(days=1))
        upload = await uploads.look(CONTAINER, world.upload_id)
        assert upload.offset >= world.told
        if upload.state is not UploadState.COMPLETE:
            data = b"z" * (LENGTH - upload.offset)
            piece = Piece(_bytes(world, data, cut=False), len(data))
            upload = await uploads.append(CONTAINER, world.upload_id, piece, offset=upload.offset)
        assert upload.state is UploadState.COMPLETE
        [(info, content)] = world.store.files[CONTAINER].values()
        assert (info.size, info) == (LENGTH, upload.result)
        assert content.startswith(world.durable)


@pytest.fixture
def nobody_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """No clock: how long something takes is Hypothesis's to say."""
    monkeypatch.setattr(rules, "HANDOVER", 0)
    monkeypatch.setattr(append, "MOMENT", 0)
    monkeypatch.setattr(receive, "WATCH", 1e6)


@given(st.data())
@settings(
    max_examples=rounds(150, 5_000),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@pytest.mark.usefixtures("nobody_waits")
def test_no_interleaving_and_no_crash_breaks_a_promise(data: st.DataObject) -> None:
    asyncio.run(Run(data.draw)())
