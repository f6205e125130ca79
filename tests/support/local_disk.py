"""The embedded store's directory, seen from outside, and a disk that fails when it is told to."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from pathlib import Path

import apsw

from file_uploader.storage.local import LocalStorage


@asynccontextmanager
async def opened(directory: Path) -> AsyncIterator[LocalStorage]:
    """A store as one process opens it."""
    store = await LocalStorage.connect(directory)
    try:
        yield store
    finally:
        await store.aclose()


def blobs_on(directory: Path) -> set[str]:
    """The names of all blob files."""
    return {path.name for path in (directory / "blobs").glob("??/*")}


def indexed(directory: Path) -> dict[str, int]:
    """The blobs that the index names, with their sizes."""
    with closing(apsw.Connection(str(directory / "index.db"))) as connection:
        sql = "SELECT blob, size FROM files WHERE blob IS NOT NULL"
        return {str(blob): int(str(size)) for blob, size in connection.execute(sql)}


def assert_sound(directory: Path) -> None:
    """The index is whole, every content is there, and there is nothing else (after a sweep)."""
    named = indexed(directory)
    found = {path.name: path.stat().st_size for path in (directory / "blobs").glob("??/*")}
    assert found == named
    with closing(apsw.Connection(str(directory / "index.db"))) as connection:
        assert connection.pragma("integrity_check") == "ok"
        [(unused,)] = connection.execute(
            "SELECT count(*) FROM contents WHERE id NOT IN"
            " (SELECT content FROM files WHERE content IS NOT NULL)"
        )
        [(missing,)] = connection.execute(
            "SELECT count(*) FROM files"
            " WHERE content IS NOT NULL AND content NOT IN (SELECT id FROM contents)"
        )
        [(garbage,)] = connection.execute("SELECT count(*) FROM garbage")
    assert (unused, missing, garbage) == (0, 0, 0)


Hook = Callable[[str, Path], None]
"""Called before SQLite does something ("write", "sync") to a file."""


class _HookedFile(apsw.VFSFile):
    def __init__(self, path: Path, hook: Hook, name: apsw.URIFilename | str, flags: list[int]):
        self._path = path
        self._hook = hook
        super().__init__("unix", name, flags)

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802
        self._hook("write", self._path)
        super().xWrite(data, offset)

    def xSync(self, flags: int) -> None:  # noqa: N802
        self._hook("sync", self._path)
        super().xSync(flags)
        self._hook("synced", self._path)


class _HookedVfs(apsw.VFS):
    def __init__(self, hook: Hook) -> None:
        self._hook = hook
        super().__init__("hooked", "unix", makedefault=True)

    def xOpen(self, name: apsw.URIFilename | str | None, flags: list[int]) -> apsw.VFSFile:  # noqa: N802
        assert name is not None
        path = Path(name if isinstance(name, str) else name.filename())
        return _HookedFile(path, self._hook, name, flags)


@contextmanager
def hooked_sqlite(hook: Hook) -> Iterator[None]:
    """SQLite goes through ``hook`` for every connection that is opened meanwhile."""
    vfs = _HookedVfs(hook)
    try:
        yield
    finally:
        vfs.unregister()
