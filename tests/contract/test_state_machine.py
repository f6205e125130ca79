"""Any sequence of calls, broken and cancelled ones included, against a dictionary."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    rule,
    run_state_machine_as_test,
)

from file_uploader.errors import NoSuchFile, PreconditionFailed, StorageError
from file_uploader.model.conditions import UNCONDITIONAL, EntityTags, Precondition
from file_uploader.model.files import ByteRange, Metadata
from file_uploader.model.listing import ListQuery
from file_uploader.model.names import Container, FileName
from tests.contract.stores import LocalPlace, Place, S3Place
from tests.support.bodies import BREAKAGES, KIB, MIB, Breakage, body_of, content, stalling
from tests.support.files import new_container, put, read
from tests.support.listing import expected_entries, listed
from tests.support.rounds import rounds
from tests.support.s3_servers import S3Server

T = TypeVar("T")

NAMES = ["a", "a/b", "a/b/c", "a-b", "a0", "b", "\u00e9", "e\u0301", "\ufffd", "\U00010000"]
SMALL = [0, 1, 100, 16 * KIB - 1, 16 * KIB, 16 * KIB + 1]
LARGE = [40 * KIB, 300 * KIB, 8 * MIB + 1]

owners = st.integers(0, 1)
names = st.sampled_from(NAMES)
sizes = st.one_of(st.sampled_from(SMALL), st.sampled_from(SMALL + LARGE))
seeds = st.integers(0, 3)
conditions = st.sampled_from(
    ["none", "none", "create", "exists", "current", "former", "not current", "not former"]
)
queries = st.builds(
    ListQuery,
    prefix=st.sampled_from(["", "", "a", "a/", "b", "\uffff", "zz"]),
    delimiter=st.sampled_from(["", "/", "-", "b", "/b"]),
    marker=st.sampled_from(["", "", "/", "a/", "a/b/", "a.", *NAMES]),
    limit=st.one_of(st.none(), st.integers(1, 5)),
)


@dataclass(frozen=True)
class Version:
    """What the model keeps of a file."""

    data: bytes = field(repr=False)
    etag: str
    metadata: Metadata


@dataclass
class Reader:
    """A download that has begun and waits for ``go`` before it goes on."""

    expected: bytes
    go: asyncio.Event
    task: asyncio.Task[bytes | None]


class StorageMachine(RuleBasedStateMachine):
    """The store and the model, with one event loop for all of an example."""

    def __init__(self, place: Place) -> None:
        super().__init__()
        self.place = place
        self.runner = asyncio.Runner()
        self.store = self.run(place.open())
        self.owners = [new_container(), new_container()]
        self.files: dict[tuple[Container, str], Version] = {}
        self.former_etags: list[str] = ["never"]
        self.readers: list[Reader] = []

    def run(self, doing: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(doing)

    # -- the model ------------------------------------------------------------------------------

    def kept(self, owner: Container, name: str, data: bytes, etag: str, said: Metadata) -> None:
        self.files[owner, name] = Version(data, etag, said)
        self.former_etags.append(etag)

    def condition(
        self, kind: str, current: Version | None, chance: int
    ) -> tuple[Precondition, bool]:
        """A precondition of that kind, and whether it holds, by its definition."""
        former = self.former_etags[chance % len(self.former_etags)]
        etag = current.etag if current else former
        there, is_former = current is not None, current is not None and current.etag == former
        return {
            "none": (UNCONDITIONAL, True),
            "create": (Precondition(if_none_match=EntityTags(any=True)), not there),
            "exists": (Precondition(if_match=EntityTags(any=True)), there),
            "current": (Precondition(if_match=EntityTags(frozenset({etag, "x"}))), there),
            "former": (Precondition(if_match=EntityTags(frozenset({former}))), is_former),
            "not current": (
                Precondition(if_none_match=EntityTags(frozenset({etag, "x"}))),
                not there,
            ),
            "not former": (
                Precondition(if_none_match=EntityTags(frozenset({former}))),
                not is_former,
            ),
        }[kind]

    # -- writing --------------------------------------------------------------------------------

    @rule(
        whose=owners,
        name=names,
        size=sizes,
        seed=seeds,
        announced=st.booleans(),
        kind=conditions,
        chance=st.integers(0, 99),
    )
    def put_file(
        self, whose: int, name: str, size: int, seed: int, announced: bool, kind: str, chance: int
    ) -> None:
        owner, data = self.owners[whose], content(size, seed)
        current = self.files.get((owner, name))
        condition, holds = self.condition(kind, current, chance)
        metadata = Metadata(content_type=f"x/{seed}", custom={"seed": f"{seed}"})
        putting = put(
            self.store,
            owner,
            name,
            body_of(data, announced=announced),
            metadata=metadata,
            precondition=condition,
        )
        if not holds:
            with pytest.raises(PreconditionFailed):
                self.run(putting)
            return
        stored = self.run(putting)
        self.kept(owner, name, data, stored.etag, metadata)

    @rule(whose=owners, name=names, size=sizes, breakage=st.sampled_from(BREAKAGES))
    def put_broken(self, whose: int, name: str, size: int, breakage: Breakage) -> None:
        size = max(size, 2)
        with pytest.raises(breakage.error):
            self.run(
                put(self.store, self.owners[whose], name, breakage.body(content(size), size // 2))
            )

    @rule(whose=owners, name=names, size=sizes)
    def put_cancelled_while_waiting(self, whose: int, name: str, size: int) -> None:
        async def cancelled() -> None:
            body, source = stalling(content(size), size // 2)
            writing = asyncio.create_task(put(self.store, self.owners[whose], name, body))
            await source.stalled.wait()
            writing.cancel()
            with pytest.raises(asyncio.CancelledError):
                await writing

        self.run(cancelled())

    @rule(whose=owners, name=names, size=sizes, seed=seeds, steps=st.integers(0, 200))
    def put_cancelled(self, whose: int, name: str, size: int, seed: int, steps: int) -> None:
        """At any time: it is done or not, and after reopening it is settled which."""
        owner, data = self.owners[whose], content(size, seed)

        async def cancelled() -> bool:
            writing = asyncio.create_task(put(self.store, owner, name, data))
            for _ in range(steps):
                await asyncio.sleep(0)
            writing.cancel()
            await asyncio.wait({writing})
            return not writing.cancelled()

        done = self.run(cancelled())
        self.reopen()
        try:
            found = self.run(self.store.head(owner, FileName(name)))
        except NoSuchFile:
            assert not done
            assert (owner, name) not in self.files
            return
        before = self.files.get((owner, name))
        got = self.run(read(self.store, owner, name, etag=found.etag))
        if before is not None and not done and got == before.data:
            assert found.etag == before.etag or got == data
        else:
            assert got == data
        self.kept(owner, name, got, found.etag, found.metadata)

    @rule(whose=owners, name=names, size=sizes)
    def put_by_many(self, whose: int, name: str, size: int) -> None:
        owner = self.owners[whose]

        async def race() -> None:
            await asyncio.gather(
                *(put(self.store, owner, name, content(size, n)) for n in range(4))
            )

        self.run(race())
        found = self.run(self.store.head(owner, FileName(name)))
        got = self.run(read(self.store, owner, name, etag=found.etag))
        assert got in [content(size, n) for n in range(4)]
        self.kept(owner, name, got, found.etag, Metadata())

    @rule(whose=owners, name=names, kind=conditions, chance=st.integers(0, 99))
    def delete_file(self, whose: int, name: str, kind: str, chance: int) -> None:
        owner = self.owners[whose]
        current = self.files.get((owner, name))
        condition, holds = self.condition(kind, current, chance)
        deleting = self.store.delete(owner, FileName(name), precondition=condition)
        if current is None:
            with pytest.raises((NoSuchFile, PreconditionFailed)):
                self.run(deleting)
        elif not holds:
            with pytest.raises(PreconditionFailed):
                self.run(deleting)
        else:
            self.run(deleting)
            del self.files[owner, name]

    # -- reading --------------------------------------------------------------------------------

    @rule(whose=owners, name=names)
    def head(self, whose: int, name: str) -> None:
        version = self.files.get((self.owners[whose], name))
        asking = self.store.head(self.owners[whose], FileName(name))
        if version is None:
            with pytest.raises(NoSuchFile):
                self.run(asking)
            return
        found = self.run(asking)
        assert found.name == FileName(name)
        assert (found.size, found.etag) == (len(version.data), version.etag)
        assert found.metadata == version.metadata

    @rule(
        whose=owners, name=names, start=st.integers(0, 9), end=st.integers(0, 9), pin=st.booleans()
    )
    def open_file(self, whose: int, name: str, start: int, end: int, pin: bool) -> None:
        owner = self.owners[whose]
        version = self.files.get((owner, name))
        if version is None:
            with pytest.raises(NoSuchFile):
                self.run(read(self.store, owner, name))
            return
        last = len(version.data) - 1
        byte_range = None
        if start <= end and last >= 0:
            byte_range = ByteRange(last * start // 9, last * end // 9)
        etag = version.etag if pin else None
        got = self.run(read(self.store, owner, name, etag=etag, byte_range=byte_range))
        whole = version.data
        assert got == (whole[byte_range.start : byte_range.end + 1] if byte_range else whole)

    @rule(whose=owners, name=names, chance=st.integers(0, 99))
    def open_former_version(self, whose: int, name: str, chance: int) -> None:
        owner = self.owners[whose]
        version = self.files.get((owner, name))
        former = self.former_etags[chance % len(self.former_etags)]
        if version is not None and version.etag != former:
            with pytest.raises(PreconditionFailed):
                self.run(read(self.store, owner, name, etag=former))

    # Neither of these two has a precondition: how a cancelled call has ended would decide it, and
    # Hypothesis has to be able to draw the same again.

    @rule(chance=st.integers(0, 99))
    def begin_to_read(self, chance: int) -> None:
        """A download that goes on after other calls, whatever they do to the file."""
        if not self.files or len(self.readers) == 3:
            return
        (owner, name), version = list(self.files.items())[chance % len(self.files)]
        go, begun = asyncio.Event(), asyncio.Event()

        async def reading() -> bytes | None:
            got = b""
            try:
                async with self.store.open(owner, FileName(name)) as found:
                    begun.set()
                    await go.wait()
                    async for chunk in found.chunks:
                        got += chunk
            except (StorageError, PreconditionFailed, NoSuchFile):
                assert version.data.startswith(got)
                return None
            return got

        async def begin() -> Reader:
            task = asyncio.create_task(reading())
            await begun.wait()
            return Reader(version.data, go, task)

        self.readers.append(self.run(begin()))

    @rule(chance=st.integers(0, 2))
    def finish_reading(self, chance: int) -> None:
        if not self.readers:
            return
        reader = self.readers.pop(chance % len(self.readers))

        async def finish() -> bytes | None:
            reader.go.set()
            return await reader.task

        got = self.run(finish())
        assert got is not None or self.place.kind != "local"
        assert got is None or got == reader.expected

    @rule(whose=owners, query=queries)
    def list_files(self, whose: int, query: ListQuery) -> None:
        mine = [name for owner, name in self.files if owner == self.owners[whose]]
        found = self.run(listed(self.store, self.owners[whose], query))
        assert found == expected_entries(mine, query)

    @rule(whose=owners)
    def usage(self, whose: int) -> None:
        mine = [v for (owner, _), v in self.files.items() if owner == self.owners[whose]]
        found = self.run(self.store.usage(self.owners[whose]))
        assert found is not None
        assert (found.files, found.size) == (len(mine), sum(len(each.data) for each in mine))

    # -- the store as a whole -------------------------------------------------------------------

    @rule()
    def reopen(self) -> None:
        while self.readers:
            self.finish_reading(0)
        self.store = self.run(self.place.reopen(self.store))

    @rule()
    def sweep(self) -> None:
        self.run(self.store.sweep())

    def teardown(self) -> None:
        try:
            self.reopen()
            self.sweep()
            for whose in (0, 1):
                self.list_files(whose, ListQuery())
            for (owner, name), version in self.files.items():
                assert self.run(read(self.store, owner, name)) == version.data
            live = {file: len(version.data) for file, version in self.files.items()}
            assert self.place.strays(live) == []
        finally:
            self.run(self.place.close())
            self.runner.close()


def check(place: Callable[[], Place], *, examples: int, steps: int) -> None:
    class Machine(StorageMachine):
        def __init__(self) -> None:
            super().__init__(place())

    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_local(tmp_path_factory: pytest.TempPathFactory) -> None:
    examples = rounds(6, 400)
    check(lambda: LocalPlace(tmp_path_factory.mktemp("machine")), examples=examples, steps=50)


@pytest.mark.parametrize("server", ["moto", "ceph"])
def test_s3(server: str, request: pytest.FixtureRequest) -> None:
    s3: S3Server = request.getfixturevalue(server)
    check(lambda: S3Place.fresh(s3), examples=rounds(6, 20), steps=25)
