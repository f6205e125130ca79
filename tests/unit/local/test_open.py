"""Opening the embedded store: what it makes, and what it refuses."""

from __future__ import annotations

import asyncio
import time
from contextlib import closing
from pathlib import Path

import apsw
import pytest

from file_uploader.errors import ConfigurationError
from file_uploader.model.names import Container
from file_uploader.storage.local import LocalStorage
from tests.support.bodies import KIB, content
from tests.support.files import new_container, put
from tests.support.local_disk import opened


@pytest.fixture
def container() -> Container:
    return new_container()


async def test_a_new_directory_is_for_its_owner_only(tmp_path: Path, container: Container) -> None:
    directory = tmp_path / "a" / "b"
    started = time.monotonic()
    async with opened(directory) as store:
        assert time.monotonic() - started < 2
        await put(store, container, "small", b"1")
        await put(store, container, "large", content(100 * KIB))
        for path in [directory, *directory.rglob("*")]:
            assert path.stat().st_mode & 0o077 == 0, path


async def test_several_open_it_at_once(tmp_path: Path, container: Container) -> None:
    stores = await asyncio.gather(*(LocalStorage.connect(tmp_path / "new") for _ in range(6)))
    for number, store in enumerate(stores):
        await put(store, container, f"{number}", b"1")
    await asyncio.gather(*(store.aclose() for store in stores))


async def test_a_directory_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for directory in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(ConfigurationError, match=r"^DATA_DIR: [^\n]*$"):
            await LocalStorage.connect(directory)


async def test_a_schema_of_the_future(tmp_path: Path) -> None:
    async with opened(tmp_path):
        pass
    with closing(apsw.Connection(str(tmp_path / "index.db"))) as connection:
        connection.pragma("user_version", 99)
    with pytest.raises(ConfigurationError, match="schema 99"):
        await LocalStorage.connect(tmp_path)
    assert not list((tmp_path / "sessions").iterdir())


async def test_an_index_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "index.db").write_bytes(b"something else" * 1000)
    with pytest.raises(ConfigurationError, match=r"^DATA_DIR: [^\n]*$"):
        await LocalStorage.connect(tmp_path)


async def test_an_sqlite_that_is_too_old(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apsw, "sqlite_lib_version", lambda: "3.51.2")
    with pytest.raises(ConfigurationError, match=r"3\.51\.3"):
        await LocalStorage.connect(tmp_path / "new")
    assert not (tmp_path / "new").exists()
