"""What ways to run the service share: the port that the docs promise."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.shared import common, locked


@pytest.fixture
def promised_port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Wait until no test of another process takes that port."""
    directory = common(tmp_path_factory) / "promised-port"
    directory.mkdir(exist_ok=True)
    with locked(directory):
        yield
