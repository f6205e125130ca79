"""Each test has a store of its own, which commands find by their settings."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.contract.kinds import place_of
from tests.contract.stores import Place


@pytest.fixture(params=["local", "ceph", "ceph-own-buckets"])
async def place(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Place]:
    made = place_of(request.param, request, tmp_path / "data")
    yield made
    await made.close()
    made.forget()
