"""What ends a pass over many items, and what is a finding of one of them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from file_uploader.errors import (
    FileTooLarge,
    FileUploaderError,
    InvalidHeader,
    Overloaded,
    StorageFailed,
    StorageFull,
    StorageTimeout,
    StorageUnavailable,
)
from file_uploader.storage import passes
from file_uploader.storage.passes import TRIES, ItemFailed, Pass
from file_uploader.storage.upkeep import MOST_FLAWS, Flaw, Swept, shown


@pytest.fixture(autouse=True)
def _hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passes, "PAUSE", 0)
    monkeypatch.setattr(passes, "PATIENCE", (0, 0))


class Store:
    """Is asked whether it is ready; ``answers`` are the errors that it says first."""

    def __init__(self, *answers: Exception, gone: bool = False) -> None:
        self.answers = list(answers)
        self.gone = gone
        self.asked = 0

    async def ready(self) -> None:
        self.asked += 1
        if self.gone:
            raise StorageUnavailable("it is gone")
        if self.answers:
            raise self.answers.pop(0)


def failing(*errors: Exception) -> tuple[Callable[[], Awaitable[str]], list[Exception]]:
    """Work that raises these, one each time, and then succeeds; and those that are left."""
    left = list(errors)

    async def work() -> str:
        if left:
            raise left.pop(0)
        return "done"

    return work, left


@pytest.mark.parametrize(
    "error", [StorageFailed("refused"), InvalidHeader("a tab"), FileTooLarge("too large")]
)
async def test_what_is_wrong_with_an_item_is_a_finding(error: FileUploaderError) -> None:
    work, _ = failing(error)
    with pytest.raises(ItemFailed, match=str(error)):
        await Pass(Store().ready).attempt(work)


@pytest.mark.parametrize("kind", [StorageUnavailable, StorageTimeout, Overloaded])
async def test_what_may_pass_is_tried_again(kind: type[FileUploaderError]) -> None:
    work, _ = failing(kind("busy"))
    assert await Pass(Store().ready).attempt(work) == "done"
    work, left = failing(*[kind("busy")] * (TRIES + 1))
    with pytest.raises(ItemFailed, match="busy"):
        await Pass(Store().ready).attempt(work)
    assert len(left) == 1


@pytest.mark.parametrize("kind", [StorageFailed, StorageUnavailable, StorageTimeout])
async def test_a_store_that_is_gone_ends_it_and_the_item_is_named(
    kind: type[FileUploaderError],
) -> None:
    store = Store(gone=True)
    work, left = failing(*[kind("wrong")] * 3)
    with pytest.raises(StorageUnavailable) as caught:
        await Pass(store.ready).attempt(work, "abc name")
    assert passes.explained(caught.value) == "it is gone It ended at abc name."
    assert len(left) == 2, "there is no use in another try"


async def test_a_store_that_comes_back_ends_nothing() -> None:
    store = Store(StorageUnavailable("not yet"), StorageFailed("nor now"))
    work, _ = failing(StorageUnavailable("wrong"))
    assert await Pass(store.ready).attempt(work) == "done"
    assert store.asked == 3


async def test_a_full_store_ends_it_at_once() -> None:
    store = Store()
    work, _ = failing(StorageFull("No space is left."))
    with pytest.raises(StorageFull) as caught:
        await Pass(store.ready).attempt(work, "abc name")
    assert passes.explained(caught.value).endswith("It ended at abc name.")
    assert store.asked == 0


@pytest.mark.parametrize("error", [RuntimeError("a bug"), TypeError("a bug")])
async def test_errors_that_nobody_foresaw_are_no_findings(error: Exception) -> None:
    work, _ = failing(error)
    with pytest.raises(type(error)):
        await Pass(Store().ready).attempt(work)


async def test_it_can_be_cancelled_while_it_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passes, "PAUSE", 60)
    work, _ = failing(StorageUnavailable("busy"))
    task = asyncio.create_task(Pass(Store().ready).attempt(work))
    await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


def test_a_sweep_names_so_many_and_counts_all() -> None:
    swept = Swept()
    for number in range(MOST_FLAWS + 5):
        swept.tell(Flaw("wrong", key=f"{number}"))
    assert (len(swept.flaws), swept.failed) == (MOST_FLAWS, MOST_FLAWS + 5)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a/b-c.txt", "a/b-c.txt"),
        ("a b\x1b[2J\n", "a%20b%1B%5B2J%0A"),
        ("\u202egpj.exe", "%E2%80%AEgpj.exe"),
        ("\ufffe\x9b", "%EF%BF%BE%C2%9B"),
        ("\udcff", "%ED%B3%BF"),
    ],
)
def test_names_are_shown_as_in_urls(name: str, text: str) -> None:
    assert shown(name) == text
    assert str(Flaw("it is wrong", name=name)) == f"{text}: it is wrong"
