"""How many of our functions and files a request passes: what a reader has to follow, and Python."""

from __future__ import annotations

import asyncio
import sys
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import CodeType, FrameType

import pytest

import file_uploader
from file_uploader.http.app import create_app
from file_uploader.settings import Settings
from file_uploader.storage.base import Storage
from tests.contract.kinds import KINDS
from tests.contract.stores import Place
from tests.support.asgi import Client, running

OURS = str(Path(file_uploader.__file__).parent)
MOST = {"local": (140, 40), "moto": (165, 42), "ceph": (165, 42)}
"""Functions and files between the head of a PUT of 1 MiB and its answer, all threads counted."""


class Calls:
    """The code of our functions that are called, in any thread, while it is ``on``."""

    def __init__(self) -> None:
        self.on = False
        self.codes: set[CodeType] = set()

    def __call__(self, frame: FrameType, event: str, _argument: object) -> None:
        if self.on and event == "call" and frame.f_code.co_filename.startswith(OURS):
            self.codes.add(frame.f_code)

    @property
    def files(self) -> set[str]:
        """The files that these functions are in."""
        return {code.co_filename for code in self.codes}


@contextmanager
def noted() -> Iterator[Calls]:
    """Note calls, once they are ``on``: also those of threads that are begun from here on."""
    calls, before = Calls(), sys.getprofile()
    threading.setprofile(calls)
    sys.setprofile(calls)
    try:
        yield calls
    finally:
        sys.setprofile(before)
        threading.setprofile(before)


@pytest.mark.parametrize("place", KINDS, indirect=True)
async def test_a_put_passes_few_functions(place: Place) -> None:
    with noted() as calls:
        store = await place.open()
        swept = asyncio.Event()

        async def open_store(_settings: Settings) -> Storage:
            return store

        sweep = store.sweep

        async def sweep_once(*, dry: bool = False) -> object:
            try:
                return await sweep(dry=dry)
            finally:
                swept.set()

        store.sweep = sweep_once  # type: ignore[method-assign,assignment]
        place._opened.remove(store)  # The application closes it.
        settings = Settings.model_construct(bucket=None)
        async with running(create_app(settings, open_store)) as app:
            client = Client(app, str(uuid.uuid4()))
            await swept.wait()
            for name in ("first", "second"):  # The first request finds out what later ones know.
                calls.on = name == "second"
                answer = await client(
                    "PUT", f"/api/files/{name}", body=[bytes(65_536)] * 16, length=2**20
                )
                calls.on = False
                assert answer.status == 204, answer
    names = sorted(f"{code.co_filename} {code.co_qualname}" for code in calls.codes)
    print(len(names), "functions in", len(calls.files), "files", *names, sep="\n")
    functions, files = MOST[place.kind]
    assert any("writer" in name for name in calls.files) or place.kind != "local", "no threads"
    assert len(calls.codes) <= functions
    assert len(calls.files) <= files
