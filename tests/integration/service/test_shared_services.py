"""Services that tests share: as good as one's own, and who harms one is told."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import raw
from tests.support.raw import Connection
from tests.support.service import LocalBackend
from tests.support.services import DEFAULTS, Services
from tests.support.waiting import until
from tests.support.witness import fetch, store


@pytest.fixture
def services(tmp_path: Path) -> Iterator[Services]:
    made = Services(tmp_path, lambda: LocalBackend(tmp_path / "data"))
    yield made
    made.stop()


def test_each_has_a_client_and_a_part_of_the_log_of_its_own(services: Services) -> None:
    one = services.lend(DEFAULTS)
    store(one, "first", b"content")
    until(lambda: "/api/files/first" in one.said(), "it is in the log")
    other = services.lend(DEFAULTS)
    assert (one.port, one.token != other.token) == (other.port, True)
    assert fetch(other, "first") is None
    until(lambda: "/api/files/first" in other.said(), "it is in the log")
    assert '"PUT /api/files/first' not in other.said()
    assert services.harm() == []


def test_what_was_harmed_is_told_and_started_anew(services: Services) -> None:
    harmed = services.lend(DEFAULTS)
    os.kill(harmed.workers()[0], signal.SIGKILL)
    until(lambda: "was sent SIGKILL" in harmed.said(), "its master notices")
    assert any("was sent SIGKILL" in line for line in services.harm())
    assert services.harm() == []
    assert services.lend(DEFAULTS).port == harmed.port
    harmed.kill()
    assert services.harm() != []
    again = services.lend(DEFAULTS)
    with Connection(again.port) as client:
        client.send(raw.head("GET", "/health"))
        assert client.read_answer().status == 200
    assert services.harm() == []
