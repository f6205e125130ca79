"""What cannot be listed is told once, and ends nothing."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Iterator

import pytest

from file_uploader.cli.support import walk
from file_uploader.cli.support.walk import Walk
from file_uploader.errors import StorageFailed, StorageUnavailable
from file_uploader.model.files import Metadata
from file_uploader.model.names import Container, FileName
from file_uploader.storage.upkeep import Flaw
from tests.support.bodies import body_of
from tests.support.double import StorageDouble, raise_

A, B = (Container.of(uuid.UUID(int=number)) for number in (1, 2))


@pytest.fixture
async def double(monkeypatch: pytest.MonkeyPatch) -> StorageDouble:
    monkeypatch.setattr(walk, "PAUSE", 0)
    made = StorageDouble(page_size=1)
    for container in (A, B):
        for name in ("a", "b"):
            await made.put(container, FileName(name), body_of(b"x"), metadata=Metadata())
    made.calls.clear()
    return made


async def walked(double: StorageDouble) -> tuple[list[str], list[Flaw]]:
    """The names of the files that are found, and what is told."""
    flaws: list[Flaw] = []
    found = [place.name async for place, _ in Walk(double, flaws.append).files()]
    return found, flaws


async def test_a_list_that_fails_for_good_is_told_once_and_asked_for_once(
    double: StorageDouble,
) -> None:
    double.before["list"] = raise_(StorageFailed("It is damaged."))
    found, flaws = await walked(double)
    assert found == []
    assert [str(flaw).split(": ", 1)[1] for flaw in flaws] == [
        "its files cannot all be listed: It is damaged."
    ] * 2
    assert double.calls["list"] == 2


async def test_a_list_that_may_pass_goes_on_where_it_broke_off(double: StorageDouble) -> None:
    errors = iter([None, StorageUnavailable("Not now."), None, None, None])

    async def page() -> None:
        if (error := next(errors, None)) is not None:
            raise error

    double.before["page"] = page
    found, flaws = await walked(double)
    assert (found, flaws) == (["a", "b"] * 2, [])
    assert double.calls["list"] == 3


async def test_containers_that_cannot_all_be_listed_are_told_of(
    double: StorageDouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(double, "containers", lambda: _broken_off(iter((A,))))
    found, flaws = await walked(double)
    assert found == ["a", "b"]
    assert [str(flaw) for flaw in flaws] == [
        "the containers cannot all be listed: The rest is not shown."
    ]


async def test_a_store_that_lists_no_container_at_all_ends_it(
    double: StorageDouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(double, "containers", lambda: _broken_off(iter(())))
    with pytest.raises(StorageFailed):
        await walked(double)


async def _broken_off(containers: Iterator[Container]) -> AsyncIterator[Container]:
    for container in containers:
        yield container
    raise StorageFailed("The rest is not shown.")
