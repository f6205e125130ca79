"""The index of an older version is taken over, once and whole; that of a newer one is refused."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import apsw
import pytest

from file_uploader.errors import ConfigurationError
from file_uploader.model.files import Metadata
from file_uploader.model.names import Container, FileName
from file_uploader.storage.local import LocalStorage
from file_uploader.storage.local.index import rows
from file_uploader.uploads.rules import Uploads
from tests.contract.uploading import EXPIRY, begun, piece
from tests.support.command import started
from tests.support.files import put, read
from tests.support.listing import names_in
from tests.support.local_disk import assert_sound, opened

OLD = Path(__file__).with_name("schema_1.sql")
OWNER = Container("4d80cdde7d3b31742852a736230fe37e")


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """A store as version 1 of the schema has it."""
    directory = tmp_path / "data"
    blob = directory / "blobs" / "ab" / "ab00000000000000-0000000000000001"
    blob.parent.mkdir(parents=True)
    blob.write_bytes(bytes(20_000))
    with closing(apsw.Connection(str(directory / "index.db"))) as connection:
        connection.execute(OLD.read_text()).fetchall()
    return directory


def version_of(directory: Path) -> int:
    with closing(apsw.Connection(str(directory / "index.db"))) as connection:
        version: int = connection.pragma("user_version")
        return version


def schema_of(directory: Path) -> set[str]:
    """The tables and indices, by their SQL without spaces and comments."""

    def bare(lines: str) -> Iterator[str]:
        for line in lines.splitlines():
            yield line.partition("--")[0].strip()

    with closing(apsw.Connection(str(directory / "index.db"))) as connection:
        sql = "SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL"
        return {" ".join(bare(str(text))) for (text,) in connection.execute(sql)}


async def test_files_of_the_oldest_version_are_there_and_uploads_work(
    old: Path, tmp_path: Path
) -> None:
    async with opened(old) as store:
        assert version_of(old) == rows.SCHEMA_VERSION
        assert await names_in(store, OWNER) == ["a/hello", "b", "empty"]
        assert await read(store, OWNER, "a/hello") == b"hello"
        assert await read(store, OWNER, "b") == bytes(20_000)
        assert await read(store, OWNER, "empty") == b""
        info = await store.head(OWNER, FileName("a/hello"))
        assert info.metadata == Metadata("text/plain", custom={"colour": "blue"})
        assert info.modified.isoformat() == "2023-11-14T22:13:20.123456+00:00"
        uploads = Uploads(store, expiry=EXPIRY)
        upload_id = await begun(uploads, OWNER, 3)
        await uploads.append(OWNER, upload_id, piece(b"abc"), offset=0)
        await uploads.cancel(OWNER, upload_id)
        await uploads.aclose()
        await put(store, OWNER, "b", b"new")
        await store.sweep()
    assert_sound(old)
    async with opened(tmp_path / "new"):
        pass
    assert schema_of(old) == schema_of(tmp_path / "new")


def test_several_processes_take_it_over_at_once(old: Path, tmp_path: Path) -> None:
    settings = {"DATA_DIR": str(old)}
    processes = [started(("usage",), settings=settings, cwd=tmp_path) for _ in range(6)]
    told = {(*process.communicate(timeout=60), process.returncode) for process in processes}
    [(out, err, status)] = told
    assert (status, err) == (0, "")
    assert out.splitlines()[-1].split() == ["total", "3", "files", "19.5", "KiB"]
    assert version_of(old) == rows.SCHEMA_VERSION


async def test_what_fails_half_way_changes_nothing(
    old: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = schema_of(old)
    broken = {1: f"{rows.SCHEMA_FROM[1]} CREATE TABLE files (x);"}
    with monkeypatch.context() as patched:
        patched.setattr("file_uploader.storage.local.index.reads.SCHEMA_FROM", broken)
        with pytest.raises(ConfigurationError, match=r"^DATA_DIR: cannot use the index: [^\n]*$"):
            await LocalStorage.connect(old)
    assert (version_of(old), schema_of(old)) == (1, before)
    async with opened(old) as store:
        assert await read(store, OWNER, "a/hello") == b"hello"


def test_a_newer_one_is_refused_in_a_line_and_left_as_it_is(old: Path, tmp_path: Path) -> None:
    with closing(apsw.Connection(str(old / "index.db"))) as connection:
        connection.pragma("user_version", rows.SCHEMA_VERSION + 1)
    before = (old / "index.db").read_bytes()
    for arguments in (("usage",), ("verify",), ("sweep",), ("backup", "copy")):
        process = started(arguments, settings={"DATA_DIR": str(old)}, cwd=tmp_path)
        out, err = process.communicate(timeout=60)
        assert (process.returncode, out) == (3, "")
        assert err == (
            "file-uploader: DATA_DIR: its index has schema 3 and this version knows 2; use the"
            " version of file-uploader that made it.\n"
        )
    assert (old / "index.db").read_bytes() == before
