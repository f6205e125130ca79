"""Each test has a store of its own, which commands find by their settings."""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import pytest

from tests.contract.kinds import place_of
from tests.contract.stores import Place
from tests.support.command import Here, RunsHere


@pytest.fixture(params=["local", "ceph", "ceph-own-buckets"])
async def place(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Place]:
    made = place_of(request.param, request, tmp_path / "data")
    yield made
    await made.close()
    made.forget()


@pytest.fixture
def here(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> RunsHere:
    """Runs commands with these settings in this process."""
    monkeypatch.chdir(tmp_path)
    return partial(Here, capsys)
